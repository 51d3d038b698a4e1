# shellcheck shell=bash disable=SC2154
# What a machine is, and what it has. No arguments of processes and no environment: both may hold secrets.
tell() {
  printf '\n# %s\n' "$*"
  timeout 10 "$@" 2>&1 | head -n 300
}
# All of it is cut in one place, before its first line.
{
  tell uname -a
  for file in /etc/os-release /proc/uptime /proc/loadavg /proc/meminfo; do
    printf '\n# %s\n' "$file"
    show "$file"
  done
  tell date -u
  tell df -h
  tell df -i
  tell lsblk -o NAME,TYPE,SIZE,FSTYPE,MOUNTPOINTS
  tell ip -br address
  tell ip route
  tell ip -s link
  tell systemctl --no-pager --failed
  tell systemctl --no-pager list-units --all 'kubestead*' kubelet.service containerd.service
  tell kubelet --version
  tell containerd --version
} | tr -d '\0' | tail -c "$most"
true
