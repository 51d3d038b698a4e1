# shellcheck shell=bash
# guard
# act
systemctl start kubelet
# verify
systemctl is-active -q kubelet || unverified 'it is not active'
