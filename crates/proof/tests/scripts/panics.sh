#!/bin/bash
# panics.sh FILE: ends as a proof does on whose lab a kernel panicked, the first time.
[ ! -e "$1" ] || exit 0
touch "$1"
exit 75
