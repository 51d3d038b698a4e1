# shellcheck shell=bash disable=SC2154
# For steps that add or remove a way to unlock "device": "slot" is its LUKS slot, and the id of its token of "provider". keys.sh and header.sh stand ahead.
# The metadata of the header, of a copy in memory.
dump() {
  (
    copy_header
    cryptsetup luksDump --dump-json-metadata "$t/header" | tr -d ' \n\t'
  )
}
# ID: the token of that id; nothing if there is none.
token_of() {
  (
    copy_header
    cryptsetup token export --token-id "$1" "$t/header" 2> /dev/null | tr -d ' \n\t' || true
  )
}
# ID PROVIDER: whether the token of that id is ours, of this volume, and of that provider.
is_ours() {
  case $(token_of "$1") in
    *"\"type\":\"$token\""*"\"volume\":\"$name\""*"\"provider\":\"$2\""*) return 0 ;;
    *) return 1 ;;
  esac
}
# SLOT: whether it holds a key.
holds() {
  case ${header#*'"keyslots":'} in
    *"\"$1\":{\"type\":\"luks2\""*) return 0 ;;
    *) return 1 ;;
  esac
}
# SLOT: whether the key on standard input opens it.
opens() {
  cryptsetup open --test-passphrase --key-slot "$1" --key-file - "$device" 2> /dev/null
}
recovery_opens() {
  printf %s "$recovery" | opens 7
}
# ID SLOT PROVIDER: writes a token of ours.
write_token() {
  printf '{"type":"%s","keyslots":["%s"],"volume":"%s","provider":"%s"}' "$token" "$2" "$name" "$3" |
    cryptsetup token import --token-id "$1" --json-file - "$device"
}
# Looks at the header.
look() {
  header=$(dump)
}
look || refuse 'its header does not load'
case $header in
  *"\"type\":\"$token\""*"\"volume\":\"$name\""*) ;;
  *) refuse 'its header has no token of ours that names this volume' ;;
esac
recovery_opens || refuse "the recovery key does not open slot 7 of $device: nothing is changed in its header"
