# shellcheck shell=bash disable=SC2154
# Makes the LUKS2 header of "device". The recovery key comes on standard input, as one line of "length" characters; the machine's key never
# leaves the node. Both go to cryptsetup through pipes. Both are random and have more than 250 bits, so no KDF makes them harder to guess: what it
# costs is fixed and small, so that no benchmark runs and any machine can open it, also one that boots with little memory. The tag "formatting"
# is there while the header is made: a run that is cut off in between is known by it, and makes the whole header again.
# The volume stays open, so that its filesystem can be made without the key being fetched once more. With "lost" it is the header of a finished volume, and whatever is in its place is wiped. mapping.sh and forget.sh stand ahead.
# guard
IFS= read -r recovery || true
[ "${#recovery}" = "$length" ] || refuse "the recovery key has ${#recovery} characters instead of $length: it was cut off"
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
key=$("$fetch" "$name" | base64 -w 0)
machine() {
  printf %s "$key" | base64 -d
}
header() {
  cryptsetup luksDump --dump-json-metadata "$device" 2> /dev/null | tr -d ' \n\t'
}
opens() {
  cryptsetup open --test-passphrase "$@" "$device" 2> /dev/null
}
ours() {
  case $(header) in
    *"\"type\":\"$token\""*) return 0 ;;
    *) return 1 ;;
  esac
}
whole() {
  case $(header) in
    *"\"type\":\"$token\""*'"priority":0'* | *'"priority":0'*"\"type\":\"$token\""*) ;;
    *) return 1 ;;
  esac
  opens --key-file <(machine) || return 1
  printf %s "$recovery" | opens --key-slot 7 --key-file -
}
finish() {
  case $tags in
    *,"$formatting",*) lvchange -q --deltag "$formatting" "$group/$name" ;;
  esac
}
held=$(wipefs -n -O TYPE --noheadings "$device" | sort -u | tr -d ' \n')
if [ "$lost" = yes ]; then
  if ours; then refuse "the header of $device loads, and it is ours: nothing of it is made anew"; fi
else
  case $held in
    '') ;;
    crypto_LUKS)
      if whole; then
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
machine | cryptsetup luksFormat -q --type luks2 --key-slot 0 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - "$device"
cryptsetup luksAddKey -q --key-file <(machine) --key-slot 7 --pbkdf argon2id --pbkdf-memory 16384 --pbkdf-parallel 1 \
  --pbkdf-force-iterations 4 "$device" <(printf %s "$recovery")
cryptsetup config --priority ignore --key-slot 7 "$device"
printf '{"type":"%s","keyslots":["0"],"volume":"%s","provider":"ssh-split"}' "$token" "$name" | cryptsetup token import --json-file - "$device"
# verify
whole || unverified 'the machine key or the recovery key does not open it'
finish
cryptsetup open "${flags[@]}" --key-file <(machine) "$device" "$mapper"
