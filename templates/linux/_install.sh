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
