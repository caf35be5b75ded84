#!/usr/bin/env bash
# deaths - super-peers die, come, go and all restart; what was acknowledged is
# there. Ten hosts, n = 3, w = 2.
. "$(dirname "$0")/lib.sh"

all=(s{1..10})
ring 10 4

# Every file that was ever acknowledged: CID and path.
declare -A ACKED=()

# acked NAME FILE [OPTION...]: puts it; remembers it if that succeeded.
acked()
{
    local cid

    cid=$(put "$@") || return 1
    ACKED[$cid]=$2
}

# every NAME...: each acknowledged file through one of the leaves, in turn.
every()
{
    local cid bad=0 i=0
    local -a through=("$@")

    for cid in "${!ACKED[@]}"; do
        if ! fetched "${through[i++ % $#]}" "$cid" "${ACKED[$cid]}"; then
            note "$cid: $(head -n 2 "$W/said")"
            bad=1
        fi
    done
    return "$bad"
}

up()
{
    local name

    for name in "${all[@]}"; do
        [ -z "${PID[$name]:-}" ] || echo "$name"
    done
}

# ---- any one, right after a default put ---------------------------------------------

for name in "${all[@]}"; do
    bytes "one-$name" 3000000 "$W/one-$name"
    acked l1 "$W/one-$name"
    put=$?
    kill9 "$name"
    [ "$put" -eq 0 ] && every l2
    result $? "$name dies right after an acknowledged put: all is fetched"
    start "$name"
    # shellcheck disable=SC2046
    settled 30 $(up) || result 1 "$name is back"
done

# ---- any two, after put --wait all ---------------------------------------------------

bytes two 20000000 "$W/two"
two=$(put l1 "$W/two" --wait all)
result $? 'put --wait all'
ACKED[$two]=$W/two
for i in 0 2 4 6 8; do
    pair=("${all[i]}" "${all[(i + 3) % 10]}")
    kill9 "${pair[@]}"
    fetched l2 "$two" "$W/two"
    result $? "${pair[*]} die at once: the file is fetched"
    start "${pair[@]}"
    # shellcheck disable=SC2046
    settled 30 $(up) || result 1 "${pair[*]} are back"
done

# ---- one joins and one leaves, during puts and gets ------------------------------------

# Puts and gets until told to stop; a line per failure.
busy()
{
    local i=0 cid said=$W/said-$1 out=$W/busy-$1.out

    while [ ! -e "$W/enough" ]; do
        i=$((i + 1))
        bytes "busy-$1-$i" 700000 "$W/busy-$1"
        if ! cid=$(timeout 60 "$WREATH" --dir "$W/$1" put -- "$W/busy-$1" \
            2>"$said" </dev/null); then
            echo "put $i: $(<"$said")"
            continue
        fi
        echo "$cid busy-$1-$i" >>"$W/busy.acked"
        if ! timeout 60 "$WREATH" --dir "$W/$2" get "$cid" -o "$out" \
            >/dev/null 2>"$said" </dev/null; then
            echo "get $i: $(<"$said")"
        elif ! cmp -s "$out" "$W/busy-$1"; then
            echo "get $i: differs"
        fi
        rm -f "$out"
    done >"$W/failures-$1"
}

rounds()
{
    [ -s "$W/busy.acked" ] && [ "$(wc -l <"$W/busy.acked")" -ge "$1" ]
}

busy l1 l2 &
OTHERS+=($!)
one=$!
busy l3 l4 &
OTHERS+=($!)
two=$!
until_ok 30 rounds 4 || result 1 'puts and gets go on'

check 'an eleventh super-peer joins the ring' joins s11 "${all[@]}"
before=$(wc -l <"$W/busy.acked")
until_ok 30 rounds $((before + 4))

LIMIT=240 w s4 leave >"$W/stdout"
result $? 's4 hands over and leaves'
check 'its super-peer ends by itself, with status 0' ends s4
all=(s{1..3} s{5..11})
check 'the others are one ring without it' settled 60 "${all[@]}"
before=$(wc -l <"$W/busy.acked")
until_ok 30 rounds $((before + 4))
touch "$W/enough"
wait "$one" "$two"
cat "$W"/failures-l[13] | sed 's/^/# /'
check 'no put and no get failed meanwhile' \
    test ! -s "$W/failures-l1" -a ! -s "$W/failures-l3"

lost=0
while read -r cid seed; do
    bytes "$seed" 700000 "$W/busy"
    fetched l2 "$cid" "$W/busy" || lost=$((lost + 1))
done <"$W/busy.acked"
check "none of $(wc -l <"$W/busy.acked") files was lost" test "$lost" -eq 0
check 'nor any that was acknowledged before' every l1 l2 l3 l4

# ---- a leaf's super-peer dies in the middle of a put ------------------------------------

# Whom the process PID is connected to, by its sockets.
connected_to()
{
    local inodes line port name

    inodes=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
        tr -dc '0-9\n')
    while read -r _ _ line _ _ _ _ _ _ inode _; do
        [ "${inode:-0}" != 0 ] && grep -qx "$inode" <<<"$inodes" || continue
        port=$((16#${line##*:}))
        for name in "${all[@]}"; do
            [ "${ADDRESS[$name]##*:}" -ne "$port" ] || echo "$name"
        done
    done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null) | sort -u
}

bytes large 314572800 "$W/large"
"$WREATH" --dir "$W/l4" put -- "$W/large" >"$W/large.cid" 2>"$W/large.said" \
    </dev/null &
putting=$!
OTHERS+=("$putting")
until_ok 30 has_read "$putting" 50000000
result $? 'a put of 300 MiB is under way'
parent=$(connected_to "$putting" | head -n 1)
if [ -n "$parent" ] && alive "$putting"; then
    kill9 "$parent"
    note "killed its super-peer, $parent"
    wait "$putting"
    status=$?
    cp "$W/large.said" "$W/said"
    result "$status" 'its super-peer dies; the put goes on through another'
    cid=$(put l3 "$W/large")
    check 'and ends with the CID of the file' test "$(<"$W/large.cid")" = "$cid"
    check 'which another leaf gets' fetched l2 "$cid" "$W/large"
    start "$parent"
else
    result 1 "the leaf's super-peer was not found"
fi
rm "$W/large"

# ---- all at once -------------------------------------------------------------------------

kill9 "${all[@]}"
backwards=()
for name in "${all[@]}"; do
    backwards=("$name" "${backwards[@]}")
done
for name in "${backwards[@]}"; do
    start "$name"
done
check 'all die and start in another order: one ring' settled 90 "${all[@]}"
check 'every acknowledged file is there' every l1 l2 l3 l4

kill9 "${all[@]}"
rest=("${all[@]:1}")
start "${rest[@]}"
check 'all die and start without the founder: one ring' settled 90 "${rest[@]}"
check 'every acknowledged file is there' every l1 l2 l3 l4
start s1
check 'the founder comes last and finds the ring' settled 90 "${all[@]}"
stop s2
check 'SIGTERM ends a super-peer with status 0' test $? -eq 0
plan
