# How far kubeadm came. Our marks are written after kubeadm ended well; its files may be left by one that was killed.
facts_kubeadm() {
    local path list='' initialised=false joined=false digest='' authority='' line
    if [ -f /etc/kubernetes/admin.conf ] && [ -f /var/lib/hybrid/kubeadm/initialised ]; then
        initialised=true
    fi
    if [ -f /etc/kubernetes/kubelet.conf ] && [ -f /var/lib/hybrid/kubeadm/joined ]; then
        joined=true
    fi
    for path in /etc/kubernetes/manifests/*.yaml; do
        if [ -f "$path" ]; then
            line="${path##*/}"
            list="$list${list:+, }$(json_text "${line%.yaml}")"
        fi
    done
    if [ -f /var/lib/hybrid/kubeadm/init.yaml ]; then
        line="$(sha256sum /var/lib/hybrid/kubeadm/init.yaml)"
        digest="${line%% *}"
    fi
    if [ -f /etc/kubernetes/pki/ca.crt ]; then
        line="$(sha256sum /etc/kubernetes/pki/ca.crt)"
        authority="${line%% *}"
    fi
    printf '{"initialised": %s, "joined": %s, "manifests": [%s], "config_digest": %s, "authority": %s}' \
        "$initialised" "$joined" "$list" "$(json_text "$digest")" "$(json_text "$authority")"
}
