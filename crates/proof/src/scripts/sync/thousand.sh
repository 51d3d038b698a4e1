#!/bin/sh
# thousand.sh, for a shell in a container with few programs: a thousand files.
set -eu
mkdir /files/many
i=0
while [ "$i" -lt 1000 ]; do
  i=$((i + 1))
  echo "$i" > "/files/many/$i"
done
