# What the lab's proofs share; each reads it with its title: a folder of its own for all that a run leaves, and how a claim is told.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH). KEEP=1 keeps the lab.
set -euo pipefail
title=${1:?}
# shellcheck disable=SC2034 # some of the proofs use it
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kubestead=${KUBESTEAD:-$(command -v kubestead)}
work=$(mktemp -d)
export KUBESTEAD_LAB_DIR=$work/labs KUBESTEAD_AGE_KEY_FILE=$work/age.txt XDG_STATE_HOME=$work/state KUBESTEAD_FILE=$work/cluster.yaml
passed=0 failed=0
# A proof that makes more than a lab has a `clean_up` of its own.
clean_up() { "$kubestead" lab down --wipe > /dev/null 2>&1 || true; }
finish() {
  result=$?
  panics=$(grep -hsF -B 12 'Kernel panic - not syncing' "$KUBESTEAD_LAB_DIR"/*/machines/*/console.log || true)
  if [ "${KEEP:-}" = 1 ]; then echo "kept: KUBESTEAD_LAB_DIR=$KUBESTEAD_LAB_DIR in $work"
  else clean_up; rm -rf "$work"; fi
  echo "$title: $passed passed, $failed failed"
  [ "$result" != 0 ] || [ "$failed" != 0 ] || return 0
  # The lab's own kernel ended a machine, by a fault in it: that shows nothing, and the proof is made once more.
  [ -z "$panics" ] || { printf 'a machine of the lab ended by a panic of its kernel:\n%s\n' "$panics"; exit 75; }
  exit 1
}
trap finish EXIT

# expect WHAT COMMAND...: the command must succeed.
expect() {
  what=$1; shift
  if "$@" > "$work/out" 2>&1; then passed=$((passed + 1)); echo "ok    $what"
  else failed=$((failed + 1)); echo "FAIL  $what"; sed 's/^/      /' "$work/out" | tail -n 40; fi
}
# status N COMMAND...: the command must end with that status.
status() { want=$1; shift; got=0; "$@" || got=$?; [ "$got" = "$want" ] || { echo "status $got, and $want was expected"; return 1; }; }
# eventually SECONDS COMMAND...: asks again until it succeeds.
eventually() { end=$((SECONDS + $1)); shift; until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.5; done; }
# says TEXT COMMAND...: whatever its status.
says() { text=$1; shift; "$@" 2>&1 | tee "$work/said" >&2 || true; grep -qF -- "$text" "$work/said"; }
fails_saying() { text=$1; shift; ! "$@" > "$work/said" 2>&1 && { cat "$work/said"; grep -qF -- "$text" "$work/said"; }; }
# plan OPTION...: `kubestead plan`, and again while the API server does not answer: on a busy computer it is restarted now and then.
plan() {
  end=$((SECONDS + 180))
  while :; do
    planned=0; "$kubestead" plan "$@" > "$work/plan" 2>&1 || planned=$?
    grep -q cluster/api/reach "$work/plan" && [ "$SECONDS" -lt "$end" ] || break
    sleep 2
  done
  cat "$work/plan"; return "$planned"
}
# on MACHINE COMMAND: 255 is ssh's own: the connection was lost, or the command was ended by a signal. It is asked once more. A machine that hangs
# ends it after ten minutes, with 124.
on() {
  machine=$1; shift
  login=(timeout -k 5 600 ssh -F "$work/ssh" -o BatchMode=yes -o ConnectTimeout=10 "$machine")
  "${login[@]}" "$@" || { answer=$?; [ "$answer" = 255 ] || return "$answer"; "${login[@]}" "$@"; }
}
# kill_at STEP [SECONDS]: begins `up` and kills it with -9 when the journal says that the step has begun, or a while after.
journal=$work/state/kubestead/home.jsonl
kill_at() {
  before=$(cat "$journal" 2>/dev/null | wc -l)
  "$kubestead" up > "$work/killed" 2>&1 & pid=$!
  until tail -n "+$((before + 1))" "$journal" 2>/dev/null | grep -qF "{\"event\":\"started\",\"step\":\"$1\""; do
    kill -0 "$pid" 2>/dev/null || { echo "up ended before $1"; tail -n 20 "$work/killed"; return 1; }
    sleep 0.1
  done
  sleep "${2:-0}"
  kill -9 "$pid"; wait "$pid" 2>/dev/null || true
}
# killed_in STEP SECONDS: the same, for a step that takes much longer, which had not ended.
killed_in() {
  kill_at "$@" || return 1
  ! tail -n "+$((before + 1))" "$journal" | grep -F "{\"event\":\"ended\",\"step\":\"$1\"" || { echo "$1 had ended"; return 1; }
}
