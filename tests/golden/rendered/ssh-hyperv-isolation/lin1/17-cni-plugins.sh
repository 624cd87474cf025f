#!/bin/bash
# The CNI plugins lie where containerd and Calico look for them.
# Usage: bash 52-cni-plugins.sh   (as root)
# Shared by every Linux script: strict mode, and the few words that all of them use.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RESULT=''

# A line of progress for people.
say() {
    printf '%s\n' "$1"
}

# End with a reason and a remedy; both reach the person who started the run.
fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A text as a JSON string.
json_text() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    text="${text//[[:cntrl:]]/ }"
    printf '"%s"' "$text"
}

# true or false, as the command given says.
json_bool() {
    if "$@"; then
        printf 'true'
    else
        printf 'false'
    fi
}

# Adds a text to the script's own result, beside the facts.
result() {
    RESULT="$RESULT, $(json_text "$1"): $(json_text "$2")"
}

# Shared by the scripts that install: the delivered file, and the record that says what was installed from what.
FILES=()
# How the record holds each file: whoever changes one later undoes the installation. `there`: it only has to be there.
NOTE='file %s %Y %n'

# The path of a delivered file. Its digest is recorded here where a delivery was cut off before it could be.
delivered() {
    local digest='' known='' now
    if [ ! -f "/var/lib/hybrid/files/$1" ]; then
        fail "$1 was not delivered"
    fi
    now="$(stat -c '%s %Y' "/var/lib/hybrid/files/$1")"
    if [ -f "/var/lib/hybrid/delivered/$1" ]; then
        read -r digest known < "/var/lib/hybrid/delivered/$1"
    fi
    if [ "$known" != "$now" ]; then
        digest="$(sha256sum "/var/lib/hybrid/files/$1")"
        mkdir -p /var/lib/hybrid/delivered
        printf '%s %s\n' "${digest%% *}" "$now" > "/var/lib/hybrid/delivered/$1"
    fi
    printf '%s' "/var/lib/hybrid/files/$1"
}

# Puts one program in place; a running one keeps its old file until it ends.
install_program() {
    install -D -m 0755 "$1" "$2.new"
    mv -f "$2.new" "$2"
    FILES+=("$2")
}

# Unpacks an archive into a folder and notes its files.
unpack() {
    local line names
    mkdir -p "$2"
    names="$(tar -xzvf "$1" --no-same-owner --no-overwrite-dir -C "$2")"
    while read -r line; do
        case "$line" in
            '' | */) ;;
            *) FILES+=("$2/${line#./}") ;;
        esac
    done <<< "$names"
}

# record COMPONENT ARTIFACT...: written last, so that a record means that everything before it was done.
record() {
    local component="$1" name digest lines=''
    shift
    for name in "$@"; do
        read -r digest _ < "/var/lib/hybrid/delivered/$name"
        lines="${lines}digest $name $digest"$'\n'
    done
    mkdir -p /var/lib/hybrid/installed
    printf '%s%s\n' "$lines" "$(stat -c "$NOTE" "${FILES[@]}")" > "/var/lib/hybrid/installed/.$component"
    mv -f "/var/lib/hybrid/installed/.$component" "/var/lib/hybrid/installed/$component"
}

# A pod network brings its own builds of some of them and writes them over ours, as Calico's install-cni does.
NOTE='there - - %n'
unpack "$(delivered cni-plugins-linux.tgz)" /opt/cni/bin
mkdir -p /etc/cni/net.d
record cni-plugins cni-plugins-linux.tgz
# ---- facts: printed as the last line, {"facts": {"<section>": {...}}, ...}. Reads only, changes nothing.
# Each section has a time limit: every program that could hang runs under `limited`, with what is left of it.
SECTION_END=0

limited() {
    local left=$((SECTION_END - SECONDS))
    if [ "$left" -lt 1 ]; then
        return 124
    fi
    timeout -k 2 "$left" "$@"
}

unknown() {
    printf '{"unknown": %s}' "$(json_text "$1")"
}

# The section's JSON, or why nobody can say it. A program that ran out of time has used up the section's limit.
section_text() {
    local name="$1" seconds="$2" text=''
    SECTION_END=$((SECONDS + seconds))
    if ! text="$("$name")"; then
        text="$(unknown 'the probe of this section failed')"
    fi
    if [ "$SECONDS" -ge "$SECTION_END" ]; then
        text="$(unknown "it took longer than $seconds s")"
    fi
    printf '%s' "$text"
}

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

FACTS=''
FACTS="$FACTS\"installed\": $(section_text facts_installed 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
