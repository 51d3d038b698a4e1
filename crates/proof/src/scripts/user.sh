#!/bin/bash
# user.sh NAME HOME READY: an ordinary user without a range of other user numbers, as long as this runs; READY is there when the user is. Then the
# user's processes end, and the user goes.
name=$1
gone() {
  trap '' TERM INT
  for _ in $(seq 100); do
    pkill -KILL -u "$name"
    userdel "$name" 2> /dev/null && exit 0
    sleep 0.1
  done
  exit 1
}
useradd --no-create-home --home-dir "$2" --shell /bin/bash -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$name" || exit 1
trap gone TERM INT
touch "$3"
while :; do sleep 1 & wait $!; done
