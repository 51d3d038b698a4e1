# shellcheck shell=bash disable=SC2154
# The public key that the private one has, and the one that lies beside it: a line each. `loose` stands ahead when others may read the private one:
# ssh-keygen(1) takes no such file, and does take what comes by a pipe.
told=$(ssh-keygen -y -P '' -f "$identity" < /dev/null)
if [ -z "$told" ] && [ -s "$identity" ]; then
    told=$(ssh-keygen -y -P '' -f /dev/stdin < <(show "$identity"))
    echo loose
fi
printf '%s\n' "$told"
show "$identity.pub" || true
