#!/bin/bash
# Prints the administrator's kubeconfig and nothing else.
# Usage: bash 80-admin-conf.sh   (as root on the control plane)
set -euo pipefail
cat /etc/kubernetes/admin.conf
