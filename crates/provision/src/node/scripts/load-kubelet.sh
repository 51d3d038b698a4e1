# shellcheck shell=bash
# The kubelet and the unit that stops pods at the end start at boot. After loading.sh.
systemctl -q enable --no-reload kubelet kubestead-pods
reload
