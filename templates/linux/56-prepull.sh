#!/bin/bash
# The images that tests start are here before they are needed. A pull that breaks off is tried again for a while.
# Usage: bash 56-prepull.sh   (as root; LIMIT in seconds, for each image)
IMAGES={{ images | sh }}
LIMIT={{ limit | sh }}
{% include 'linux/_start.sh' %}

for image in "${IMAGES[@]}"; do
    say "pulling $image"
    DEADLINE=$((SECONDS + LIMIT))
    until crictl --timeout 60m pull "$image" >/dev/null; do
        if [ "$SECONDS" -ge "$DEADLINE" ]; then
            fail "$image cannot be pulled"
        fi
        sleep 5
    done
done
{% include 'facts/linux/_emit.sh' %}
