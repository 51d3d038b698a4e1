# shellcheck shell=bash disable=SC2154
# For steps that need a key of the volume "name". "way" is that by which they get it: `ssh` asks the key servers by the program "fetch", `recovery` is
# the recovery key, which comes on standard input as one line of "length" characters. No key is ever an argument, a variable of the environment or a
# file on a disk: it goes to cryptsetup through a pipe.
recovery=
read_recovery() {
  IFS= read -r recovery || true
  [ "${#recovery}" = "$length" ] || refuse "the recovery key has ${#recovery} characters instead of $length: it was cut off"
}
# The key, on standard output.
volume_key() {
  case $way in
    ssh) "$fetch" "$name" ;;
    recovery) printf %s "$recovery" ;;
    *) return 64 ;;
  esac
}
[ "$way" != recovery ] || read_recovery
