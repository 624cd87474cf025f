#!/bin/bash
# Starts the kubelet anew, which makes its node then: somebody has deleted it.
# Usage: bash 62-kubelet-again.sh   (as root on the worker)
{% include 'linux/_start.sh' %}

systemctl restart kubelet.service
{% include 'facts/linux/_emit.sh' %}
