# Installed components: from which artifacts, and whether every file is still as it was installed.
# A record has the lines "digest <artifact> <sha256>" and "file <size> <time> <path>".
facts_installed() {
    local record component kind first second path list='' digests wanted found
    for record in /var/lib/hybrid/installed/*; do
        if [ ! -f "$record" ]; then
            continue
        fi
        component="${record##*/}"
        digests=''
        wanted=''
        local files=()
        while read -r kind first second path; do
            case "$kind" in
                digest) digests="$digests${digests:+, }$(json_text "$first"): $(json_text "$second")" ;;
                file)
                    files+=("$path")
                    wanted="$wanted$first $second $path"$'\n'
                    ;;
            esac
        done < "$record"
        found="$(limited stat -c '%s %Y %n' "${files[@]}" 2>&1 || true)"
        list="$list${list:+, }$(json_text "$component"): {\"digests\": {$digests}, "
        if [ "$found"$'\n' = "$wanted" ]; then
            list="$list\"intact\": true, \"detail\": \"\"}"
        else
            list="$list\"intact\": false, \"detail\": $(json_text "a file of $component is gone or was changed")}"
        fi
    done
    printf '{"components": %s}' "{$list}"
}
