# shellcheck shell=bash disable=SC2154
# The last lines of the journals of "units", or of the kernel's where there are none.
which=(-k)
[ "${#units[@]}" = 0 ] || which=("${units[@]/#/--unit=}")
timeout 40 journalctl "${which[@]}" --lines 1000 --no-pager --no-hostname --output short-iso --boot 2>&1 | tr -d '\0' | tail -c "$most"
true
