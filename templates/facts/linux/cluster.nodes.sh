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
