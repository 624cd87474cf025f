#!/bin/bash
# The machine has its name, and knows its own address by it.
# Usage: bash 20-host-name.sh   (as root)
NAME={{ name | sh }}
ADDRESS={{ address | sh }}
{% include 'linux/_start.sh' %}

hostnamectl set-hostname "$NAME"
if ! grep -qx "$ADDRESS $NAME" /etc/hosts; then
    printf '%s %s\n' "$ADDRESS" "$NAME" >> /etc/hosts
fi
{% include 'facts/linux/_emit.sh' %}
