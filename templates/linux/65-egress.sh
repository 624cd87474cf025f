#!/bin/bash
# This machine lets the machines' network out: it forwards, and masquerades what leaves for the outside.
# Usage: bash 65-egress.sh   (as root)
MACHINES={{ machines | sh }}
INSIDE={{ inside | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /etc/hybrid
# Declared, deleted, declared again: replaces our own table in one transaction and touches no other.
printf 'table ip hybrid_egress\ndelete table ip hybrid_egress\n' > /etc/hybrid/egress.nft
printf 'table ip hybrid_egress {\n  chain postrouting {\n    type nat hook postrouting priority 110;\n    ip saddr %s ip daddr != { %s } masquerade\n  }\n}\n' "$MACHINES" "$INSIDE" >> /etc/hybrid/egress.nft

printf 'net.ipv4.ip_forward = 1\n' > /etc/sysctl.d/91-hybrid-egress.conf
sysctl --quiet --load /etc/sysctl.d/91-hybrid-egress.conf

cat > /etc/systemd/system/hybrid-egress.service <<'UNIT'
[Unit]
Description=Way out for the machines' network
After=network.target nftables.service hybrid-network.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/hybrid/egress.nft

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable hybrid-egress.service
systemctl restart hybrid-egress.service
{% include 'facts/linux/_emit.sh' %}
