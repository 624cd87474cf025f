#!/bin/bash
# The network works in both directions: DNS and every pod that Windows nodes need are ready, and so are the smoke
# pods, whose readiness probes are real requests between Linux and Windows by DNS names.
# Usage: bash 91-cluster-ready.sh   (as root on the control plane; waits)
DAEMONSETS=(calico-system/calico-node-windows kube-system/kube-proxy-windows hybrid-check/windows)
WINDOWS_NODES=1
SECONDS_TO_WAIT=840
# Shared by every Linux script: strict mode, and the few words that all of them use.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RESULT=''

# A line of progress for people.
say() {
    printf '%s\n' "$1"
}

# End with a reason and a remedy; both reach the person who started the run.
fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A text as a JSON string.
json_text() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    text="${text//[[:cntrl:]]/ }"
    printf '"%s"' "$text"
}

# true or false, as the command given says.
json_bool() {
    if "$@"; then
        printf 'true'
    else
        printf 'false'
    fi
}

# Adds a text to the script's own result, beside the facts.
result() {
    RESULT="$RESULT, $(json_text "$1"): $(json_text "$2")"
}

# Shared by the scripts that talk to the API.
kube() {
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=30s "$@"
}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
while true; do
    WAITING=''
    for workload in "${DAEMONSETS[@]}"; do
        SEEN="$(kube get daemonset --namespace "${workload%%/*}" "${workload##*/}" -o jsonpath='{.status.numberReady}/{.status.desiredNumberScheduled}' 2>&1 || true)"
        if [ "$SEEN" != "$WINDOWS_NODES/$WINDOWS_NODES" ]; then
            WAITING="$WAITING ${workload##*/} ($SEEN)"
        fi
    done
    for workload in hybrid-check/linux kube-system/coredns; do
        SEEN="$(kube get deployment --namespace "${workload%%/*}" "${workload##*/}" -o jsonpath='{.status.readyReplicas}/{.spec.replicas}' 2>&1 || true)"
        case "$SEEN" in
            1/1 | 2/2) ;;
            *) WAITING="$WAITING ${workload##*/} ($SEEN)" ;;
        esac
    done
    if [ -z "$WAITING" ]; then
        break
    fi
    if [ "$WAITING" != "$BEFORE" ]; then
        say "waiting for:$WAITING"
        BEFORE="$WAITING"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "not ready after $SECONDS_TO_WAIT s:$WAITING; $(kube get pods --all-namespaces -o wide 2>&1)"
    fi
    sleep 2
done
# ---- facts: printed as the last line, {"facts": {"<section>": {...}}, ...}. Reads only, changes nothing.
# Each section has a time limit: every program that could hang runs under `limited`, with what is left of it.
SECTION_END=0

limited() {
    local left=$((SECTION_END - SECONDS))
    if [ "$left" -lt 1 ]; then
        return 124
    fi
    timeout -k 2 "$left" "$@"
}

unknown() {
    printf '{"unknown": %s}' "$(json_text "$1")"
}

# The section's JSON, or why nobody can say it. A program that ran out of time has used up the section's limit.
section_text() {
    local name="$1" seconds="$2" text=''
    SECTION_END=$((SECONDS + seconds))
    if ! text="$("$name")"; then
        text="$(unknown 'the probe of this section failed')"
    fi
    if [ "$SECONDS" -ge "$SECTION_END" ]; then
        text="$(unknown "it took longer than $seconds s")"
    fi
    printf '%s' "$text"
}

# Asks the API. ANSWER holds what it said; without a cluster or an answer, the reason.
ask() {
    if [ ! -f /etc/kubernetes/admin.conf ]; then
        printf 'there is no cluster yet'
        return 1
    fi
    limited kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s "$@" 2>&1
}

