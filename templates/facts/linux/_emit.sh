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

{% if 'cluster.' in sections | join(' ') %}
{% include 'facts/linux/_ask.sh' %}

{% endif %}
{% for name in sections %}
{% include 'facts/linux/' ~ name ~ '.sh' %}

{% endfor %}
FACTS=''
{% for name in sections %}
FACTS="$FACTS{{ ', ' if not loop.first }}\"{{ name }}\": $(section_text facts_{{ name | replace('.', '_') }} {{ 30 if name.startswith('cluster.') else 10 }})"
{% endfor %}
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
