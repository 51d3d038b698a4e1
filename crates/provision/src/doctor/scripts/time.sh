# shellcheck shell=bash
# The time, and whether something keeps it: `yes`, `no`, or `unknown`.
printf '%(%s)T\n' -1
kept=''
if command -v timedatectl > /dev/null; then
  kept=$(timeout 5 timedatectl show --property NTPSynchronized --value 2> /dev/null)
fi
echo "${kept:-unknown}"
