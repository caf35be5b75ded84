#!/usr/bin/env bash
# files - what goes in comes out, through a ring of ten and four leaves.
. "$(dirname "$0")/lib.sh"

ring 10 4
check 'ten super-peers are one ring' settled 30 s{1..10}

# ---- sizes --------------------------------------------------------------------

# round TITLE FILE [OPTION...]: one leaf puts it, another gets the same.
round()
{
    local title=$1 file=$2

    shift 2
    cid=$(put l1 "$file" "$@") && fetched l2 "$cid" "$file"
    result $? "$title"
}

sized()
{
    local n=$1

    shift
    bytes "size-$n" "$n" "$W/sized"
    round "a file of $n bytes${1:+ ($*)}" "$W/sized" "$@"
}

for n in 0 1 65535 65536 65537 262144 1048575 1048576 1048577; do
    sized "$n"
done

# Content without any cut of its own: chunks of just the maximum.
for n in 1048575 1048576 1048577 2097153; do
    truncate -s "$n" "$W/zeros"
    round "$n zeros, cut at the longest chunk" "$W/zeros"
    rm "$W/zeros"
done

for n in 1048575 1048576 1048577; do
    sized "$n" --chunker size-1048576
done

# A node has 1,024 links at most: one level, and one more.
for n in 1047552 1048576 1048577 1049601; do
    sized "$n" --chunker size-1024
done

# Buffers for 16 KiB take more than that: the window must know.
sized 16777216 --chunker size-16384

printf 'hello world' >"$W/hello"
check 'the CID of "hello world" is the known one' test "$(put l1 "$W/hello")" = \
    bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba
check 'so it is under the unixfs-v1-2025 profile' test \
    "$(put l1 "$W/hello" --profile unixfs-v1-2025)" = \
    bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e
: >"$W/empty"
check 'the CID of an empty file is the known one' test \
    "$(put l1 "$W/empty")" = \
    bafk2bzaceahfouoae3suhmxivmxlayez3kq5dzo7i53y654h7kvultprf7r2q
bytes chunk-v1-seed 1048577 "$W/seed"
check 'so is that of 1 MiB and a byte in chunks of 1 MiB' test \
    "$(put l1 "$W/seed" --chunker size-1048576)" = \
    bafykbzacecoahxm66xf7flxzv3gmdfmpgha7hemoqfmrloducnayfem7ohtsu
cid=$(put l1 "$W/seed" --profile unixfs-v1-2025)
check 'and under the profile, as ipfs add prints it' test "$cid" = \
    bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64
check 'and it comes back' fetched l3 "$cid" "$W/seed"

# ---- standard streams -----------------------------------------------------------

bytes stdin 5000000 "$W/stdin"
cid=$(timeout 60 "$WREATH" --dir "$W/l3" put - <"$W/stdin" 2>"$W/said")
check 'standard input has the CID of the same file' \
    test "$cid" = "$(put l4 "$W/stdin")"
"$CLUSTER_TOOL" stream stdin 5000000 |
    timeout 60 "$WREATH" --dir "$W/l3" put - >"$W/piped" 2>"$W/said"
check 'so has a pipe' test "$(<"$W/piped")" = "$cid"
w l3 ls | grep -q "$cid  (no name/standard input)$"
result $? 'which ls shows as what no file is called'
w l4 get "$cid" -o - | cmp - "$W/stdin" >"$W/said" 2>&1
result $? 'get writes to standard output'
w l4 cat "$cid" | cmp - "$W/stdin" >"$W/said" 2>&1
result $? 'so does cat'
w l4 get "$cid" --range 1000000:3000001 -o - |
    cmp - <(tail -c +1000001 "$W/stdin" | head -c 2000001) >"$W/said" 2>&1
result $? 'a range is just those bytes'

# ---- a tree ----------------------------------------------------------------------

"$CLUSTER_TOOL" names "$W/tree" 2000
cid=$(put l1 "$W/tree")
result $? '2,000 files with odd names are put as one tree'
w l2 get "$cid" -o "$W/tree2" >/dev/null && same "$W/tree2" "$W/tree"
result $? 'they come back, with empty directories and links as they were'
listing()
{
    (cd "$1" && find . -printf '%y %l %P\0' | sort -z | sha256sum)
}
check 'kinds, names and link targets are equal' \
    test "$(listing "$W/tree")" = "$(listing "$W/tree2")"
check 'the executable bit is kept' test -x "$W/tree2/run"
check 'others have none' test -f "$W/tree2/-rf" -a ! -x "$W/tree2/-rf"
w l3 get "$cid/empty/in empty" -o "$W/sub" >/dev/null
check 'a path into the tree gets an empty directory' test -d "$W/sub"
w l3 cat "$cid/-rf" | cmp - "$W/tree/-rf" >"$W/said" 2>&1
result $? 'a path into the tree gets a file'
check 'a path that leads nowhere is not found' \
    refused 3 'nowhere' l3 get "$cid/nowhere" -o "$W/nowhere"
check 'ls --json lists every name' test \
    "$(w l3 ls "$cid" --json | field '#')" -eq \
    "$(find "$W/tree" -mindepth 1 -maxdepth 1 -printf . | wc -c)"
rm -rf "$W/tree2" "$W/sub"

# ---- two at once -------------------------------------------------------------------

bytes twice 40000000 "$W/twice"
put l1 "$W/twice" >"$W/cid1" 2>&1 &
OTHERS+=($!)
first=$!
put l2 "$W/twice" >"$W/cid2"
second=$?
wait "$first"
result $(($? + second)) 'two leaves put the same file at once'
check 'both print one CID' cmp "$W/cid1" "$W/cid2"
check 'a third gets it' fetched l3 "$(<"$W/cid1")" "$W/twice"

# ---- the same again, and nearly the same ------------------------------------------

w l3 put --json -- "$W/twice" >"$W/again"
check 'the same file put again sends no byte of a chunk' \
    test "$(field bytes_sent <"$W/again")" = 0
check 'and counts every chunk as there' test \
    "$(field chunks_deduplicated <"$W/again")" -gt 100
check 'under the same CID' test "$(field cid <"$W/again")" = "$(<"$W/cid1")"
rm "$W/twice"

bytes version 104857600 "$W/v1"
put l1 "$W/v1" >/dev/null
result $? '100 MiB are put'
{
    head -c 52428800 "$W/v1"
    printf 'some bytes that were not there before'
    tail -c +52428801 "$W/v1"
} >"$W/v2"
w l1 put --json -- "$W/v2" >"$W/second"
sent=$(field bytes_sent <"$W/second")
note "a version with 37 bytes inserted sent ${sent:-nothing known} bytes"
check 'a version with bytes inserted sends under 5 %' \
    test "${sent:-104857600}" -lt 5242880
check 'and comes back' fetched l4 "$(field cid <"$W/second")" "$W/v2"
rm "$W/v1" "$W/v2"

# ---- 300 MiB -----------------------------------------------------------------------

bytes large 314572800 "$W/large"
round '300 MiB' "$W/large"

check 'a super-peer puts and gets as well' fetched s7 "$(put s4 "$W/hello")" \
    "$W/hello"
plan
