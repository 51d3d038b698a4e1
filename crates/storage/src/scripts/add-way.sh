# shellcheck shell=bash disable=SC2154
# Adds the slot that the machine's key opens, by the recovery key on standard input, and the token that says so. The recovery slot opens the volume
# whatever becomes of this; the token goes last, so that a run that was cut off is finished by the next. Slots and tokens of others stay. keys.sh, header.sh and ways.sh stand ahead.
# guard
key=$("$fetch" "$name" | base64 -w 0)
machine() {
  printf %s "$key" | base64 -d
}
if machine | opens "$slot"; then
  if is_ours "$slot" "$provider"; then already; fi
elif holds "$slot"; then
  refuse "slot $slot of $device holds another key than this machine's: remove it if it is yours (cryptsetup luksKillSlot), or leave the way out"
fi
if [ -n "$(token_of "$slot")" ] && ! is_ours "$slot" "$provider"; then refuse "token $slot of $device is somebody else's"; fi
# act
# What authorises a new slot is tried without being named.
cryptsetup config --priority normal --key-slot 7 "$device"
if ! machine | opens "$slot"; then
  cryptsetup luksAddKey -q --key-file <(printf %s "$recovery") --key-slot "$slot" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$device" <(machine)
fi
machine | opens "$slot" || unverified "the machine's key does not open slot $slot"
# Beside a slot that is opened at each boot, that of the recovery key is tried only when it is named.
cryptsetup config --priority ignore --key-slot 7 "$device"
if is_ours "$slot" "$provider"; then cryptsetup token remove --token-id "$slot" "$device"; fi
write_token "$slot" "$slot" "$provider"
# verify
is_ours "$slot" "$provider" || unverified 'the token is not there'
recovery_opens || unverified 'the recovery key does not open it any more'
