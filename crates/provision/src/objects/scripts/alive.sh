# shellcheck shell=bash disable=SC2154
# The id of this boot, the time, and the ids of the containers in "tasks". The time is read before the containers: what started since then may
# be missing.
read -r boot < /proc/sys/kernel/random/boot_id
TZ=UTC0 printf '%s\n%(%FT%TZ)T\n' "$boot" -1
for task in "$tasks"/*; do
  [ ! -d "$task" ] || echo "${task##*/}"
done
