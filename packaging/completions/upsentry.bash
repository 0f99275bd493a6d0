# Completion of upsentry(8) for bash; needs nothing else. Debian: /usr/share/bash-completion/completions/upsentry
# shellcheck shell=bash

_upsentry() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' word words='' skip='' count=0

	# The command so far, and how many words follow it.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $skip ]]; then
			skip=
			continue
		fi
		case $word in
		-c | --log | --socket) skip=1 ;;
		-t) command='test' ;;
		-k) command='kill' ;;
		-*) ;;
		*) if [[ $command ]]; then count=$((count + 1)); else command=$word; fi ;;
		esac
	done

	COMPREPLY=()
	case $before in
	-c | --socket) words=FILES ;;
	--log) words='stderr syslog' ;;
	*)
		case $command:$current in
		:-*) words='-c -f --log -t -k -h --help -V --version' ;;
		:*)
			words='test kill status history check models rules keygen'
			words+=' import-upsmon import-apcupsd import-ups-conf'
			;;
		status:*) words='-c --socket --watch --json --record --prometheus --check' ;;
		history:*) words='-c --json' ;;
		kill:*) words='-c --wait' ;;
		rules:-* | test:* | check:*) words='-c' ;;
		rules:*) if ((count)); then words=FILES; else words='check replay'; fi ;;
		keygen:* | import-*:*) if ((count == 0)); then words=FILES; fi ;;
		esac
		;;
	esac
	if [[ $words = FILES ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	fi
}

complete -F _upsentry upsentry
