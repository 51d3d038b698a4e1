# shellcheck shell=bash disable=SC2154
# The frame of a probe, and what its sections may use. Needs `nonce`.
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
# section NAME MOST TEXT: evaluates the text in a subshell and prints what it answers behind a line with its name, exit status and length. The name
# is told ahead on standard error: when the answer does not come, that names what is waited for. More than MOST bytes are never held: what the
# text prints then meets a closed pipe. A text that has something to tidy up defines `leave`: the trap is taken. How it ended follows its answer behind the nonce, which it does not know; `wait` does not tell that
# reliably of a process substitution.
section() {
  local answer='' status=killed whole="@@$nonce ([0-9]+)$"
  printf '\036%s\n' "$1" >&2
  if IFS= read -r -N "$(($2 + 64))" answer < <(
    leave() { :; }
    trap 'status=$?; leave; printf "@@%s %d" "$nonce" "$status"' EXIT
    eval "$3" 2> /dev/null
  ); then
    kill "$!" 2> /dev/null
    answer='' status=cut
  elif [[ $answer =~ $whole ]]; then
    status=${BASH_REMATCH[1]}
    answer=${answer%"${BASH_REMATCH[0]}"}
  fi
  printf '@@%s %s %s %d\n%s\n' "$nonce" "$1" "$status" "${#answer}" "$answer"
}
# show FILE: what a file holds, without a process of its own, for what nobody's data depends on: bytes of zero are left out, and a file that cannot be
# read to its end counts as one that ends there. Fails if it cannot be opened. No more is held than a section may answer.
show() {
  local text=''
  { IFS= read -r -N 2097152 text || true; } < "$1" || return 1
  printf %s "$text"
}
finish() {
  printf '@@%s end 0 0\n\n' "$nonce"
}
