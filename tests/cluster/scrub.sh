#!/usr/bin/env bash
# scrub - chunks that rot on disk are found, replaced, and never served.
. "$(dirname "$0")/lib.sh"

# Of s2's extents so many in a million rot, of about CHUNKS chunks.
CHUNKS=${CHUNKS:-6000}
PARTS=${PARTS:-4000}

export WREATH_SCRUB=0 # No pass by itself: each is one of ours.
ring 3 1
bytes small $((CHUNKS * 4096)) "$W/small"
bytes large 20000000 "$W/large"
small=$(put l1 "$W/small" --chunker size-4096 --wait all)
result $? 'a file of many small chunks is put'
large=$(put l1 "$W/large" --wait all)
result $? 'and one of large ones'

scrub()
{
    w s2 status --json | field "scrub.$1"
}

check 'a pass over what is whole says so' says 0 'all whole' s2 scrub
check 'and exits with 0' w s2 scrub --quiet
check 'status tells of it' says 0 'scrub.*all whole' s2 status

# ---- rot while the host is down ------------------------------------------------

stop s2
"$CLUSTER_WOUND" rot "$W/s2/store/data.mdb" "$PARTS" 7 |
    sort -u >"$W/rotten"
rotten=$(wc -l <"$W/rotten")
chunks=$("$CLUSTER_WOUND" count "$W/s2/store/data.mdb")
note "$rotten of $chunks chunks are rotten on s2's disk"
check 'some chunks rot' test "$rotten" -gt 5
start s2
settled 60 s1 s2 s3

# Reads from the rotten host, while it scrubs.
w s2 scrub --json >"$W/pass" &
pass=$!
wrong=0
fetched s2 "$small" "$W/small" || wrong=1
fetched s2 "$large" "$W/large" || wrong=1
check 'no wrong byte is served meanwhile' test "$wrong" -eq 0
wait "$pass"
result $? 'the scrub ends with everything healed'
found=$(field last.found <"$W/pass") healed=$(field last.healed <"$W/pass")
note "found $found, healed $healed of $rotten"
total=$(scrub found_total)
check 'each rotten chunk was found, and no other' test "$total" -eq "$rotten"
check 'and healed' test "$(scrub healed_total)" -eq "$rotten"
check 'none waits' test "$(scrub waiting)" -eq 0
check 'a further pass finds all whole' says 0 'all whole' s2 scrub
kill9 s1 s3
check 's2 alone has all of the small chunks' fetched s2 "$small" "$W/small"
check 'and of the large ones' fetched s2 "$large" "$W/large"

# ---- no other copy --------------------------------------------------------------

stop s2
"$CLUSTER_WOUND" rot "$W/s2/store/data.mdb" "$PARTS" 8 | sort -u >"$W/rotten"
rotten=$(wc -l <"$W/rotten")
start s2
until_ok 30 is s2 serving
w s2 scrub >"$W/stdout"
status=$?
check 'without the other hosts nothing is healed: exit 6' \
    test "$status" -eq 6
check 'which is said' complaint 'no good copy'
check 'status counts them' test "$(scrub found_total)" -eq \
    $((total + rotten))
stop s2
start s2
until_ok 30 is s2 serving
check 'a restart forgets none of them' test "$(scrub waiting)" -eq "$rotten"
start s1 s3
settled 60 s1 s2 s3
check 'what was found is remembered over a restart' \
    test "$(scrub found_total)" -eq $((total + rotten))
check 'when they are back all is healed' w s2 scrub
check 'and stays so' says 0 'all whole' s2 scrub

# ---- on its own, slowly, over restarts -------------------------------------------

export WREATH_SCRUB=2M
passes=$(scrub passes_total)
stop s2
start s2
settled 30 s1 s2 s3
w s2 scrub --rate 3M --background >"$W/stdout"
check 'a pass in the background is begun' test $? -eq 0
underway()
{
    [ "$(scrub pass.chunks)" -gt 50 ]
}
until_ok 60 underway
check 'it is under way' underway
before=$(scrub pass.chunks)
check 'the host stops within its time meanwhile' stop s2
start s2
settled 30 s1 s2 s3
check 'and goes on where it was' test "$(scrub pass.chunks)" -ge "$before"
check 'as the same pass' test "$(scrub passes_total)" -eq $((passes + 1))

# ---- wrong input --------------------------------------------------------------------

check 'a strange rate is a mistake' refused 2 'rate|bytes' s2 scrub --rate fast
check 'so is a word too many' refused 2 'too many' s2 scrub now
check 'a leaf has nothing to scrub' refused '1|5' 'on the host itself' l1 scrub
stop s3
check 'nor has a host that does not run' refused '1|4' 'running|run' s3 scrub
plan
