# shellcheck shell=bash disable=SC2154
# The public key that the private one has, and the one that lies beside it: a line each.
printf '%s\n' "$(ssh-keygen -y -P '' -f "$identity" 2> /dev/null < /dev/null)"
printf '%s\n' "$(cat "$identity.pub" 2> /dev/null)"
