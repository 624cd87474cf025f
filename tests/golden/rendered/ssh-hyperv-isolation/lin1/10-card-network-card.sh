#!/bin/bash
# The private card, found by its MAC, is named kube and has its address, now and after each boot.
# It does not depend on netplan, ifupdown or NetworkManager: a .link file names it, a unit of ours sets the address.
# Usage: bash 10-network-card.sh   (as root; an empty MAC means: some card has the address already)
MAC=00:50:56:30:f9:1b
ADDRESS=192.168.56.11/24
# Shared by every Linux script: strict mode, and the few words that all of them use.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RESULT=''

# A line of progress for people.
say() {
    printf '%s\n' "$1"
}

# End with a reason and a remedy; both reach the person who started the run.
fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A text as a JSON string.
json_text() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    text="${text//[[:cntrl:]]/ }"
    printf '"%s"' "$text"
}

# true or false, as the command given says.
json_bool() {
    if "$@"; then
        printf 'true'
    else
        printf 'false'
    fi
}

# Adds a text to the script's own result, beside the facts.
result() {
    RESULT="$RESULT, $(json_text "$1"): $(json_text "$2")"
}

if [ -n "$MAC" ]; then
    mkdir -p /etc/hybrid /etc/systemd/network
    printf '%s %s\n' "$MAC" "$ADDRESS" > /etc/hybrid/network

    # udev names the card early in the boot; systemd-networkd, where it runs, keeps its hands off.
    printf '[Match]\nMACAddress=%s\nType=ether\n\n[Link]\nName=kube\n' "$MAC" > /etc/systemd/network/10-hybrid-kube.link
    printf '[Match]\nName=kube\n\n[Link]\nUnmanaged=yes\n' > /etc/systemd/network/05-hybrid-kube.network
    if [ -d /etc/NetworkManager/conf.d ]; then
        printf '[keyfile]\nunmanaged-devices=interface-name:kube\n' > /etc/NetworkManager/conf.d/90-hybrid.conf
    fi

    cat > /usr/local/sbin/hybrid-network <<'SCRIPT'
#!/bin/bash
# Runs at each boot: finds the private card by its MAC, names it kube, gives it its address.
set -euo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
MAC=''
ADDRESS=''
read -r MAC ADDRESS < /etc/hybrid/network

# Two cards with one MAC happen in virtual machines: the card that carries the default route is not ours.
CARD=''
DEFAULT=" $(ip -4 route show default) "
while [ -z "$CARD" ] && [ "$SECONDS" -lt 60 ]; do
    while read -r name _ mac _; do
        case "$name" in
            '' | *@*) continue ;;
        esac
        if [ "$mac" = "$MAC" ] && { [ "$name" = kube ] || [ -z "$CARD" ]; }; then
            case "$DEFAULT" in
                *" dev $name "*) continue ;;
            esac
            CARD="$name"
        fi
    done <<< "$(ip -brief link show)"
    if [ -z "$CARD" ]; then
        sleep 1
    fi
done
if [ -z "$CARD" ]; then
    printf 'no network card has the MAC %s\n' "$MAC" >&2
    ip -brief link show >&2
    exit 1
fi

if [ "$CARD" != kube ]; then
    # udev renames it too, perhaps at this very moment: then all that counts is that kube is there.
    ip link set dev "$CARD" down || true
    ip link set dev "$CARD" name kube || [ -e /sys/class/net/kube ]
fi
ip link set dev kube up
case " $(ip -brief -4 address show dev kube) " in
    *" $ADDRESS "*) ;;
    *)
        ip -4 address flush dev kube
        ip -4 address add "$ADDRESS" dev kube
        ;;
esac
SCRIPT
    chmod 0755 /usr/local/sbin/hybrid-network

    cat > /etc/systemd/system/hybrid-network.service <<'UNIT'
[Unit]
Description=Address of the private card (kube)
After=systemd-udevd.service systemd-networkd.service networking.service NetworkManager.service
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash /usr/local/sbin/hybrid-network

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable hybrid-network.service
    say "setting $ADDRESS on the card with MAC $MAC"
    systemctl restart hybrid-network.service

    DEADLINE=$((SECONDS + 30))
    until grep -q LOWER_UP <<< "$(ip -brief link show dev kube)"; do
        if [ "$SECONDS" -ge "$DEADLINE" ]; then
            fail 'the card kube has no link: is it attached to a network?'
        fi
        sleep 1
    done
fi

case " $(ip -brief -4 address show) " in
    *" $ADDRESS "*) say "$ADDRESS is set" ;;
    *) fail "no card has $ADDRESS: $(ip -brief -4 address show)" ;;
esac
# ---- facts: printed as the last line, {"facts": {"<section>": {...}}, ...}. Reads only, changes nothing.
# Each section has a time limit: every program that could hang runs under `limited`, with what is left of it.
SECTION_END=0

limited() {
    local left=$((SECTION_END - SECONDS))
    if [ "$left" -lt 1 ]; then
        return 124
    fi
    timeout -k 2 "$left" "$@"
}

unknown() {
    printf '{"unknown": %s}' "$(json_text "$1")"
}

# The section's JSON, or why nobody can say it. A program that ran out of time has used up the section's limit.
section_text() {
    local name="$1" seconds="$2" text=''
    SECTION_END=$((SECONDS + seconds))
    if ! text="$("$name")"; then
        text="$(unknown 'the probe of this section failed')"
    fi
    if [ "$SECONDS" -ge "$SECTION_END" ]; then
        text="$(unknown "it took longer than $seconds s")"
    fi
    printf '%s' "$text"
}

# Network cards by name, the card of the default route, and what our boot unit sets ("<mac> <address>/<prefix>").
facts_network() {
    local name mac flags addresses address list='' cards='' route='' word before='' kept=''
    local links v4
    links="$(limited ip -brief link show)" || return 1
    v4="$(limited ip -brief -4 address show)" || return 1
    while read -r name _ mac flags; do
        case "$name" in
            lo | *@* | cali* | vxlan* | docker* | cni* | '') continue ;;
        esac
        list=''
        while read -r word _ addresses; do
            if [ "$word" = "$name" ]; then
                for address in $addresses; do
                    list="$list${list:+, }$(json_text "$address")"
                done
            fi
        done <<< "$v4"
        cards="$cards${cards:+, }$(json_text "$name"): {\"mac\": $(json_text "$mac"), \"up\": "
        case "$flags" in
            *LOWER_UP*) cards="${cards}true, \"addresses\": [$list]}" ;;
            *) cards="${cards}false, \"addresses\": [$list]}" ;;
        esac
    done <<< "$links"
    for word in $(limited ip -4 route show default); do
        if [ "$before" = dev ] && [ -z "$route" ]; then
            route="$word"
        fi
        before="$word"
    done
    if [ -f /etc/hybrid/network ] && [ -L /etc/systemd/system/multi-user.target.wants/hybrid-network.service ]; then
        kept="$(cat /etc/hybrid/network)"
    fi
    printf '{"cards": %s, "default_card": %s, "kept": %s}' "{$cards}" "$(json_text "$route")" "$(json_text "$kept")"
}

FACTS=''
FACTS="$FACTS\"network\": $(section_text facts_network 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
