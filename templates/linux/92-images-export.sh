#!/bin/bash
# Images of this machine's containerd lie as archives in a folder of their own, one an image, readable for the login.
# Usage: bash 92-images-export.sh   (as root; IMAGES holds <file>=<image>, FOLDER is emptied first)
IMAGES={{ images | sh }}
FOLDER={{ folder | sh }}
{% include 'linux/_start.sh' %}

rm -rf "$FOLDER"
install -d -m 0755 "${FOLDER%/*}" "$FOLDER"
for image in "${IMAGES[@]}"; do
    file="${image%%=*}"
    say "exporting ${image#*=}"
    ctr -n k8s.io images export --platform linux/amd64 "$FOLDER/$file" "${image#*=}"
    chmod 0644 "$FOLDER/$file"
done
{% include 'facts/linux/_emit.sh' %}
