# What kubelet, the CNI and kube-proxy ask of the kernel, now and after a boot.
facts_kernel() {
    local swaps
    swaps="$(tail -n +2 /proc/swaps)"
    printf '{"overlay": %s, "bridge_filter": %s' \
        "$(json_bool grep -qw overlay /proc/filesystems)" "$(json_bool test -d /proc/sys/net/bridge)"
    printf ', "ip_forward": %s, "bridge_iptables": %s' \
        "$(json_bool grep -qs 1 /proc/sys/net/ipv4/ip_forward)" \
        "$(json_bool grep -qs 1 /proc/sys/net/bridge/bridge-nf-call-iptables)"
    printf ', "swap": %s, "modules_kept": %s, "sysctls_kept": %s, "swap_kept_off": %s}' \
        "$(json_bool test -n "$swaps")" \
        "$(json_bool test -f /etc/modules-load.d/hybrid.conf)" \
        "$(json_bool test -f /etc/sysctl.d/90-hybrid.conf)" \
        "$(json_bool test -L /etc/systemd/system/swap.target)"
}
