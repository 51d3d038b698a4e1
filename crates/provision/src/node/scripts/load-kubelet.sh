# shellcheck shell=bash disable=SC2154
# The kubelet and the unit that stops pods at the end start at boot; with "environment" a kubelet that runs is started again. After loading.sh.
systemctl -q enable --no-reload kubelet kubestead-pods
reload
if [ -n "$environment" ]; then
    systemctl try-restart kubelet
fi
