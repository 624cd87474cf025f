# DaemonSets and Deployments, "<namespace>/<name>": how many pods there should be and are ready, and which manifest.
facts_cluster_workloads() {
    local answer kind space name wanted ready replicas available digest list=''
    if ! answer="$(ask get daemonsets,deployments --all-namespaces -o jsonpath='{range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.status.desiredNumberScheduled}|{.status.numberReady}|{.spec.replicas}|{.status.readyReplicas}|{.metadata.annotations.hybrid/digest}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r kind space name wanted ready replicas available digest; do
        case "$kind" in
            DaemonSet) list="$list${list:+, }$(json_text "$space/$name"): {\"wanted\": ${wanted:-0}, \"ready\": ${ready:-0}, \"digest\": $(json_text "$digest")}" ;;
            Deployment) list="$list${list:+, }$(json_text "$space/$name"): {\"wanted\": ${replicas:-0}, \"ready\": ${available:-0}, \"digest\": $(json_text "$digest")}" ;;
        esac
    done <<< "$answer"
    printf '{"workloads": %s}' "{$list}"
}
