#!/bin/sh
# Run by installpkg in the root of the system, which need not be the one that runs.

# What was not there is put in place, what is the same goes, what an administrator has changed stays beside it.
config() {
	new=$1
	old=${new%.new}
	if [ ! -e "$old" ]; then
		mv "$new" "$old"
	elif cmp -s "$old" "$new"; then
		rm "$new"
	fi
}

# A powstatd.conf is read where there is no upsentry.conf; a new one would put it out of force.
if [ -e etc/upsentry.conf ] || [ ! -e etc/powstatd.conf ]; then
	config etc/upsentry.conf.new
fi
config etc/default/upsentry.new

# Their modes say whether they run: an administrator's stay.
for script in rc.upsentry rc.ups-monitor; do
	if [ -e "etc/rc.d/$script" ]; then chmod "$(stat -c %a "etc/rc.d/$script")" "etc/rc.d/$script.new"; fi
	config "etc/rc.d/$script.new"
done

# The two users that it becomes. On a system that is not this one: upsentry says how, when it starts.
if [ "$(pwd -P)" = / ] && command -v useradd >/dev/null; then
	for user in _upsentry _upsentryd; do
		grep -q "^$user:" etc/passwd ||
			useradd --system --user-group --no-create-home --home-dir / --shell /bin/false "$user"
	done
fi
