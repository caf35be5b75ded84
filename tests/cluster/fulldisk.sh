#!/usr/bin/env bash
# fulldisk - a disk that is filled to its last byte, and one that fails to sync.
# The disk is a small tmpfs where one may be mounted, and in any case a
# directory whose files are capped (tests/support/fault.c).
. "$(dirname "$0")/lib.sh"

CHUNKS_TOOL=$BUILD/tests/cluster/chunks
MIB=1048576
SIZE=$((48 * MIB))
for i in 1 2 3 4 5; do
    bytes "full $i" $((4 * MIB)) "$W/f$i"
done
bytes small 20000 "$W/small-file"

export ASAN_OPTIONS=verify_asan_link_order=0
PRELOAD=$(preload)

# on_disk COMMAND...: one that sees the disk as it is meant to be.
on_disk()
{
    "${ON_DISK[@]}" "$@"
}

# run_on_disk: the super-peer, there, by its real name; it keeps its address.
run_on_disk()
{
    rm -f "$W/full/run/address"
    "${ON_DISK[@]}" "$WREATH" --dir "$W/small/full" superpeer \
        --listen "${ADDRESS[full]:-$IP:0}" >>"$W/full.log" 2>&1 </dev/null &
    PID[full]=$!
    await_ready full
}

fill()
{
    on_disk dd if=/dev/zero of="$W/small/filler" bs=4096 oflag=append \
        conv=notrunc 2>"$W/dd"
    grep -q 'No space left' "$W/dd"
}

healthy()
{
    [ "$(w full status --json | field store.failed)" = false ]
}

all_there()
{
    local i

    for i in 1 2 3 4 5; do
        fetched full "${cids[i]}" "$W/f$i" || return 1
    done
}

# scenario TITLE
scenario()
{
    local i
    local -a cids=()

    mkdir -p "$W/small/full"
    rm -f "$W/full"
    ln -s small/full "$W/full"
    unset "ADDRESS[full]"
    w full init --listen "$IP:0" >/dev/null || bail 'init failed'
    run_on_disk
    for i in 1 2 3 4 5; do
        cids[i]=$(put full "$W/f$i") || result 1 "$1: files are put"
    done
    check "$1: it is filled to the last byte" fill
    check "$1: a put is refused" \
        refused 5 'full|space' full put --timeout 5s "$W/small-file"
    check "$1: again and again" \
        refused 5 'full|space' full put --timeout 5s "$W/small-file"
    check "$1: what was put is read" all_there
    check "$1: the host runs, and holds its disk for whole" healthy
    fill
    kill9 full
    run_on_disk
    check "$1: it starts on the full disk, and reads" all_there
    check "$1: and refuses" \
        refused 5 'full|space' full put --timeout 5s "$W/small-file"
    rm "$W/small/filler"
    check "$1: with room again, the same put passes" \
        put full "$W/small-file" --timeout 5s
    check "$1: nothing was lost" all_there
    check "$1: it is filled once more" fill
    stop full
    fill
    "$CHUNKS_TOOL" "$W/small/full/store" >"$W/before"
    # Not where the disk is but a cap on what one process sees.
    if [ "${#ON_DISK[@]}" -eq 1 ]; then
        check "$1: nothing is salvaged to it" refused 5 'full|space|room' \
            full salvage "$W/small/full/store" "$W/small/new"
        check "$1: nor left there" test -z "$(ls -d "$W/small/new"* 2>/dev/null)"
    fi
    check "$1: every second chunk is removed from the full disk" \
        on_disk "$CHUNKS_TOOL" "$W/small/full/store" drop
    "$CHUNKS_TOOL" "$W/small/full/store" >"$W/after"
    check "$1: just those are gone" \
        cmp <(awk 'NR % 2' "$W/before") "$W/after"
    run_on_disk
    bytes "$1" $((2 * MIB)) "$W/new"
    new=$(put full "$W/new" --timeout 5s)
    result $? "$1: which makes room for a put"
    check "$1: and that is read" fetched full "$new" "$W/new"
    stop full
}

# ---- a disk with a few pages left ---------------------------------------------

# leave PAGES: so many are free.
leave()
{
    fill && truncate -s "-$((4096 * $1))" "$W/small/filler"
}

# At each number of pages NAME... is refused: no signal, no other fault.
at_each()
{
    local n

    for n in {0..8}; do
        leave "$n" && refused 5 'full|space|room' "$@" || return 1
        rm -rf "$W/small/new"*
    done
}

# LMDB's lock file is written through a map.
few_pages()
{
    w old init --listen "$IP:0" >/dev/null || bail 'init failed'
    start old
    stop old
    check 'few pages: nothing is salvaged there' \
        at_each old salvage "$W/old/store" "$W/small/new"
    rm "$W/small/filler"
    mkdir "$W/small/host"
    ln -s small/host "$W/host"
    w host init --listen "$IP:0" >/dev/null || bail 'init failed'
    check 'few pages: a new host does not start' at_each host superpeer
    rm "$W/small/filler"
    mkdir "$W/small/host/store"
    cp "$W/old/store/data.mdb" "$W/small/host/store"
    check 'few pages: nor one whose store has no lock file' \
        at_each host superpeer
    rm "$W/small/host/store/lock.mdb"
    check 'few pages: but its store is judged' \
        w host fsck "$W/host/store"
}

mkdir "$W/small"
if mount -t tmpfs -o "size=$SIZE" wreath "$W/small" 2>"$W/said"; then
    ON_DISK=(env)
    scenario 'a small tmpfs'
    rm -rf "$W/small/"*
    few_pages
    umount "$W/small"
else
    skip 'a small tmpfs' "it cannot be mounted here: $(head -n 1 "$W/said")"
fi
rm -rf "$W/small"
mkdir "$W/small"
ON_DISK=(env "WREATH_FAULT_DISK=$W/small:$SIZE" "LD_PRELOAD=$PRELOAD")
scenario 'a capped directory'

# ---- a disk that does not sync --------------------------------------------------

ring 3
w s1 invite --quiet --super-peer -o "$W/super.ticket" || bail 'invite failed'
w s4 join "$W/super.ticket" >/dev/null || bail 'join failed'
# From its 6th sync on, in the first seconds of its life, nothing of s4 is sure.
WREATH_FAULT=call WREATH_FAULT_ONLY=fdatasync WREATH_FAULT_AT=6 \
    WREATH_FAULT_SEED=0 LD_PRELOAD=$PRELOAD spawn s4
await_ready s4
settled 60 s1 s2 s3 s4 || bail 'no ring'
before=$(put s1 "$W/f1")
result $? 'a put passes while a disk fails to sync'
until_ok 20 put s4 "$W/f2" >"$W/stdout"
check 'also through that host, which is its owner often enough' \
    fetched s4 "$(<"$W/stdout")" "$W/f2"
until_ok 20 w s4 put "$W/f3" >"$W/stdout"
third=$(<"$W/stdout")
failed()
{
    [ "$(w s4 status --json | field store.failed)" = true ]
}
check 'its status tells' failed
check 'and its log' grep -q 'the disk failed' "$W/s4.log"
kill9 s4
check 'what was acknowledged stands on the others' \
    fetched s2 "$before" "$W/f1"
check 'all of it' fetched s3 "$third" "$W/f3"
plan
