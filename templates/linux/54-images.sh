#!/bin/bash
# Images come out of delivered archives into containerd's store, where kubelet looks for them; no registry is asked.
# An archive that was imported is removed: its images are there, and a record says from which archive.
# Usage: bash 54-images.sh   (as root; ARCHIVES holds <name>=<SHA-256>, the archives lie in /var/lib/hybrid/files)
ARCHIVES={{ archives | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /var/lib/hybrid/images
for archive in "${ARCHIVES[@]}"; do
    name="${archive%%=*}"
    if [ ! -f "/var/lib/hybrid/files/$name" ] || [ ! -f "/var/lib/hybrid/delivered/$name" ]; then
        fail "$name was not delivered"
    fi
    say "importing $name"
    # containerd lists an image even when its layers could not be taken in: until the end the record says so.
    printf 'importing\n' > "/var/lib/hybrid/images/$name"
    ctr -n k8s.io images import "/var/lib/hybrid/files/$name"
    printf '%s\n' "${archive##*=}" > "/var/lib/hybrid/images/.$name"
    mv -f "/var/lib/hybrid/images/.$name" "/var/lib/hybrid/images/$name"
    rm -f "/var/lib/hybrid/files/$name" "/var/lib/hybrid/delivered/$name"
done
{% include 'facts/linux/_emit.sh' %}
