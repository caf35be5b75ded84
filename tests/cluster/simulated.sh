#!/usr/bin/env bash
# simulated - ten super-peers on loopback, and the same ring in wreath-sim: what
# they say to each other in a quiet while and for 1,000 lookups, message by
# message and byte by byte, differs by less than 10 %.
#
# Where members fall on the ring is chance: it moves the sums by 2.0 % from ring to
# ring and single kinds by 2.4 % (standard deviations over 200 simulated rings),
# so that 10 % is for the sums and 15 % for kinds. Of the simulated ring the mean
# of ten seeds is taken.
. "$(dirname "$0")/lib.sh"

HOSTS=10
LOOKUPS=1000
WINDOW=15
KINDS=(VIEW_ASK VIEW NOTIFY HINT ROUTE ROUTE_ACK ROUTED NEXT_ASK NEXT ROSTER_ASK
    ROSTER PING PONG PROBE PROBED CARD)

export WREATH_ROUND=1s WREATH_ROSTER=2s WREATH_PROBE=2s
settings=(--set "ring.hosts=$HOSTS" --set ring.members=17 --set ring.round=1s
    --set ring.roster=2s --set ring.probe_dead=2s --set ring.patience_min=300ms
    --set network.latency=constant --set network.one_way=100us
    --set network.jitter='0 %' --set run.warmup=1min --set load.trace=yes)

# What a simulated message has beyond its own bytes: a record, and a segment.
RECORD=18
SEGMENT=40

# ---- the real ring --------------------------------------------------------

# said FILE: per kind, messages and bytes said by all hosts so far; "LINK", and
# bytes on links; "NEWS", whatever says that the ring was not at rest.
said()
{
    local i kind

    for ((i = 1; i <= HOSTS; i++)); do
        w "s$i" status --json >"$W/status" || return 1
        for kind in "${KINDS[@]}"; do
            echo "$kind $(field "net.said.$kind.messages_total" \
                "net.said.$kind.bytes_total" <"$W/status" | paste -sd' ')"
        done
        echo LINK 0 "$(field net.sent_bytes <"$W/status")"
        echo "NEWS $(field counters.suspects_total counters.joins_total \
            net.said.HELLO.messages_total <"$W/status" |
            awk '{ n += $1 } END { print n }') 0"
    done | awk '{ n[$1] += $2; b[$1] += $3 }
        END { for (k in n) print k, n[k], b[k] }' | sort >"$1"
}

# since FROM TO: what was added.
since()
{
    join "$1" "$2" | awk '{ print $1, $4 - $2, $5 - $3 }'
}

at_rest()
{
    grep -q '^NEWS 0 ' "$1"
}

# quiet FILE: what WINDOW seconds without news add, and "TIME" microseconds.
quiet()
{
    local from to

    said "$W/from" || return 1
    from=${EPOCHREALTIME/./}
    sleep $WINDOW # This is what is measured.
    said "$W/to" || return 1
    to=${EPOCHREALTIME/./}
    { since "$W/from" "$W/to" && echo TIME $((to - from)) 0; } >"$1"
    at_rest "$1" && agree s{1..10}
}

# Each host asks for its part, two at a time.
lookups()
{
    local i=$1 key

    while read -r key; do
        w "s$((i % HOSTS + 1))" trace "$key" --json >/dev/null || echo failed
        i=$((i + 2))
    done
}

asked()
{
    local from to other

    said "$W/from" || return 1
    from=${EPOCHREALTIME/./}
    awk 'NR % 2' "$W/keys" | lookups 0 >"$W/failed.0" &
    other=$!
    OTHERS+=("$other")
    awk 'NR % 2 == 0' "$W/keys" | lookups 1 >"$W/failed.1"
    wait "$other"
    said "$W/to" || return 1
    to=${EPOCHREALTIME/./}
    { since "$W/from" "$W/to" && echo TIME $((to - from)) 0; } >"$1"
    [ ! -s "$W/failed.0" ] && [ ! -s "$W/failed.1" ]
}

# ---- the simulated ring -----------------------------------------------------

# simulate FILE OPTION...: the same lines, a host and second's worth of the mean
# of ten seeds; "ASKED", and lookups.
simulate()
{
    local file=$1 kind

    shift
    timeout 100 "$BUILD/sim/wreath-sim" sweep scale "${settings[@]}" "$@" --seeds 10 \
        --jobs 2 --json - >"$W/sim.json" 2>"$W/said" </dev/null || return 1
    for kind in "${KINDS[@]}"; do
        paste -d' ' \
            <(field "runs.*.traffic.by_message.*.name=$kind.messages_per_host_s" <"$W/sim.json") \
            <(field "runs.*.traffic.by_message.*.name=$kind.bytes_per_host_s" <"$W/sim.json") |
            awk -v kind="$kind" -v more=$((RECORD + SEGMENT)) '
                { n += $1; b += $2 }
                END { print kind, n / 10, b / 10 - more * n / 10 }'
    done >"$file"
    field 'runs.*.traffic.messages_per_host_s' 'runs.*.traffic.bytes_per_host_s' \
        <"$W/sim.json" | awk -v segment=$SEGMENT '
            NR <= 10 { n += $1 }
            NR > 10 { b += $1 }
            END { print "LINK", 0, (b - n * segment) / 10 }' >>"$file"
    field 'runs.*.lookups.asked' <"$W/sim.json" |
        awk -v hosts=$HOSTS -v s=60 '{ n += $1 }
            END { print "ASKED", n / 10 / hosts / s, 0 }' >>"$file"
}

