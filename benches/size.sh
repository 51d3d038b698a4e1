#!/bin/bash
# size.sh KUBESTEAD: the program: its size, and how long --help takes.
set -euo pipefail
program=$1
echo "size $(($(stat -c %s "$program") / 1000000)) MB (limit 20)"
times=$(for _ in $(seq 21); do begin=$(date +%s%N); "$program" --help > /dev/null; end=$(date +%s%N); echo $(((end - begin) / 1000)); done | sort -n)
none=$(for _ in $(seq 21); do begin=$(date +%s%N); /bin/true; end=$(date +%s%N); echo $(((end - begin) / 1000)); done | sort -n)
echo "--help $(sed -n 11p <<< "$times") us (limit 20000); /bin/true $(sed -n 11p <<< "$none") us"
