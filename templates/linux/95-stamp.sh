#!/bin/bash
# Writes down which settings shaped this machine (no secrets), for the next run to compare.
# Usage: bash 95-stamp.sh   (as root)
STAMP={{ stamp | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /var/lib/hybrid
printf '%s\n' "$STAMP" > /var/lib/hybrid/.stamp
mv -f /var/lib/hybrid/.stamp /var/lib/hybrid/stamp.json
{% include 'facts/linux/_emit.sh' %}
