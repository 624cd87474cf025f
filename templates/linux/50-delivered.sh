#!/bin/bash
# Delivered files are what they should be: digests are checked here and recorded, so that nobody hashes twice.
# Usage: bash 50-delivered.sh   (as root; FILES holds <name>=<SHA-256>, the files lie in /var/lib/hybrid/files)
FILES={{ files | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /var/lib/hybrid/files /var/lib/hybrid/delivered
for file in "${FILES[@]}"; do
    name="${file%%=*}"
    digest="${file##*=}"
    path="/var/lib/hybrid/files/$name"
    if [ ! -f "$path" ]; then
        fail "$name was not delivered"
    fi
    found="$(sha256sum "$path")"
    found="${found%% *}"
    if [ "$found" != "$digest" ]; then
        rm -f "$path"
        fail "$name arrived with SHA-256 $found instead of $digest; it was removed, run again"
    fi
    printf '%s %s\n' "$found" "$(stat -c '%s %Y' "$path")" > "/var/lib/hybrid/delivered/$name"
done
{% include 'facts/linux/_emit.sh' %}
