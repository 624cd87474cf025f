#!/bin/bash
# The depot serves this run's files to the Windows machines, for a limited time, on the private card only.
# Its program and its list (files, clients, address, unguessable path) were uploaded to a folder that only root may enter.
# Usage: bash 55-depot.sh   (as root)
LIFE={{ life | sh }}
{% include 'linux/_start.sh' %}

chmod 0700 /var/lib/hybrid/depot
systemctl stop hybrid-depot.service 2>/dev/null || true
systemctl reset-failed hybrid-depot.service 2>/dev/null || true
rm -f /run/hybrid-depot.ready
systemd-run --unit=hybrid-depot --collect --property=RuntimeMaxSec="$LIFE" --property=Nice=5 \
    python3 /var/lib/hybrid/depot/depot.py /var/lib/hybrid/depot/list.json

DEADLINE=$((SECONDS + 30))
while [ ! -f /run/hybrid-depot.ready ]; do
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "the depot does not start: $(journalctl --no-pager --lines=20 --unit=hybrid-depot.service 2>&1)"
    fi
    sleep 0.2
done
say "the depot listens at $(cat /run/hybrid-depot.ready)"
{% include 'facts/linux/_emit.sh' %}
