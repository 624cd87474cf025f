#!/bin/bash
# The node of a machine that was made again is gone: its taints, its addresses and its pods were those of the old one.
# Usage: bash 70-forget-node.sh   (as root on the control plane, before the new machine joins under the same name)
NAME={{ name | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

kube delete node --ignore-not-found "$NAME"
{% include 'facts/linux/_emit.sh' %}
