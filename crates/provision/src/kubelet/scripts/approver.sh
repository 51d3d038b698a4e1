# shellcheck shell=bash
# Who approves certificates of kubelets starts, at each boot too, and again with other files. After loading.sh.
reload
systemctl -q enable --no-reload kubestead-approver.service
systemctl restart kubestead-approver.service
