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
