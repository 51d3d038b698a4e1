# shellcheck shell=bash disable=SC2154
# Whether each of "addresses", of pods on other nodes, answers: `open`, `refused` (it answers, and nothing listens there), or `lost`.
try() { { : <> "/dev/tcp/$1/53" && echo open; } 2>&1; }
one() {
  local said=''
  read -r -t 3 said < <(try "$1")
  kill "$!" 2> /dev/null
  case $said in
    open) echo "pod $1 open" ;;
    *'Connection refused'*) echo "pod $1 refused" ;;
    *) echo "pod $1 lost" ;;
  esac
}
running=0
for address in "${addresses[@]}"; do
  one "$address" &
  running=$((running + 1))
  if ((running == 16)); then
    wait
    running=0
  fi
done
wait
