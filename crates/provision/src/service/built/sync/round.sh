#!/bin/bash
# round.sh SPOKE: one round between this spoke's volume and the hub's. Status 0: both have the same.
set -euo pipefail
export END=${1:?the spoke}
. /sync/volume.sh
. /sync/settings.sh

ask() { ssh -F /sync/ssh_config "$HUB" "$1" < /dev/null; }

# What a status of unison means.
words() {
  case $1 in
    1) echo "some files were skipped, as said above" ;;
    2) echo "some files could not be synced, as said above: they change all the time (exclude them, or let the hook quiesce what writes them), or this user may not read them" ;;
    124) echo "it took longer than $LONGEST s" ;;
    *) echo "it stopped, as said above. If that is about archives, one volume is an older state of itself; on the hub: bash /sync/consent.sh replaced $END" ;;
  esac
}

mounted
mkdir -p "$OWN"
exec 9> "$OWN/lock"
flock -n 9 || refuse "another round is running on this volume"

ours=$(mark)
answer=$(ask "hello ${ours:-new}") || refuse "the hub cannot be reached, or refused, as said above"
[[ $answer =~ ^([0-9a-f]{32})\ ([0-9]{1,12})\ (nothing|deletions|replaced)$ ]] || refuse "what answers is no hub of kubestead"
theirs=${BASH_REMATCH[1]} skew=$((BASH_REMATCH[2] - $(date +%s))) consent=${BASH_REMATCH[3]}
if [ "${skew#-}" -gt "$MOST_SKEW" ]; then
  refuse "the clocks of the hub and of this machine are ${skew#-} s apart: which of two edits is newer cannot be told. kubestead doctor looks at clocks"
fi
if [ "$consent" = replaced ]; then
  say "a volume was replaced, by consent: both are put together, and nothing is deleted"
  rm -rf "$OWN/archive" "$OWN/count"
elif [ -n "$ours" ] && [ "$ours" != "$theirs" ]; then
  refuse "the hub has another volume than this one was synced with"
fi
[ "$ours" = "$theirs" ] || keep "$MARK" "$theirs"
shrunk "$consent"

export UNISON=$OWN/archive UNISONLOCALHOSTNAME=$END UNISONBACKUPDIR=$LOST HOME=/tmp
mkdir -p "$UNISON"
rm -f "$UNISON"/lk*
exclude=(-ignore 'Path .kubestead-sync' -ignore 'Path lost+found')
while IFS= read -r pattern; do
  exclude+=(-ignore "$pattern")
done < /sync/exclude

trap 'hook after || say "the hook after a round failed"' EXIT
hook before || refuse "the hook before a round failed"
status=0
# Of two edits the newer one wins; `backup` keeps the other, and whatever a round replaces or deletes. Not copyonconflict: unison 2.52 takes its name
# away from a file that was edited at one end and deleted at the other.
timeout "$LONGEST" unison "$ROOT" "ssh://$HUB/$ROOT" -sshargs '-F /sync/ssh_config' \
  -batch -auto -terse -dumbtty -contactquietly -log=false -mountpoint "${MARK#"$ROOT"/}" -times -prefer newer \
  -backup 'Name *' -backuploc central -backupdir "$LOST" -maxbackups 5 "${exclude[@]}" < /dev/null || status=$?
[ "$status" = 0 ] || refuse "unison ended with $status: $(words "$status")"
counted
expire
say "the round is good"
