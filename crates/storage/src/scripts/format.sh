# shellcheck shell=bash disable=SC2154
# Makes the LUKS2 header of "device", with a slot of the recovery key and, if "way" is `ssh`, one of the machine's key. The recovery key comes on
# standard input; the machine's key never leaves the node. Both go to cryptsetup through pipes. Both are random and have more than 250 bits, so no KDF makes them harder to guess: what it
# costs is fixed and small, so that no benchmark runs and any machine can open it, also one that boots with little memory. The tag "formatting"
# is there while the header is made: a run that is cut off in between is known by it, and makes the whole header again.
# The volume stays open, so that its filesystem can be made without the key being fetched once more. With "lost" it is the header of a finished volume, and whatever is in its place is wiped. mapping.sh, forget.sh and
# keys.sh stand ahead.
# guard
[ -n "$recovery" ] || read_recovery
[ -b "$device" ] || refuse "$device is not there"
read_tags
case $tags,$lost in
  *,"$new",*) lost= ;;
  *,"$volume",*,yes) ;;
  *) refuse "$device is not tagged as new" ;;
esac
own_mapping
no_other_holder
unused
key=
[ "$way" = recovery ] || key=$(volume_key | base64 -w 0)
# The machine's key, on standard output. It ends the shell.
machine() {
  exec base64 -d < <(printf %s "$key")
}
# Sets "header" to the metadata of the header; to nothing if it does not load.
read_header() {
  header=$(cryptsetup luksDump --dump-json-metadata "$device" 2> /dev/null) || header=
  header=${header//[[:space:]]/}
}
opens() {
  cryptsetup open --test-passphrase "$@" "$device" 2> /dev/null
}
# Whether it is ours.
ours() {
  case $header in
    *"\"type\":\"$token\""*) return 0 ;;
    *) return 1 ;;
  esac
}
# Whether it is all of ours, and the recovery key opens it.
whole() {
  read_header
  ours || return 1
  case $way,$header in
    recovery,* | *'"priority":0'*) ;;
    *) return 1 ;;
  esac
  opens --key-slot 7 --key-file - < <(printf %s "$recovery")
}
finish() {
  case $tags in
    *,"$formatting",*) lvchange -q --deltag "$formatting" "$group/$name" ;;
  esac
}
read_signatures "$device"
if [ "$lost" = yes ]; then
  read_header
  if ours; then refuse "the header of $device loads, and it is ours: nothing of it is made anew"; fi
else
  case $held in
    '') ;;
    crypto_LUKS)
      if whole && { [ "$way" = recovery ] || opens --key-file <(machine); }; then
        finish
        already
      fi
      case $tags in
        *,"$formatting",*) ;;
        *) refuse "$device holds a LUKS header that is not ours" ;;
      esac
      ;;
    *) refuse "$device holds $held" ;;
  esac
fi
[ ! -e "/dev/mapper/$mapper" ] || refuse "$mapper is open"
real=$(readlink -f "$device")
if findmnt -rn -S "$real" > /dev/null; then refuse "$device is mounted"; fi
exec {lock}< "$real"
flock -n "$lock" || refuse "$device is locked by another program"
# act
if [ "$lost" = yes ]; then
  forget
  wipefs -q -a "$device"
  lvchange -q --addtag "$new" "$group/$name"
fi
lvchange -q --addtag "$formatting" "$group/$name"
tags=${tags}${formatting},
slow=(--pbkdf argon2id --pbkdf-memory 16384 --pbkdf-parallel 1 --pbkdf-force-iterations 4)
if [ "$way" = recovery ]; then
  printf %s "$recovery" | cryptsetup luksFormat -q --type luks2 --key-slot 7 "${slow[@]}" --key-file - "$device"
else
  machine | cryptsetup luksFormat -q --type luks2 --key-slot 0 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - "$device"
  cryptsetup luksAddKey -q --key-file <(machine) --key-slot 7 "${slow[@]}" "$device" <(printf %s "$recovery")
  # Beside a slot that is opened at each boot, this one is tried only when it is named.
  cryptsetup config --priority ignore --key-slot 7 "$device"
fi
printf '{"type":"%s","keyslots":["%s"],"volume":"%s","provider":"%s"}' "$token" "$slot" "$name" "$provider" |
  cryptsetup token import --token-id "$slot" --json-file - "$device"
# verify
whole || unverified 'the recovery key does not open it'
# That the machine's key opens it is seen by its being opened.
cryptsetup open "${flags[@]}" --key-file <(if [ "$way" = recovery ]; then volume_key; else machine; fi) "$device" "$mapper" ||
  unverified 'the machine key does not open it'
finish
