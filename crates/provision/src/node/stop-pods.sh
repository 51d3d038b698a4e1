#!/bin/bash
# Written by kubestead. Ends all containers and lets go of their mounts, so that the volumes below them can be unmounted and closed.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # ctr comes from a bundle or from a package
ctr='ctr -n k8s.io'
running() { $ctr tasks ls 2>/dev/null | grep -c RUNNING > /dev/null; }
end() { # end SIGNAL TENTHS
  for task in $($ctr tasks ls -q 2>/dev/null); do $ctr tasks kill -s "$1" "$task" 2>/dev/null; done
  for _ in $(seq "$2"); do running || return 0; sleep 0.1; done
}
end TERM 200
end KILL 100
findmnt -rn -o TARGET | grep -E '^/(run/containerd|var/lib/kubelet/pods|run/netns/cni-)' | sort -r | while IFS= read -r mount; do umount "$(printf %b "$mount")"; done
exit 0
