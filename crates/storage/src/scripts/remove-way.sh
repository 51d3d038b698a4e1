# shellcheck shell=bash disable=SC2154
# Removes the slot that the machine's key opens, by its token of ours, when the recovery key on standard input was seen to open the volume. A slot that no
# token of ours names stays. The token goes last, so that a run that was cut off is finished by the next. keys.sh, header.sh and ways.sh stand ahead.
# guard
if ! is_ours "$slot" "$provider"; then
  if holds "$slot"; then refuse "slot $slot of $device has no token of ours: it is left alone"; fi
  already
fi
if [ -n "$(token_of 7)" ] && ! is_ours 7 recovery; then refuse "token 7 of $device is somebody else's"; fi
# act
cryptsetup config --priority normal --key-slot 7 "$device"
is_ours 7 recovery || write_token 7 7 recovery
case $(token_of "$slot") in
  *"\"keyslots\":[\"$slot\"]"*) printf %s "$recovery" | cryptsetup luksKillSlot -q --key-file - "$device" "$slot" ;;
esac
cryptsetup token remove --token-id "$slot" "$device"
# verify
look || unverified 'its header does not load'
if holds "$slot"; then unverified "slot $slot is still there"; fi
recovery_opens || unverified 'the recovery key does not open it any more'
