# Which of the programs that we, kubeadm and kubelet call are not there; which of them are needed, the step knows.
facts_programs() {
    local name list=''
    for name in ip mount losetup cp tar modprobe sysctl nft python3 iptables conntrack socat ethtool update-ca-certificates; do
        if ! command -v "$name" >/dev/null; then
            list="$list${list:+, }$(json_text "$name")"
        fi
    done
    printf '{"missing": [%s]}' "$list"
}
