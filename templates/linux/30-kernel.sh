#!/bin/bash
# The kernel has what kubelet, the CNI and kube-proxy ask for, and no swap, now and after each boot.
# Usage: bash 30-kernel.sh   (as root)
{% include 'linux/_start.sh' %}

printf 'overlay\nbr_netfilter\n' > /etc/modules-load.d/hybrid.conf
modprobe overlay
modprobe br_netfilter

cat > /etc/sysctl.d/90-hybrid.conf <<'CONF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
CONF
sysctl --quiet --load /etc/sysctl.d/90-hybrid.conf

# Every swap, of whatever kind, is started by this target.
swapoff --all
systemctl mask swap.target
{% include 'facts/linux/_emit.sh' %}
