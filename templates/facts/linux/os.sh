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
