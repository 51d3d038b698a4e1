# shellcheck shell=bash disable=SC2154
# Whether the recovery key on standard input opens the recovery slot. header.sh stands ahead.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
copy_header
cryptsetup open --test-passphrase --key-slot 7 --key-file - "$t/header"
