# shellcheck shell=bash
# The kubelet and the unit that stops pods at the end start at boot.
systemctl -q enable --no-reload kubelet kubestead-pods
systemctl daemon-reload
