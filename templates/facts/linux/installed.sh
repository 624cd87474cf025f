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
