#!/bin/sh
# What a lab's network is made of, tried in namespaces that end with it.
set -e
ip link set lo up
ip link add br0 type bridge
ip link add v0 type veth peer name p0
