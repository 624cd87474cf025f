# The settings that shaped this machine, as they were written down (JSON as text; empty: none yet).
facts_stamp() {
    local text=''
    if [ -f /var/lib/hybrid/stamp.json ]; then
        text="$(cat /var/lib/hybrid/stamp.json)"
    fi
    printf '{"text": %s}' "$(json_text "$text")"
}
