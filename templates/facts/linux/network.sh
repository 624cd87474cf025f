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
