# shellcheck shell=bash
# What was compacted leaves the disk. After etcd.sh.
# guard
etcd endpoint health > /dev/null 2>&1 || refuse 'etcd on this machine is not healthy'
# act
etcd defrag --command-timeout=300s > /dev/null
# verify
etcd endpoint health > /dev/null 2>&1 || unverified 'etcd is not healthy'
