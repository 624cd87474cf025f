#!/bin/bash
# Calico's definitions and operator are in the cluster, the operator knows the API's address and what to install.
# Server-side, because the definitions are larger than what a plain apply can note down.
# Usage: bash 81-calico.sh   (as root on the control plane; the manifests lie in /var/lib/hybrid/files)
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

say 'definitions'
kube apply --server-side --force-conflicts --field-manager=hybrid -f /var/lib/hybrid/files/calico-crds.yaml
kube wait --for=condition=Established --timeout=60s customresourcedefinitions/installations.operator.tigera.io customresourcedefinitions/tigerastatuses.operator.tigera.io customresourcedefinitions/ipamconfigs.crd.projectcalico.org
say 'operator'
kube apply --server-side --force-conflicts --field-manager=hybrid -f /var/lib/hybrid/files/tigera-operator.yaml
# The operator refuses a Windows installation as a whole as long as it does not know this address.
kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
{{ endpoint_manifest | trim('\n') }}
MANIFEST
say 'installation'
kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
{{ installation_manifest | trim('\n') }}
MANIFEST
{% include 'facts/linux/_emit.sh' %}
