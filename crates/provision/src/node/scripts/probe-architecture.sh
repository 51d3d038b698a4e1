# shellcheck shell=bash
# What the machine is, as uname(1) says it. Linux tells it in a file since 6.1.
show /proc/sys/kernel/arch || uname -m
