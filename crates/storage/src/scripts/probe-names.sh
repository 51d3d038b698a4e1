# shellcheck shell=bash disable=SC2154
# Which of "names" are there below /dev.
cd /dev || exit 1
for name in "${names[@]}"; do
  if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\n' "$name"; fi
done
