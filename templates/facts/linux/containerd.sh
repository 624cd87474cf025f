# What containerd answers (empty: it does not), whether its Kubernetes side is up, and which configuration it has.
facts_containerd() {
    local key value version='' seen_server=no type id rest cri=false config='' digest line list=''
    while read -r key value; do
        case "$key" in
            Server:) seen_server=yes ;;
            Version:)
                if [ "$seen_server" = yes ]; then
                    version="${value#v}"
                fi
                ;;
        esac
    done <<< "$(limited ctr --connect-timeout 3s version 2>/dev/null || true)"
    if [ -n "$version" ]; then
        while read -r type id rest; do
            if [ "$type $id" = 'io.containerd.grpc.v1 cri' ] && [ "${rest##* }" = ok ]; then
                cri=true
            fi
        done <<< "$(limited ctr --connect-timeout 3s plugins ls 2>/dev/null || true)"
    fi
    if [ -f /etc/containerd/config.toml ]; then
        digest="$(sha256sum /etc/containerd/config.toml)"
        config="${digest%% *}"
    fi
    if [ -f /etc/systemd/system/containerd.service.d/10-proxy.conf ]; then
        while read -r line; do
            case "$line" in
                Environment=*)
                    line="${line#Environment=\"}"
                    line="${line%\"}"
                    list="$list${list:+, }$(json_text "${line//%%/%}")"
                    ;;
            esac
        done < /etc/systemd/system/containerd.service.d/10-proxy.conf
    fi
    printf '{"version": %s, "cri": %s, "config_digest": %s, "socket": %s, "environment": [%s]}' \
        "$(json_text "$version")" "$cri" "$(json_text "$config")" \
        "$(json_bool test -S /run/containerd/containerd.sock)" "$list"
}
