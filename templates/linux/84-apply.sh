#!/bin/bash
# A manifest of ours is in the cluster as it stands here. Applying it again changes nothing.
# Usage: bash 84-apply.sh   (as root on the control plane)
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
{{ manifest | trim('\n') }}
MANIFEST
{% include 'facts/linux/_emit.sh' %}
