# shellcheck shell=bash disable=SC2154
# Installs exactly one version of Kubernetes' packages and holds them. After apt.sh, with what that needs.
# guard
if apt_whole; then
    rm -f "$begun"
    already
fi
apt_refuse_others
# act
apt_install
# verify
apt_whole || unverified "the packages are: $(apt_state)"
rm "$begun"
