# shellcheck shell=bash disable=SC2154
# The node's own key pair. A private key that can be read stays: what a power cut left of its public file is made again from it. What cannot be read
# as one may be somebody's, with a passphrase or of another kind: it goes only when the manifest says that kubestead wrote it, or that it was adopted.
# After manifest.sh.
# guard
# The public key of a private one, if that is such a one as this makes. It comes by a pipe: ssh-keygen takes no file that others may read.
public() {
    local key
    [ -s "$1" ] || return 1
    key=$(ssh-keygen -y -P '' -f /dev/stdin < <(cat "$1") 2> /dev/null) || return 1
    [[ $key == 'ssh-ed25519 '* ]] || return 1
    key=${key#* }
    printf 'ssh-ed25519 %s' "${key%% *}"
}
beside() {
    local kind key
    read -r kind key _ 2> /dev/null < "$identity.pub" || [ -n "${key-}" ] || return 1
    printf '%s %s' "$kind" "$key"
}
paired() {
    local key
    key=$(public "$identity") && [ "$(beside)" = "$key" ]
}
for place in "$identity" "$identity.pub"; do
    if [ -L "$place" ] || { [ -e "$place" ] && [ ! -f "$place" ]; }; then
        refuse "$place is not a regular file"
    fi
done
key=$(public "$identity") || key=
if [ -z "$key" ] && [ -s "$identity" ]; then
    only_ours "$identity" none
fi
if [ -s "$identity.pub" ] && ! paired; then
    only_ours "$identity.pub" none
fi
if paired && [ "$(stat -c %a "$identity")" = 600 ]; then
    already
fi
# act
umask 077
folder=${identity%/*}
mkdir -p "$folder"
chmod 755 "$folder"
rm -rf "$folder"/.keypair.??????
for place in "$identity" "$identity.pub"; do
    [ -s "$place" ] || rm -f "$place"
done
new=$(mktemp -d "$folder/.keypair.XXXXXX")
pairs=()
if [ -n "$key" ]; then
    chmod 600 "$identity"
    printf '%s masterlock@%s\n' "$key" "$(uname -n)" > "$new/key.pub"
else
    ssh-keygen -q -t ed25519 -N '' -C "masterlock@$(uname -n)" -f "$new/key"
    sync "$new/key"
    pairs+=("$(sum_of "$new/key")" "$identity")
fi
if ! paired; then
    chmod 644 "$new/key.pub"
    sync "$new/key.pub"
    pairs+=("$(sum_of "$new/key.pub")" "$identity.pub")
    announce "${pairs[@]}"
    [ -n "$key" ] || mv -fT "$new/key" "$identity"
    mv -fT "$new/key.pub" "$identity.pub"
    sync "$folder"
    record "${pairs[@]}"
fi
rm -rf "$new"
sync "$folder"
# verify
paired || unverified 'the public key is not that of the private one'
[ "$(stat -c %a "$identity")" = 600 ] || unverified 'its mode is wrong'
