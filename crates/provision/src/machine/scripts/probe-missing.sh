# shellcheck shell=bash disable=SC2154
# Which of "programs" are missing.
for program in "${programs[@]}"; do
  command -v "$program" > /dev/null || echo "$program"
done
true
