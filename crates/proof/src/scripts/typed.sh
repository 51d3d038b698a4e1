#!/bin/bash
# typed.sh CONFIG KNOWN KUBESTEAD LINE [terminal]: a line of the docs as a reader types it, whose machines are those of CONFIG and whose known_hosts is KNOWN;
# on a terminal of its own, if it asks there.
set -euo pipefail
config=$1 known=$2 program=$3 line=$4
if [ "${5:-}" = terminal ]; then
  exec script -qec "$(printf '%q ' bash "$0" "${@:1:4}")" /dev/null
fi
kubestead() { "$program" "$@"; }
ssh() { command ssh -F "$config" -o BatchMode=yes "$@"; }
ssh-keygen() {
  case $1 in
    -R) command ssh-keygen -f "$known" "$@" ;;
    *) command ssh-keygen "$@" ;;
  esac
}
eval "$line"
