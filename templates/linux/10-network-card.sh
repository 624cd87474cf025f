#!/bin/bash
# The private card, found by its MAC, is named kube and has its address, now and after each boot.
# It does not depend on netplan, ifupdown or NetworkManager: a .link file names it, a unit of ours sets the address.
# Usage: bash 10-network-card.sh   (as root; an empty MAC means: some card has the address already)
MAC={{ mac | sh }}
ADDRESS={{ address | sh }}
{% include 'linux/_start.sh' %}

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
{% include 'facts/linux/_emit.sh' %}
