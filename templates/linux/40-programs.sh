#!/bin/bash
# The programs that kubeadm's preflight and our scripts call are there; missing ones come by apt.
# Usage: bash 40-programs.sh   (as root; NEEDS holds <program>=<package>)
NEEDS={{ needs | sh }}
PROXY={{ proxy | sh }}
{% include 'linux/_start.sh' %}

MISSING=()
for need in "${NEEDS[@]}"; do
    if ! command -v "${need%%=*}" >/dev/null; then
        MISSING+=("${need##*=}")
    fi
done
if [ -n "${MISSING[*]:-}" ]; then
    COMMAND="apt-get install --yes --no-install-recommends ${MISSING[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "these packages are missing, and there is no apt-get here: ${MISSING[*]}"
    fi
    export DEBIAN_FRONTEND=noninteractive
    if [ -n "$PROXY" ]; then
        export http_proxy="$PROXY" https_proxy="$PROXY"
    fi
    say "installing ${MISSING[*]}"
    if ! apt-get install --yes --no-install-recommends "${MISSING[@]}"; then
        apt-get update || fail "the package lists cannot be read; give this machine a way to its mirror, then: $COMMAND"
        apt-get install --yes --no-install-recommends "${MISSING[@]}" || fail "it did not work; try by hand: $COMMAND"
    fi
fi
{% include 'facts/linux/_emit.sh' %}
