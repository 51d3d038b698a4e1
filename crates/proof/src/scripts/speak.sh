# shellcheck shell=sh
# sh -c THIS WORD LINES: writes so many lines that begin with the word and have a number, as the pod's own program would.
n=0
while [ "$n" -lt "$1" ]; do
  n=$((n + 1))
  echo "$0$n"
done > /proc/1/fd/1
