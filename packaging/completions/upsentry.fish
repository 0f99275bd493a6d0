# Completion of upsentry(8) for fish. Debian: /usr/share/fish/vendor_completions.d/upsentry.fish

set -l commands test kill status history check models rules keygen import-upsmon import-apcupsd import-ups-conf
set -l none "not __fish_seen_subcommand_from $commands"
set -l configured "not __fish_seen_subcommand_from models keygen import-upsmon import-apcupsd import-ups-conf"

complete -c upsentry -f
complete -c upsentry -n $none -a test -d 'Show the lines and what they mean'
complete -c upsentry -n $none -a kill -d 'If on battery: tell the UPS to cut the load'
complete -c upsentry -n $none -a status -d 'What is watched, and what init was told'
complete -c upsentry -n $none -a history -d 'The outages of the past'
complete -c upsentry -n $none -a check -d 'What upsentry would do, and what is doubtful'
complete -c upsentry -n $none -a models -d 'The known cables'
complete -c upsentry -n $none -a rules -d 'Check or replay rules'
complete -c upsentry -n $none -a keygen -d 'A new key for a master and its slaves'
complete -c upsentry -n $none -a import-upsmon -d 'What upsmon.conf says, as an upsentry.conf'
complete -c upsentry -n $none -a import-apcupsd -d 'What apcupsd.conf says, as an upsentry.conf'
complete -c upsentry -n $none -a import-ups-conf -d 'What ups.conf says, as an upsentry.conf'

complete -c upsentry -n '__fish_seen_subcommand_from rules; and not __fish_seen_subcommand_from check replay' -a 'check replay'
complete -c upsentry -n '__fish_seen_subcommand_from rules; and __fish_seen_subcommand_from check replay' -F
complete -c upsentry -n '__fish_seen_subcommand_from keygen import-upsmon import-apcupsd import-ups-conf' -F

complete -c upsentry -n $configured -s c -r -F -d 'The configuration'
complete -c upsentry -n $none -s f -d 'Stay in the foreground'
complete -c upsentry -n $none -l log -x -a 'stderr syslog' -d 'Where the log goes'
complete -c upsentry -n $none -s t -d 'As test'
complete -c upsentry -n $none -s k -d 'As kill'
complete -c upsentry -n $none -s h -l help -d 'A short help'
complete -c upsentry -n $none -s V -l version -d 'The version'
complete -c upsentry -n '__fish_seen_subcommand_from kill' -l wait -d 'As a kill hook: decide, and stay if it must be'
complete -c upsentry -n '__fish_seen_subcommand_from history status' -l json -d 'As JSON'
complete -c upsentry -n '__fish_seen_subcommand_from status' -l watch -d 'Again at each change'
complete -c upsentry -n '__fish_seen_subcommand_from status' -l record -d 'With --watch: a line for each change of a value'
complete -c upsentry -n '__fish_seen_subcommand_from status' -l prometheus -d 'As Prometheus has it'
complete -c upsentry -n '__fish_seen_subcommand_from status' -l check -d 'One line and an exit status'
complete -c upsentry -n '__fish_seen_subcommand_from status' -l socket -r -F -d 'Where to ask'
