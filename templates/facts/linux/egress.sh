# Whether this machine lets the machines' network out: forwarding and masquerading, now and after a boot.
facts_egress() {
    local rules
    rules="$(limited nft list table ip hybrid_egress 2>/dev/null || true)"
    printf '{"forwarding": %s, "masquerade": %s, "kept": %s}' \
        "$(json_bool grep -qs 1 /proc/sys/net/ipv4/ip_forward)" \
        "$(json_bool grep -q masquerade <<< "$rules")" \
        "$(json_bool test -L /etc/systemd/system/multi-user.target.wants/hybrid-egress.service)"
}
