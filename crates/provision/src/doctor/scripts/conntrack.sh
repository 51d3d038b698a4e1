# shellcheck shell=bash
# How many connections the kernel follows, and how many it can. Nothing where it follows none.
if [ -r /proc/sys/net/netfilter/nf_conntrack_count ]; then
  show /proc/sys/net/netfilter/nf_conntrack_count
  show /proc/sys/net/netfilter/nf_conntrack_max
fi
