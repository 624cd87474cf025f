#!/bin/bash
# The authorities that the settings name are trusted, and containerd knows where to ask for which registry's images.
# What an earlier run wrote and the settings have no more is gone; what others wrote stays. Secrets are for root only.
# Usage: bash 45-registries.sh   (as root; CERTIFICATES and FOLDERS name what is written below)
CERTIFICATES={{ authorities | map(attribute='name') | list | sh }}
FOLDERS={{ folders | map(attribute='name') | list | sh }}
{% include 'linux/_start.sh' %}

wanted() {
    local name
    for name in "${@:2}"; do
        if [ "$name" = "$1" ]; then
            return 0
        fi
    done
    return 1
}

CHANGED=no
mkdir -p /usr/local/share/ca-certificates
for path in /usr/local/share/ca-certificates/hybrid-*.crt; do
    name="${path##*/}"
    if [ -f "$path" ] && ! wanted "${name%.crt}" "${CERTIFICATES[@]:-}"; then
        rm -f "$path"
        CHANGED=yes
    fi
done
{% for authority in authorities %}
if [ ! -f /usr/local/share/ca-certificates/{{ authority.name }}.crt ] || [ ! -e /etc/ssl/certs/{{ authority.name }}.pem ]; then
    cat > /usr/local/share/ca-certificates/{{ authority.name }}.crt <<'CERTIFICATE'
{{ authority.text | trim('\n') }}
CERTIFICATE
    CHANGED=yes
fi
{% endfor %}
if [ "$CHANGED" = yes ]; then
    say 'the trusted authorities changed'
    update-ca-certificates --fresh >/dev/null
    # Programs read them when they start.
    if [ "$(systemctl is-active containerd.service)" = active ]; then
        systemctl restart containerd.service
    fi
fi

for path in /etc/containerd/certs.d/*/hosts.toml; do
    if [ -f "$path" ] && grep -q '^# hybrid: ' "$path"; then
        folder="${path%/hosts.toml}"
        if ! wanted "${folder##*/}" "${FOLDERS[@]:-}"; then
            say "forgetting ${folder##*/}"
            rm -f "$folder/hosts.toml" "$folder/ca.pem"
        fi
    fi
done
umask 077
{% for folder in folders %}
mkdir -p /etc/containerd/certs.d/{{ folder.name | sh }}
{% if folder.ca %}
cat > /etc/containerd/certs.d/{{ folder.name | sh }}/ca.pem <<'CERTIFICATES'
{{ folder.ca | trim('\n') }}
CERTIFICATES
{% else %}
rm -f /etc/containerd/certs.d/{{ folder.name | sh }}/ca.pem
{% endif %}
cat > /etc/containerd/certs.d/{{ folder.name | sh }}/.hosts.toml.new <<'HOSTS'
{{ folder.text | trim('\n') }}
HOSTS
mv -f /etc/containerd/certs.d/{{ folder.name | sh }}/.hosts.toml.new /etc/containerd/certs.d/{{ folder.name | sh }}/hosts.toml
{% endfor %}
{% include 'facts/linux/_emit.sh' %}
