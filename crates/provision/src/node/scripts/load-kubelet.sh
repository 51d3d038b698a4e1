# shellcheck shell=bash disable=SC2154
# The kubelet, the unit that stops pods at the end, and the one that waits for the pods' network start at boot; the last one at once, and what it
# waits for may be there already. With "environment" a kubelet that runs is started again. After loading.sh.
systemctl -q enable --no-reload kubelet kubestead-pods kubestead-network.path
reload
systemctl restart kubestead-network.path
systemctl start kubestead-network.service
if [ -n "$environment" ]; then
    systemctl try-restart kubelet
fi
