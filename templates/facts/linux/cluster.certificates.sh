# How long the control plane's certificates still last, as kubeadm says it ("364d").
facts_cluster_certificates() {
    local answer name zone left list=''
    if [ ! -f /etc/kubernetes/admin.conf ]; then
        unknown 'there is no cluster yet'
        return 0
    fi
    if ! answer="$(limited kubeadm certs check-expiration 2>&1)"; then
        unknown "$answer"
        return 0
    fi
    while read -r name _ _ _ _ zone left _; do
        if [ "$zone" = UTC ]; then
            list="$list${list:+, }{\"name\": $(json_text "$name"), \"left\": $(json_text "$left")}"
        fi
    done <<< "$answer"
    printf '{"certificates": [%s]}' "$list"
}
