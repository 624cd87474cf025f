#!/bin/bash
# A token to join with, that lives minutes. Its value is the script's result and stands in no log.
# Usage: bash 70-join-token.sh   (as root on the control plane)
TTL={{ ttl | sh }}
{% include 'linux/_start.sh' %}

COMMAND="$(kubeadm token create --kubeconfig=/etc/kubernetes/admin.conf --ttl="$TTL" --description='hybrid: join' --print-join-command)"

# kubeadm join <host>:<port> --token <token> --discovery-token-ca-cert-hash <hash>
BEFORE=''
for word in $COMMAND; do
    case "$BEFORE" in
        join) result endpoint "$word" ;;
        --token) result token "$word" ;;
        --discovery-token-ca-cert-hash) result ca_hash "$word" ;;
    esac
    BEFORE="$word"
done
{% include 'facts/linux/_emit.sh' %}
