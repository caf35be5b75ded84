#!/usr/bin/env bash
# faults - each of the first allocations, and of the first system calls, of a
# super-peer and of a put fails in turn. Whatever fails: no signal ends the
# process but an abort of a library that docs/reliability.md lists; it goes on,
# or ends within 5 s with one clear line; the store opens again, each chunk in
# it is what its digest says, and what was acknowledged is there.
#
#     STEP=40     every 40th of them, from one that differs from day to day
#     SHIFT=N     from this one
#     FIRST=1 LAST=2000
#     WHO='superpeer put'  WHAT='malloc call'
#     ONE=1       stops at the first finding, and keeps what it left
. "$(dirname "$0")/lib.sh"

CHUNKS_TOOL=$BUILD/tests/cluster/chunks
STEP=${STEP:-40}
SHIFT=${SHIFT:-$(($(date +%s) / 86400 % STEP))}
FIRST=${FIRST:-1}
LAST=${LAST:-2000}
RELIABILITY=$(dirname "$0")/../../docs/reliability.md
note "every $STEP. call from $((FIRST + SHIFT)) to $LAST (SHIFT=$SHIFT)"

export ASAN_OPTIONS=verify_asan_link_order=0:abort_on_error=1:detect_leaks=0:allocator_may_return_null=1
PRELOAD=$(preload)

# ---- the world as it is before each fault ------------------------------------

mkdir "$W/tree"
for ((i = 0; i < ${FILES:-80}; i++)); do
    printf 'file %s %s\n' "$i" "$RANDOM$RANDOM" >"$W/tree/$i"
done
bytes tree 700000 "$W/tree/large"
bytes base 300000 "$W/base"
w home init --listen "$IP:0" >/dev/null || bail 'init failed'
start home
base=$(put home "$W/base") || bail 'put failed'
stop home
rm -f "$W/home/store/ballast"
cp -a "$W/home" "$W/template"
start home
cid=$(put home "$W/tree") || bail 'put failed'
stop home
"$CHUNKS_TOOL" "$W/template/store" >"$W/chunks.base" || bail 'no chunks'
"$CHUNKS_TOOL" "$W/home/store" >"$W/chunks.tree" || bail 'no chunks'
note "$(wc -l <"$W/chunks.tree") chunks"

renew()
{
    rm -rf "${W:?}/home"
    cp -a "$W/template" "$W/home"
}

# ---- judgement -----------------------------------------------------------------

found()
{
    note "$1"
    findings=$((findings + 1))
    if [ -n "${ONE:-}" ]; then
        tail_of 20 "$W/fault.log" "$W/home.log" "$W/said"
        KEEP=1
        plan
        exit 1
    fi
}

# A library may abort where it is told so: `libuv.so: epoll_ctl` in the list.
listed()
{
    local failed

    failed=$(sed -n 's/^failed \([a-z0-9_]*\) .*, asked by \(.*\.so\).*/\2: \1/p' \
        "$W/fault.log")
    [ -n "$failed" ] && grep -Fq -- "| \`$failed\` |" "$RELIABILITY"
}

# ended WHAT STATUS FILE: it ended so, having said FILE.
ended()
{
    if grep -Eq 'ERROR: AddressSanitizer|runtime error' "$3"; then
        found "$1: $(grep -Em 1 'ERROR: Addr|runtime error' "$3")"
    elif [ "$2" -eq 134 ] && { listed ||
        grep -q 'AddressSanitizer: CHECK failed' "$3"; }; then
        aborts=$((aborts + 1))
    elif [ "$2" -gt 125 ]; then
        found "$1: ended by status $2"
    elif [ "$2" -ne 0 ] && [ "$(grep -c '^wreath: ' "$3")" -ne 1 ]; then
        found "$1: status $2 without one clear line"
    fi
}

# sound WHAT LIST: the store is whole and holds the chunks of LIST.
sound()
{
    local missing

    if ! "$CHUNKS_TOOL" "$W/home/store" >"$W/chunks.now" 2>"$W/said"; then
        found "$1: the store is not whole: $(head -n 1 "$W/said")"
        return
    fi
    missing=$(comm -23 "$2" "$W/chunks.now" | wc -l)
    [ "$missing" -eq 0 ] || found "$1: $missing acknowledged chunks are lost"
}

