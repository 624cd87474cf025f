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