# The system, its boot and its clock. Times are UTC, ISO 8601.
facts_os() {
    local id='' version='' key value boot='' clock
    while IFS='=' read -r key value; do
        value="${value#\"}"
        value="${value%\"}"
        case "$key" in
            ID) id="$value" ;;
            VERSION_ID) version="$value" ;;
        esac
    done < /etc/os-release
    while read -r key value; do
        if [ "$key" = btime ]; then
            boot="$value"
        fi
    done < /proc/stat
    # Without a time service nobody can say; the model calls that null.
    case "$(limited timedatectl show --property=NTPSynchronized --value 2>/dev/null || true)" in
        yes) clock=true ;;
        no) clock=false ;;
        *) clock=null ;;
    esac
    printf '{"id": %s, "version": %s, "kernel": %s, "architecture": %s, "hostname": %s' \
        "$(json_text "$id")" "$(json_text "$version")" "$(json_text "$(uname -r)")" \
        "$(json_text "$(uname -m)")" "$(json_text "$(uname -n)")"
    printf ', "boot_id": %s, "boot_time": %s, "time": %s, "clock_synchronised": %s, "cgroup": %s}' \
        "$(json_text "$(cat /proc/sys/kernel/random/boot_id)")" "$(json_text "$(date -u -d "@$boot" +%Y-%m-%dT%H:%M:%SZ)")" \
        "$(json_text "$(date -u +%Y-%m-%dT%H:%M:%SZ)")" "$clock" \
        "$(if [ -f /sys/fs/cgroup/cgroup.controllers ]; then printf 2; else printf 1; fi)"
}

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

# Network cards by name, the card of the default route, and what our boot unit sets ("<mac> <address>/<prefix>").
facts_network() {
    local name mac flags addresses address list='' cards='' route='' word before='' kept=''
    local links v4
    links="$(limited ip -brief link show)" || return 1
    v4="$(limited ip -brief -4 address show)" || return 1
    while read -r name _ mac flags; do
        case "$name" in
            lo | *@* | cali* | vxlan* | docker* | cni* | '') continue ;;
        esac
        list=''
        while read -r word _ addresses; do
            if [ "$word" = "$name" ]; then
                for address in $addresses; do
                    list="$list${list:+, }$(json_text "$address")"
                done
            fi
        done <<< "$v4"
        cards="$cards${cards:+, }$(json_text "$name"): {\"mac\": $(json_text "$mac"), \"up\": "
        case "$flags" in
            *LOWER_UP*) cards="${cards}true, \"addresses\": [$list]}" ;;
            *) cards="${cards}false, \"addresses\": [$list]}" ;;
        esac
    done <<< "$links"
    for word in $(limited ip -4 route show default); do
        if [ "$before" = dev ] && [ -z "$route" ]; then
            route="$word"
        fi
        before="$word"
    done
    if [ -f /etc/hybrid/network ] && [ -L /etc/systemd/system/multi-user.target.wants/hybrid-network.service ]; then
        kept="$(cat /etc/hybrid/network)"
    fi
    printf '{"cards": %s, "default_card": %s, "kept": %s}' "{$cards}" "$(json_text "$route")" "$(json_text "$kept")"
}

# Whether this machine lets the machines' network out: forwarding and masquerading, now and after a boot.
facts_egress() {
    local rules
    rules="$(limited nft list table ip hybrid_egress 2>/dev/null || true)"
    printf '{"forwarding": %s, "masquerade": %s, "kept": %s}' \
        "$(json_bool grep -qs 1 /proc/sys/net/ipv4/ip_forward)" \
        "$(json_bool grep -q masquerade <<< "$rules")" \
        "$(json_bool test -L /etc/systemd/system/multi-user.target.wants/hybrid-egress.service)"
}

