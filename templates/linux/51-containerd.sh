#!/bin/bash
# containerd and runc are installed from their releases, configured for kubelet, and running.
# Usage: bash 51-containerd.sh   (as root; the archives lie in /var/lib/hybrid/files; ENVIRONMENT names the proxy, if any)
# OWN names programs that were built: they take the places of the archive's.
ENVIRONMENT={{ environment | sh }}
OWN={{ own | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_install.sh' %}

unpack "$(delivered containerd-linux.tar.gz)" /usr/local
install_program "$(delivered runc)" /usr/local/sbin/runc
if [ -n "${OWN[*]:-}" ]; then
    for name in "${OWN[@]}"; do
        say "installing $name, which was built"
        install_program "$(delivered "$name")" "/usr/local/bin/$name"
    done
fi

mkdir -p /etc/containerd /etc/cni/net.d /opt/cni/bin
cat > /etc/containerd/config.toml <<'CONFIG'
{{ config | trim('\n') }}
CONFIG

cat > /etc/systemd/system/containerd.service <<'UNIT'
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target hybrid-network.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
UNIT
mkdir -p /etc/systemd/system/containerd.service.d
rm -f /etc/systemd/system/containerd.service.d/10-proxy.conf
if [ -n "${ENVIRONMENT[*]:-}" ]; then
    printf '[Service]\n' > /etc/systemd/system/containerd.service.d/10-proxy.conf
    for line in "${ENVIRONMENT[@]}"; do
        # systemd reads %% as a percent sign.
        printf 'Environment="%s"\n' "${line//%/%%}" >> /etc/systemd/system/containerd.service.d/10-proxy.conf
    done
fi
systemctl daemon-reload
systemctl enable containerd.service
say 'starting containerd'
systemctl restart containerd.service || fail "containerd does not start: $(journalctl --no-pager --lines=20 --unit=containerd.service 2>&1)"

DEADLINE=$((SECONDS + 60))
until ctr --connect-timeout 2s version >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "containerd does not answer: $(journalctl --no-pager --lines=20 --unit=containerd.service 2>&1)"
    fi
    sleep 1
done
if [ -n "${OWN[*]:-}" ]; then
    record containerd containerd-linux.tar.gz runc "${OWN[@]}"
else
    record containerd containerd-linux.tar.gz runc
fi
{% include 'facts/linux/_emit.sh' %}
