#!/bin/bash
# serve.sh SPOKE: the one command that the key of a spoke may run on the hub, whatever it asks for: `hello MARK`, with the mark of its volume or `new`, or
# the server of unison. What is asked for is compared, and never run.
set -euo pipefail
spoke=${1:?the spoke}
export END="hub, for $spoke"
. /sync/volume.sh
. /sync/settings.sh
consent=$OWN/consents/$spoke

# What a person consented to for this spoke's next good round.
consented() { if [ -f "$consent" ]; then head -c 20 "$consent"; else echo nothing; fi; }

new_mark() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# Says which volume this is, what time it is, and what was consented to. Two volumes that do not know each other are put together only if both are new to
# the sync, or a person consented.
hello() {
  local theirs=$1 ours said how="If both shall be put together, on the hub: bash /sync/consent.sh replaced $spoke"
  mounted
  ours=$(mark)
  said=$(consented)
  if [ "$said" = replaced ]; then
    rm -rf "$OWN/archive/$spoke" "$OWN/spokes/$spoke"
    theirs=new
  fi
  if [ "$theirs" = new ]; then
    [ ! -e "$OWN/spokes/$spoke" ] || refuse "the spoke's volume was synced before and has no mark now: it is empty, or another one. Nothing is deleted. $how"
    if [ -z "$ours" ]; then
      ours=$(new_mark)
      keep "$MARK" "$ours"
    fi
  elif [ -z "$ours" ]; then
    refuse "the hub's volume has no mark, and the spoke's was synced with one: it is empty, or another one. Nothing is deleted. $how"
  elif [ "$theirs" != "$ours" ]; then
    refuse "the spoke was synced with another volume than the hub has. Nothing is deleted. $how"
  fi
  printf '%s %s %s\n' "$ours" "$(date +%s)" "$said"
}

server() {
  local status=0
  mounted
  [ -f "$MARK" ] || refuse "the hub's volume has no mark"
  # One spoke at a time. Who is connected has the lock as long as its server runs.
  exec 9> "$OWN/lock"
  flock -w "$LONGEST" 9 || refuse "another spoke's round did not end for $LONGEST s"
  shrunk "$(consented)"
  export UNISON=$OWN/archive/$spoke UNISONLOCALHOSTNAME=hub UNISONBACKUPDIR=$LOST HOME=/tmp
  mkdir -p "$UNISON"
  # From now on this spoke's volume is known: one without its mark is not taken for it.
  keep "$OWN/spokes/$spoke" "$(mark)"
  # Locks of a server that was killed: whoever has the lock above is alone.
  rm -f "$UNISON"/lk*
  hook before || refuse "the hook before a round failed"
  timeout "$LONGEST" unison -server __new-rpc-mode || status=$?
  hook after || say "the hook after a round failed"
  counted
  expire
  if [ "$status" = 0 ]; then rm -f "$consent"; fi
  exit "$status"
}

case ${SSH_ORIGINAL_COMMAND:-} in
  'hello new') hello new ;;
  'hello '*)
    [[ $SSH_ORIGINAL_COMMAND =~ ^hello\ ([0-9a-f]{32})$ ]] || refuse "a spoke says hello with its mark"
    hello "${BASH_REMATCH[1]}"
    ;;
  'unison -server '*) server ;;
  *) refuse "the spoke's key may sync, and nothing else" ;;
esac