# Delivered files by name. A digest was recorded when the file came; it is computed again only if size or time differ.
facts_delivered() {
    local size time path name known digest rest list=''
    if [ -d /var/lib/hybrid/files ]; then
        while read -r size time path; do
            name="${path##*/}"
            case "$name" in
                '' | '*' | *.part) continue ;;
            esac
            digest=''
            if [ -f "/var/lib/hybrid/delivered/$name" ]; then
                read -r digest known < "/var/lib/hybrid/delivered/$name"
                if [ "$known" != "$size $time" ]; then
                    digest=''
                fi
            fi
            if [ -z "$digest" ]; then
                rest="$(limited sha256sum "$path")"
                digest="${rest%% *}"
            fi
            list="$list${list:+, }$(json_text "$name"): {\"sha256\": \"$digest\", \"size\": $size}"
        done <<< "$(stat -c '%s %Y %n' /var/lib/hybrid/files/* 2>/dev/null || true)"
    fi
    printf '{"files": %s}' "{$list}"
}

# Installed components: from which artifacts, and whether every file is still as it was installed.
# A record has the lines "digest <artifact> <sha256>", "file <size> <time> <path>", and "there - - <path>" for a file
# that others may write anew.
facts_installed() {
    local record component kind first second path list='' digests wanted found gone
    for record in /var/lib/hybrid/installed/*; do
        if [ ! -f "$record" ]; then
            continue
        fi
        component="${record##*/}"
        digests=''
        wanted=''
        found=''
        gone=''
        local files=()
        while read -r kind first second path; do
            case "$kind" in
                digest) digests="$digests${digests:+, }$(json_text "$first"): $(json_text "$second")" ;;
                file)
                    files+=("$path")
                    wanted="$wanted$first $second $path"$'\n'
                    ;;
                there)
                    if [ ! -e "$path" ]; then
                        gone="$path"
                    fi
                    ;;
            esac
        done < "$record"
        if [ -n "$wanted" ]; then
            found="$(limited stat -c '%s %Y %n' "${files[@]}" 2>&1 || true)"$'\n'
        fi
        list="$list${list:+, }$(json_text "$component"): {\"digests\": {$digests}, "
        if [ "$found" = "$wanted" ] && [ -z "$gone" ]; then
            list="$list\"intact\": true, \"detail\": \"\"}"
        else
            list="$list\"intact\": false, \"detail\": $(json_text "a file of $component is gone or was changed")}"
        fi
    done
    printf '{"components": %s}' "{$list}"
}

# The services that make a node. A service that does not exist is inactive and has no enabled state.
facts_services() {
    local key value name='' active='' list='' shown
    shown="$(limited systemctl show --property=Id,ActiveState,UnitFileState containerd.service kubelet.service)" || return 1
    while IFS='=' read -r key value; do
        case "$key" in
            Id) name="${value%.service}" ;;
            ActiveState) active="$value" ;;
            UnitFileState)
                list="$list${list:+, }$(json_text "$name"): {\"active\": $(json_text "$active"), \"enabled\": $(json_text "$value")}"
                ;;
        esac
    done <<< "$shown"
    printf '{"units": %s}' "{$list}"
}

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

# Kubernetes' images by name with their digests, and the archives that were imported; nothing while containerd is down.
facts_images() {
    local name digest rest list='' imported='' path
    while read -r name _ digest rest; do
        case "$name $digest" in
            ' '* | sha256:* | *' ' | 'REF '*) continue ;;
            *' sha256:'*) list="$list${list:+, }\"$name\": \"$digest\"" ;;
        esac
    done <<< "$(limited ctr --connect-timeout 3s -n k8s.io images ls 2>/dev/null || true)"
    if [ -d /var/lib/hybrid/images ]; then
        for path in /var/lib/hybrid/images/*; do
            if [ -f "$path" ]; then
                read -r digest rest < "$path"
                imported="$imported${imported:+, }$(json_text "${path##*/}"): \"$digest\""
            fi
        done
    fi
    printf '{"names": %s, "imported": %s}' "{$list}" "{$imported}"
}

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

# The settings that shaped this machine, as they were written down (JSON as text; empty: none yet).
facts_stamp() {
    local text=''
    if [ -f /var/lib/hybrid/stamp.json ]; then
        text="$(cat /var/lib/hybrid/stamp.json)"
    fi
    printf '{"text": %s}' "$(json_text "$text")"
}

