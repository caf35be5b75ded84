#!/usr/bin/env bash
# trace - forty super-peers with 17 members each: a lookup takes at most 1.1
# forwardings on average, and always ends at the right owner.
. "$(dirname "$0")/lib.sh"

KEYS=1000

# Not the pace of the other tests: forty processes share a machine here.
export WREATH_ROUND=1s WREATH_ROSTER=2s
ring 40
check 'forty super-peers are one ring, and each lists all' settled 120 s{1..40}

hosts_of s1 >"$W/hosts"
"$CLUSTER_TOOL" stream keys $((KEYS * 32)) | od -An -v -tx1 -w32 |
    tr -d ' ' >"$W/keys"
"$CLUSTER_TOOL" owner "$W/s1/ring" 17 "$W/hosts" "$W/keys" | sort >"$W/want"

# Each of the forty traces its part.
traces()
{
    local from=$1 key

    while read -r key; do
        "$WREATH" --dir "$W/s$((from + 1))" trace "$key" --json </dev/null ||
            echo '{"owner":{"host":"failed"},"hops":99}'
        from=$(((from + 2) % 40))
    done 2>>"$W/trace.said"
}
awk 'NR % 2' "$W/keys" >"$W/keys.0"
awk 'NR % 2 == 0' "$W/keys" >"$W/keys.1"
traces 0 <"$W/keys.0" >"$W/traces.0" &
OTHERS+=($!)
half=$!
traces 1 <"$W/keys.1" >"$W/traces.1"
wait "$half"

# One JSON document per line and key, in the order of the keys.
cat "$W/traces.0" "$W/traces.1" >"$W/traces"
check 'every lookup answers' test "$(wc -l <"$W/traces")" -eq $KEYS
{ echo '['; paste -sd, "$W/traces"; echo ']'; } >"$W/traces.json"
field '*.owner.host' <"$W/traces.json" >"$W/owners"
paste -d' ' <(cat "$W/keys.0" "$W/keys.1") "$W/owners" | sort >"$W/got"
check 'every answer names the right owner' cmp "$W/want" "$W/got"
cp "$W/trace.said" "$W/said"
mean=$(field '*.hops' <"$W/traces.json" |
    awk '{ sum += $1; n++ } END { if (n) printf "%.3f", sum / n }')
note "mean of hops over $KEYS random keys: $mean"
check 'the mean of hops is at most 1.1' \
    awk -v m="${mean:-99}" 'BEGIN { exit !(m > 0 && m <= 1.1) }'
w s1 trace "$(head -n 1 "$W/keys")" >"$W/route"
check 'trace prints the route for people' grep -q owner "$W/route"
check 'a malformed key is a usage error' refused 2 'key|CID' s1 trace zz
plan
