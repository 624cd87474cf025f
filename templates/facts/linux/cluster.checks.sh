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
