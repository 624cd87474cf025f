#!/bin/bash
# A folder that was only lent is gone, and the depot that served it is closed.
# Usage: bash 93-folder-gone.sh   (as root; DEPOT is yes where a depot was started for it)
FOLDER={{ folder | sh }}
DEPOT={{ depot | sh }}
{% include 'linux/_start.sh' %}

if [ "$DEPOT" = yes ]; then
    systemctl stop hybrid-depot.service 2>/dev/null || true
    rm -rf /var/lib/hybrid/depot
fi
rm -rf "$FOLDER"
{% include 'facts/linux/_emit.sh' %}
