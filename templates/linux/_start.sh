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
