# shellcheck shell=bash
# The plain commands whose answers a plan of a key server needs: no framing, no parsing.
cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
id -u masterlock
getent passwd
getent shadow masterlock
id -Gn masterlock
sshd -T -C user=masterlock,host=10.77.0.11,addr=10.77.0.11
sha256sum /usr/local/lib/kubestead/serve /etc/ssh/sshd_config.d/50-kubestead.conf
cat /etc/ssh/kubestead_keys
find /var/lib/kubestead-keys -type f -size 64c
