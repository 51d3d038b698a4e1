# shellcheck shell=bash
# The volume of one end of a sync, for the scripts that read this: whether it is the one that it was, and how much is on it. END is the name of this end.
# What belongs to the sync lies in a folder of the volume itself: it is gone when the volume is, and never on another one.
ROOT=/data
OWN=$ROOT/.kubestead-sync
MARK=$OWN/volume
LOST=$OWN/lost
export LOST

say() { printf 'kubestead-sync: %s: %s\n' "$END" "$1" >&2; }

refuse() {
  say "$1"
  exit 1
}

# The mark of this volume, 32 hex digits; nothing if it has none.
mark() { if [ -f "$MARK" ]; then head -c 32 "$MARK"; fi; }

# Writes a small file: it is whole on the disk before it takes its place.
keep() {
  local file=$1 text=$2
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$text" > "$file.new"
  sync "$file.new"
  mv -T "$file.new" "$file"
}

mounted() {
  findmnt --mountpoint "$ROOT" > /dev/null || refuse "no volume is mounted at $ROOT: nothing is synced"
}

# How many files and folders there are. A name may have newlines, and files come and go while they are counted.
count() {
  { find "$ROOT" -xdev -mindepth 1 \( -path "$OWN" -o -path "$ROOT/lost+found" \) -prune -o -printf . 2> /dev/null || true; } | wc -c
}

# Refuses a volume from which so much is gone that a mistake is likelier than a wish. $1 is what a person consented to; where a volume was replaced, a round
# deletes nothing.
shrunk() {
  local before now gone
  [ "$1" != replaced ] || return 0
  before=$(cat "$OWN/count" 2> /dev/null || true)
  [[ $before =~ ^[0-9]{1,12}$ ]] || before=0
  now=$(count)
  gone=$((before - now))
  if [ "$gone" -le 0 ]; then return 0; fi
  if [ "$1" = deletions ]; then
    say "$gone of $before files and folders are gone, by consent"
  elif [ "$now" -eq 0 ] || { [ "$gone" -gt 10 ] && [ $((gone * 100)) -gt $((before * MOST_DELETED)) ]; }; then
    refuse "$gone of $before files and folders are gone since the last round: nothing is deleted elsewhere. If that is meant, on the hub: bash /sync/consent.sh deletions SPOKE; if they shall come back: replaced SPOKE"
  fi
}

# Writes down how much there is, if this is still the volume.
counted() {
  [ -f "$MARK" ] || refuse "the mark of the volume went away during the round"
  keep "$OWN/count" "$(count)"
}

# Takes away what rounds replaced or deleted more than so many days ago. The time of the copy counts, not that of its content.
expire() {
  [ -d "$LOST" ] || return 0
  find "$LOST" -xdev ! -type d -ctime "+$KEEP_DAYS" -delete
  find "$LOST" -xdev -mindepth 1 -depth -type d -empty -delete
}

# Runs a hook of the user's, if there is one.
hook() {
  [ -f "/hooks/$1" ] || return 0
  SYNC_END=$END timeout 60 bash "/hooks/$1" < /dev/null >&2
}
