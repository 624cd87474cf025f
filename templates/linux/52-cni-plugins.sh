#!/bin/bash
# The CNI plugins lie where containerd and Calico look for them.
# Usage: bash 52-cni-plugins.sh   (as root)
{% include 'linux/_start.sh' %}

{% include 'linux/_install.sh' %}

# A pod network brings its own builds of some of them and writes them over ours, as Calico's install-cni does.
NOTE='there - - %n'
unpack "$(delivered cni-plugins-linux.tgz)" /opt/cni/bin
mkdir -p /etc/cni/net.d
record cni-plugins cni-plugins-linux.tgz
{% include 'facts/linux/_emit.sh' %}
