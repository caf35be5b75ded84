#!/usr/bin/env bash
# strangers - a crowd without the ring's secret knocks, floods, repeats what
# members have said, and drips; members are served meanwhile.
#
# RATE connections a second (1000), HOLD dripping ones (300), for SECONDS (4)
# each, and as long of quiet before: tests/soak/strangers sets them higher and
# compares how long the members' gets took.
. "$(dirname "$0")/lib.sh"

RATE=${RATE:-1000} HOLD=${HOLD:-300} SECONDS_EACH=${SECONDS_EACH:-4}

ring 4 1
bytes small 4096 "$W/small"
bytes large 600000 "$W/large"
small=$(put l1 "$W/small" --wait all) && large=$(put l1 "$W/large" --wait all)
result $? 'files are put'

# The most that any super-peer has held in memory so far, in KiB.
memory()
{
    local pid most=0 now

    for pid in "${PID[@]}"; do
        now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
        [ "$now" -le "$most" ] || most=$now
    done
    echo "$most"
}

# read_for NAME: the member's gets, told in $W/NAME.json.
read_for()
{
    timeout 300 "$BUILD/tests/reader" "$W/l1" "$SECONDS_EACH" \
        "$small" "$W/small" "$large" "$W/large" >"$W/$1.json" 2>"$W/said"
}

# among NAME OPTION...: the same, while strangers do what the options say.
among()
{
    local name=$1 crowd status

    shift
    timeout 300 "$BUILD/tests/strangers" --for "$((SECONDS_EACH + 2))" \
        --from 127.254 "$@" "${ADDRESS[@]}" >"$W/$name.crowd" 2>&1 &
    crowd=$!
    OTHERS+=("$crowd")
    read_for "$name"
    status=$?
    wait "$crowd" || status=1
    note "$name: $(<"$W/$name.json") $(<"$W/$name.crowd")"
    return "$status"
}

of()
{
    field "$2" <"$W/$1"
}

check 'members are served in peace' read_for quiet
note "quiet: $(<"$W/quiet.json")"
before=$(memory)

check 'and in a flood of strangers' among flood --rate "$RATE"
check 'who got no byte' test "$(of flood.crowd bytes_back)" -eq 0
check 'and were there' test "$(of flood.crowd connected)" -gt "$RATE"

w s1 invite --quiet -o "$W/recorded" || bail 'invite failed'
check 'and of such that repeat what members have said' \
    among replay --rate "$RATE" --ticket "$W/recorded"
check 'to whom nobody answers twice' test "$(of replay.crowd bytes_back)" -eq 0

check 'and beside many that drip' among drip --rate "$RATE" --hold "$HOLD"
check 'who got no byte either' test "$(of drip.crowd bytes_back)" -eq 0
check 'and were there as well' test "$(of drip.crowd connected)" -ge "$HOLD"

after=$(memory)
note "most memory of a super-peer: $before KiB, then $after KiB"
check 'it took a few MiB at most' test $((after - before)) -le 32768
for name in quiet flood replay drip; do
    printf '%s %s %s %s %s\n' "$name" "$(of $name.json p50_ms)" \
        "$(of $name.json p99_ms)" "$(of $name.crowd cpu_ms 2>/dev/null)" \
        "$(of $name.crowd wall_ms 2>/dev/null)"
done >"${FIGURES:-/dev/null}" 2>/dev/null
plan
