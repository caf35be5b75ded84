# soak.sh - what the long runs of tests/soak share, on top of lib.sh: sourced by
# them, from the top of the tree.
# shellcheck shell=bash

# shellcheck source=tests/cluster/lib.sh
. tests/cluster/lib.sh

now_ms()
{
    date +%s%3N
}

# wait_until TIME: of $SECONDS.
wait_until()
{
    while [ "$SECONDS" -lt "$1" ]; do
        sleep 0.2
    done
}

# loads LEAVES BYTES: a load on each pair of that many leaves, l1 to lLEAVES.
declare -a LOADS=()
loads()
{
    local i

    rm -f "$W/enough"
    for ((i = 1; i < $1; i += 2)); do
        load "l$i" "l$((i + 1))" "$2" &
        LOADS+=($!)
        OTHERS+=($!)
    done
    more 120 "$1" || bail 'no load'
}

# Ends all loads; what failed, as comments.
loads_end()
{
    touch "$W/enough"
    wait "${LOADS[@]}"
    LOADS=()
    cat "$W"/failures-* | cut -c 1-200 | head -n 20 | sed 's/^/# /'
}

# failed PATTERN: lines of all loads that match.
failed()
{
    cat "$W"/failures-* 2>/dev/null | grep -c -- "$1"
}

# Names of all super-peers that run.
running()
{
    printf '%s\n' "${!PID[@]}" | sort -V
}

# census COPIES NAME...: stops all of NAME, which are the ring, and counts what
# lies on their disks: every chunk is on just the hosts of its set. Prints
# `chunks N missing N misplaced N`.
census()
{
    local copies=$1 name

    shift
    for name; do
        id_of "$name"
    done >"$W/hosts"
    for name; do
        stop "$name"
    done
    for name; do
        "$CLUSTER_TOOL" digests "$W/$name/store" >"$W/$name.digests"
    done
    sort -u "$W"/s*.digests >"$W/keys"
    "$CLUSTER_TOOL" owner "$W/s1/ring" 17 "$W/hosts" "$W/keys" "$copies" |
        awk '{ for (i = 2; i <= NF; i++) print $1, $i }' | sort >"$W/should"
    paste -d' ' "$W/hosts" <(printf '%s\n' "$@") | while read -r host name; do
        sed "s/\$/ $host/" "$W/$name.digests"
    done | sort >"$W/is"
    echo "chunks $(wc -l <"$W/keys")" \
        "missing $(comm -23 "$W/should" "$W/is" | wc -l)" \
        "misplaced $(comm -13 "$W/should" "$W/is" | wc -l)"
    start "$@" >&2
}
