# shellcheck shell=bash disable=SC2154
# The node's own key pair. A private key that can be read stays: what a power cut left of its public file is made again from it.
# guard
public() {
    ssh-keygen -y -P '' -f "$1" 2> /dev/null < /dev/null | cut -d' ' -f1,2
}
paired() {
    local key
    key=$(public "$identity") || return 1
    [ -n "$key" ] && [ "$(cut -d' ' -f1,2 "$identity.pub" 2> /dev/null)" = "$key" ]
}
if paired && [ "$(stat -c %a "$identity")" = 600 ]; then
    already
fi
# act
umask 077
folder=${identity%/*}
mkdir -p "$folder"
chmod 755 "$folder"
rm -rf "$folder"/.keypair.??????
new=$(mktemp -d "$folder/.keypair.XXXXXX")
if [ -f "$identity" ] && [ ! -L "$identity" ]; then
    chmod 600 "$identity"
fi
if key=$(public "$identity") && [ -n "$key" ]; then
    printf '%s masterlock@%s\n' "$key" "$(uname -n)" > "$new/key.pub"
else
    ssh-keygen -q -t ed25519 -N '' -C "masterlock@$(uname -n)" -f "$new/key"
    sync "$new/key" "$new/key.pub"
    mv -fT "$new/key" "$identity"
fi
chmod 644 "$new/key.pub"
sync "$new/key.pub"
mv -fT "$new/key.pub" "$identity.pub"
rm -rf "$new"
sync "$folder"
# verify
paired || unverified 'the public key is not that of the private one'
[ "$(stat -c %a "$identity")" = 600 ] || unverified 'its mode is wrong'
