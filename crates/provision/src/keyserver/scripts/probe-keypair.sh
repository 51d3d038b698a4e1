# shellcheck shell=bash disable=SC2154
# The public key that the private one has, and the one that lies beside it: a line each.
told=$(ssh-keygen -y -P '' -f "$identity" < /dev/null)
printf '%s\n' "$told"
show "$identity.pub" || true
