#!/bin/bash
# An empty folder for files that other machines put here, readable for the login.
# Usage: bash 92-export-folder.sh   (as root)
FOLDER={{ folder | sh }}
{% include 'linux/_start.sh' %}

rm -rf "$FOLDER"
install -d -m 0755 "${FOLDER%/*}" "$FOLDER"
{% include 'facts/linux/_emit.sh' %}