# Nodes by name; the role is "worker" or empty.
facts_cluster_nodes() {
    local answer name system image kubelet runtime ready address taints role reason list='' taint text
    if ! answer="$(ask get nodes -o jsonpath='{range .items[*]}{.metadata.name}|{.status.nodeInfo.operatingSystem}|{.status.nodeInfo.osImage}|{.status.nodeInfo.kubeletVersion}|{.status.nodeInfo.containerRuntimeVersion}|{.status.conditions[?(@.type=="Ready")].status}|{.status.addresses[?(@.type=="InternalIP")].address}|{.spec.taints[*].key}|{.metadata.labels.node-role\.kubernetes\.io/worker}|{.status.conditions[?(@.type=="Ready")].message}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r name system image kubelet runtime ready address taints role reason; do
        if [ -z "$system" ]; then
            continue
        fi
        text=''
        for taint in $taints; do
            text="$text${text:+, }$(json_text "$taint")"
        done
        list="$list${list:+, }{\"name\": $(json_text "$name"), \"os\": $(json_text "$system"), \"os_image\": $(json_text "$image")"
        list="$list, \"kubelet_version\": $(json_text "$kubelet"), \"container_runtime\": $(json_text "$runtime")"
        list="$list, \"ready\": $(json_bool test "$ready" = True), \"internal_ip\": $(json_text "$address")"
        list="$list, \"taints\": [$text], \"role\": $(json_text "$role")"
        list="$list, \"reason\": $(json_text "$reason")}"
    done <<< "$answer"
    printf '{"nodes": [%s]}' "$list"
}

# Calico as the operator sees it. Without its definitions there is nothing more to ask.
facts_cluster_calico() {
    local answer crds=false installation='' endpoint='' strict=false name available message list=''
    if ! answer="$(ask get customresourcedefinitions --ignore-not-found -o name installations.operator.tigera.io tigerastatuses.operator.tigera.io ipamconfigs.crd.projectcalico.org)"; then
        unknown "$answer"
        return 0
    fi
    if [ "$(grep -c customresourcedefinition <<< "$answer" || true)" = 3 ]; then
        crds=true
        installation="$(ask get installations.operator.tigera.io default --ignore-not-found -o jsonpath='{.metadata.annotations.hybrid/digest}' || true)"
        strict="$(ask get ipamconfigs.crd.projectcalico.org default --ignore-not-found -o jsonpath='{.spec.strictAffinity}' || true)"
        answer="$(ask get tigerastatuses.operator.tigera.io -o jsonpath='{range .items[*]}{.metadata.name}|{.status.conditions[?(@.type=="Available")].status}|{.status.conditions[?(@.type=="Degraded")].message}{"\n"}{end}' || true)"
        while IFS='|' read -r name available message; do
            if [ -n "$available" ]; then
                list="$list${list:+, }$(json_text "$name"): {\"available\": $(json_bool test "$available" = True), \"message\": $(json_text "$message")}"
            fi
        done <<< "$answer"
    fi
    endpoint="$(ask get configmap kubernetes-services-endpoint --namespace tigera-operator --ignore-not-found -o jsonpath='{.data.KUBERNETES_SERVICE_HOST}:{.data.KUBERNETES_SERVICE_PORT}' || true)"
    printf '{"crds": %s, "endpoint": %s, "installation": %s, "strict_affinity": %s, "status": %s}' \
        "$crds" "$(json_text "$endpoint")" "$(json_text "$installation")" "$(json_bool test "$strict" = true)" "{$list}"
}

