#!/bin/bash
# What this machine says about itself: one JSON line, {"facts": {...}}. Changes nothing.
# Usage: bash probe.sh   (as root)
{% include 'linux/_start.sh' %}

{% include 'facts/linux/_emit.sh' %}
