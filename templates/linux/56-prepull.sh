#!/bin/bash
# The images that tests start are here before they are needed. A pull that breaks off is tried again, twice.
# Usage: bash 56-prepull.sh   (as root)
IMAGES={{ images | sh }}
{% include 'linux/_start.sh' %}

for image in "${IMAGES[@]}"; do
    say "pulling $image"
    TRIES=1
    until crictl --timeout 30m pull "$image" >/dev/null; do
        if [ "$TRIES" -ge 3 ]; then
            fail "$image cannot be pulled"
        fi
        TRIES=$((TRIES + 1))
        sleep 5
    done
done
{% include 'facts/linux/_emit.sh' %}
