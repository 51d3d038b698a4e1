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
tags=,$(lvs --noheadings -o lv_tags "$group/$name" | tr -d ' '),
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
machine() {
  printf %s "$key" | base64 -d
}
header() {
  cryptsetup luksDump --dump-json-metadata "$device" 2> /dev/null | tr -d ' \n\t'
}
opens() {
  cryptsetup open --test-passphrase "$@" "$device" 2> /dev/null
}
# HEADER: whether it is ours.
ours() {
  case $1 in
    *"\"type\":\"$token\""*) return 0 ;;
    *) return 1 ;;
  esac
}
# HEADER: whether it is all of ours, and the recovery key opens it.
whole() {
  ours "$1" || return 1
  case $way,$1 in
    recovery,* | *'"priority":0'*) ;;
    *) return 1 ;;
  esac
  printf %s "$recovery" | opens --key-slot 7 --key-file -
}
finish() {
  case $tags in
    *,"$formatting",*) lvchange -q --deltag "$formatting" "$group/$name" ;;
  esac
}
held=$(wipefs -n -O TYPE --noheadings "$device" | sort -u | tr -d ' \n')
if [ "$lost" = yes ]; then
  if ours "$(header)"; then refuse "the header of $device loads, and it is ours: nothing of it is made anew"; fi
else
  case $held in
    '') ;;
    crypto_LUKS)
      if whole "$(header)" && { [ "$way" = recovery ] || opens --key-file <(machine); }; then
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
if findmnt -rn -S "$(readlink -f "$device")" > /dev/null; then refuse "$device is mounted"; fi
exec {lock}< "$(readlink -f "$device")"
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
whole "$(header)" || unverified 'the recovery key does not open it'
# That the machine's key opens it is seen by its being opened.
cryptsetup open "${flags[@]}" --key-file <(if [ "$way" = recovery ]; then volume_key; else machine; fi) "$device" "$mapper" ||
  unverified 'the machine key does not open it'
finish