# DaemonSets and Deployments, "<namespace>/<name>": how many pods there should be and are ready, which manifest made
# them, and the image of their first container.
facts_cluster_workloads() {
    local answer kind space name wanted ready replicas available digest image list='' entry
    if ! answer="$(ask get daemonsets,deployments --all-namespaces -o jsonpath='{range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.status.desiredNumberScheduled}|{.status.numberReady}|{.spec.replicas}|{.status.readyReplicas}|{.metadata.annotations.hybrid/digest}|{.spec.template.spec.containers[0].image}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r kind space name wanted ready replicas available digest image; do
        case "$kind" in
            DaemonSet) entry="\"wanted\": ${wanted:-0}, \"ready\": ${ready:-0}" ;;
            Deployment) entry="\"wanted\": ${replicas:-0}, \"ready\": ${available:-0}" ;;
            *) continue ;;
        esac
        list="$list${list:+, }$(json_text "$space/$name"): {$entry, \"digest\": $(json_text "$digest"), \"image\": $(json_text "$image")}"
    done <<< "$answer"
    printf '{"workloads": %s}' "{$list}"
}

# The ids of the join tokens that we made (their description is ours, in base64); never the secrets.
facts_cluster_tokens() {
    local answer name list=''
    if ! answer="$(ask get secrets --namespace kube-system --field-selector type=bootstrap.kubernetes.io/token -o jsonpath='{range .items[?(@.data.description=="aHlicmlkOiBqb2lu")]}{.metadata.name}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    for name in $answer; do
        list="$list${list:+, }$(json_text "${name#bootstrap-token-}")"
    done
    printf '{"ours": [%s]}' "$list"
}

# The smoke pods: their readiness probes are real requests between Linux and Windows, and DNS.
facts_cluster_checks() {
    local answer name app phase ready node digest reason list=''
    if ! answer="$(ask get pods --namespace hybrid-check -o jsonpath='{range .items[*]}{.metadata.name}|{.metadata.labels.app}|{.status.phase}|{.status.conditions[?(@.type=="Ready")].status}|{.spec.nodeName}|{.metadata.annotations.hybrid/digest}|{.status.containerStatuses[0].state.waiting.reason}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r name app phase ready node digest reason; do
        if [ -n "$phase" ]; then
            list="$list${list:+, }$(json_text "$name"): {\"app\": $(json_text "$app"), \"phase\": $(json_text "$phase")"
            list="$list, \"ready\": $(json_bool test "$ready" = True), \"node\": $(json_text "$node")"
            list="$list, \"digest\": $(json_text "$digest"), \"reason\": $(json_text "$reason")}"
        fi
    done <<< "$answer"
    printf '{"pods": %s}' "{$list}"
}

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

FACTS=''
FACTS="$FACTS\"os\": $(section_text facts_os 10)"
FACTS="$FACTS, \"programs\": $(section_text facts_programs 10)"
FACTS="$FACTS, \"kernel\": $(section_text facts_kernel 10)"
FACTS="$FACTS, \"network\": $(section_text facts_network 10)"
FACTS="$FACTS, \"egress\": $(section_text facts_egress 10)"
FACTS="$FACTS, \"delivered\": $(section_text facts_delivered 10)"
FACTS="$FACTS, \"installed\": $(section_text facts_installed 10)"
FACTS="$FACTS, \"services\": $(section_text facts_services 10)"
FACTS="$FACTS, \"registries\": $(section_text facts_registries 10)"
FACTS="$FACTS, \"containerd\": $(section_text facts_containerd 10)"
FACTS="$FACTS, \"images\": $(section_text facts_images 10)"
FACTS="$FACTS, \"kubeadm\": $(section_text facts_kubeadm 10)"
FACTS="$FACTS, \"stamp\": $(section_text facts_stamp 10)"
FACTS="$FACTS, \"cluster.nodes\": $(section_text facts_cluster_nodes 30)"
FACTS="$FACTS, \"cluster.calico\": $(section_text facts_cluster_calico 30)"
FACTS="$FACTS, \"cluster.workloads\": $(section_text facts_cluster_workloads 30)"
FACTS="$FACTS, \"cluster.tokens\": $(section_text facts_cluster_tokens 30)"
FACTS="$FACTS, \"cluster.checks\": $(section_text facts_cluster_checks 30)"
FACTS="$FACTS, \"cluster.certificates\": $(section_text facts_cluster_certificates 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