# ---- side by side -----------------------------------------------------------

# near PERCENT TITLE REAL SIMULATED: no further apart, and not nothing.
near()
{
    local percent=$1

    shift
    note "$(printf '%-44s %10.2f real %10.2f simulated %+6.1f %%' "$@" \
        "$(awk -v a="$2" -v b="$3" 'BEGIN { print b ? (a / b - 1) * 100 : 999 }')")"
    check "$1" awk -v a="$2" -v b="$3" -v p="$percent" \
        'BEGIN { exit !(b > 0 && (a - b) ^ 2 <= (p / 100 * b) ^ 2) }'
}

# a host and second's worth of KIND in real FILE; field 2: messages, 3: bytes.
real()
{
    awk -v kind="$2" -v f="$3" -v hosts=$HOSTS '
        $1 == "TIME" { s = $2 / 1e6 }
        kind == "ALL" && $1 ~ /^[A-Z_]+$/ && $1 !~ /^(LINK|NEWS|TIME)$/ ||
            $1 == kind { v += $f }
        END { print v / s / hosts }' "$1"
}

simulated()
{
    awk -v kind="$2" -v f="$3" '
        kind == "ALL" && $1 !~ /^(LINK|ASKED)$/ || $1 == kind { v += $f }
        END { print v }' "$1"
}

# per_lookup real|simulated FIELD: of ROUTE, ROUTE_ACK and ROUTED, beyond what
# the quiet ring sends of them.
per_lookup()
{
    local how=$1 f=$2 kind all=

    for kind in ROUTE ROUTE_ACK ROUTED; do
        all+=" $($how "$W/$how.asked" $kind "$f") $($how "$W/$how.quiet" $kind "$f")"
    done
    if [ "$how" = real ]; then
        all+=" $(awk -v n=$LOOKUPS -v hosts=$HOSTS '
            $1 == "TIME" { print n / hosts / $2 * 1e6 }' "$W/real.asked")"
    else
        all+=" $(simulated "$W/simulated.asked" ASKED 2)"
    fi
    # shellcheck disable=SC2086 # Numbers.
    printf '%s %s %s %s %s %s %s\n' $all |
        awk '{ print ($1 - $2 + $3 - $4 + $5 - $6) / $7 }'
}

check 'the ring is simulated' simulate "$W/simulated.quiet" \
    --set load.lookup_every=never --for 1min
check 'and with lookups' simulate "$W/simulated.asked" \
    --set load.lookup_every=500ms --for 1min

ring $HOSTS
# News that travel when it has just settled, or a process that had to wait for its
# turn for so long that it was missed, are no upkeep.
for _ in 1 2 3 4; do
    ! quiet "$W/real.quiet" || break
done
check 'ten super-peers are one ring at rest' at_rest "$W/real.quiet"
"$CLUSTER_TOOL" stream keys $((LOOKUPS * 32)) | od -An -v -tx1 -w32 |
    tr -d ' ' >"$W/keys"
check '1,000 lookups are answered' asked "$W/real.asked"

for kind in VIEW_ASK VIEW NOTIFY NEXT_ASK NEXT ROSTER_ASK ROSTER; do
    near 15 "quiet: $kind, messages/s a host" \
        "$(real "$W/real.quiet" $kind 2)" \
        "$(simulated "$W/simulated.quiet" $kind 2)"
done
near 10 'quiet: messages/s a host' \
    "$(real "$W/real.quiet" ALL 2)" "$(simulated "$W/simulated.quiet" ALL 2)"
near 10 'quiet: bytes/s a host, of messages' \
    "$(real "$W/real.quiet" ALL 3)" "$(simulated "$W/simulated.quiet" ALL 3)"
near 10 'quiet: bytes/s a host, on links' \
    "$(real "$W/real.quiet" LINK 3)" "$(simulated "$W/simulated.quiet" LINK 3)"
near 10 'messages a lookup' "$(per_lookup real 2)" "$(per_lookup simulated 2)"
near 10 'bytes a lookup' "$(per_lookup real 3)" "$(per_lookup simulated 3)"
plan
