# What we wrote for containerd's registries (digests, no secrets), and which of our authorities the system trusts.
facts_registries() {
    local path folder name digest list='' trusted=''
    for path in /etc/containerd/certs.d/*/hosts.toml; do
        if [ -f "$path" ] && grep -q '^# hybrid: ' "$path"; then
            folder="${path%/hosts.toml}"
            for name in hosts.toml ca.pem; do
                if [ -f "$folder/$name" ]; then
                    digest="$(sha256sum "$folder/$name")"
                    list="$list${list:+, }$(json_text "${folder##*/}/$name"): \"${digest%% *}\""
                fi
            done
        fi
    done
    for path in /usr/local/share/ca-certificates/hybrid-*.crt; do
        if [ -f "$path" ]; then
            name="${path##*/}"
            name="${name%.crt}"
            trusted="$trusted${trusted:+, }$(json_text "$name"): $(json_bool test -e "/etc/ssl/certs/$name.pem")"
        fi
    done
    printf '{"files": %s, "authorities": %s}' "{$list}" "{$trusted}"
}
