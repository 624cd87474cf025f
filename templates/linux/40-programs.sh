#!/bin/bash
# The programs that kubeadm's preflight and our scripts call are there; missing ones come by apt.
# Usage: bash 40-programs.sh   (as root; NEEDS holds <program>=<package>, LIMIT is in seconds)
NEEDS={{ needs | sh }}
PROXY={{ proxy | sh }}
LIMIT={{ limit | sh }}
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
    # A machine that has just started may be installing its updates: their lock is waited for.
    if ! apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout="$LIMIT" "${MISSING[@]}"; then
        apt-get update || fail "the package lists cannot be read; give this machine a way to its mirror, then: $COMMAND"
        apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout="$LIMIT" "${MISSING[@]}" || fail "it did not work; try by hand: $COMMAND"
    fi
fi
{% include 'facts/linux/_emit.sh' %}