# faulty KIND N: the words that make a command's N-th call fail.
faulty()
{
    FAULTY=(env "WREATH_FAULT=$1" "WREATH_FAULT_AT=$2"
        "WREATH_FAULT_SEED=${SEED:-$2}" "WREATH_FAULT_LOG=$W/fault.log"
        ${TRACE:+WREATH_FAULT_TRACE=1} "LD_PRELOAD=$PRELOAD")
}

over()
{
    ! alive "${PID[home]}"
}

# ---- a super-peer ----------------------------------------------------------------

# sweep_superpeer KIND N: puts, gets and asks while the N-th call fails. False if it does
# not make as many calls.
sweep_superpeer()
{
    local what="superpeer, $1 $2" status acked=no

    renew
    rm -f "$W/fault.log" "$W/home.log" "$W/home/run/address"
    faulty "$1" "$2"
    "${FAULTY[@]}" "$WREATH" --dir "$W/home" superpeer \
        --listen "$ADDRESS_HOME" >"$W/home.log" 2>&1 </dev/null &
    PID[home]=$!
    until_ok 30 ready home || found "$what: neither ready nor over in 30 s"
    if alive "${PID[home]}"; then
        LIMIT=20 put home "$W/tree" --timeout 4s >"$W/stdout"
        if [ $? -eq 0 ]; then
            acked=yes
            [ "$(<"$W/stdout")" = "$cid" ] || found "$what: a wrong CID"
        fi
        if ! w home get "$base" --timeout 4s -o "$W/got" >"$W/stdout" &&
            ! w home get "$base" --timeout 4s -o "$W/got" >"$W/stdout" &&
            alive "${PID[home]}"; then
            found "$what: it runs, and a get fails"
        fi
        w home status >"$W/stdout" || w home status >"$W/stdout" || over ||
            found "$what: it runs, and tells no status"
        [ ! -e "$W/got" ] || cmp -s "$W/got" "$W/base" ||
            found "$what: wrong bytes"
        rm -f "$W/got"
    fi
    kill "${PID[home]}" 2>/dev/null
    if ! until_ok 5 over; then
        found "$what: does not end within 5 s"
        kill -9 "${PID[home]}"
    fi
    wait "${PID[home]}"
    status=$?
    unset "PID[home]"
    # A signal before its handler stands, or one of a run that had ended.
    [ "$status" -eq 143 ] || ended "$what" "$status" "$W/home.log"
    if [ "$acked" = yes ]; then
        acks=$((acks + 1))
        sound "$what" "$W/chunks.tree"
    else
        sound "$what" "$W/chunks.base"
    fi
    grep -q '^failed' "$W/fault.log"
}

# ---- a put ------------------------------------------------------------------------

sweep_put()
{
    local what="put, $1 $2" status

    rm -f "$W/fault.log"
    faulty "$1" "$2"
    timeout -k 1 20 "${FAULTY[@]}" "$WREATH" --dir "$W/home" put \
        --timeout 8s -- "$W/tree" >"$W/stdout" 2>"$W/said" </dev/null
    status=$?
    case $status in
    0)
        acks=$((acks + 1))
        [ "$(<"$W/stdout")" = "$cid" ] || found "$what: a wrong CID"
        ;;
    124 | 137) found "$what: does not end" ;;
    *)
        [ ! -s "$W/stdout" ] || found "$what: failed, and printed a CID"
        ended "$what" "$status" "$W/said"
        ;;
    esac
    grep -q '^failed' "$W/fault.log"
}

# ---- the sweeps --------------------------------------------------------------------

# sweep FUNCTION KIND
sweep()
{
    local n runs=0

    findings=0 aborts=0 acks=0
    for ((n = FIRST + SHIFT; n <= LAST; n += STEP)); do
        runs=$((runs + 1))
        "$1" "$2" "$n" || break
    done
    note "$1, $2: $runs faults up to the $n., $acks acknowledged, $aborts" \
        "aborts of libraries, $findings findings"
    test "$findings" -eq 0
}

ADDRESS_HOME=${ADDRESS[home]}
for who in ${WHO:-superpeer put}; do
    renew
    [ "$who" = superpeer ] || start home
    for kind in ${WHAT:-malloc call}; do
        sweep "sweep_$who" "$kind"
        result $? "a $who of which one $kind fails"
    done
    [ "$who" = put ] || continue
    check 'what was put is there in the end' fetched home "$cid" "$W/tree"
    stop home
    findings=0
    sound 'in the end' "$W/chunks.tree"
    result "$findings" 'and the store is whole'
done
plan
