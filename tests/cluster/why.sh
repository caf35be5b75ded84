#!/usr/bin/env bash
# why - in plain words: who has a file, who not, and what keeps it.
. "$(dirname "$0")/lib.sh"

export WREATH_SCRUB=0
ring 3 1

bytes file 3000000 "$W/file"
bytes lone 50000 "$W/lone"
bytes never 1000 "$W/never"
bytes many 4000000 "$W/many"
cid=$(put l1 "$W/file" --wait all)
lone=$(put l1 "$W/lone" --wait all --ttl 30d)
many=$(put l1 "$W/many" --wait all --chunker size-65536) # 62 chunks and more.
result $? 'files are put'

check 'a file is well' says 0 'so +all is well' l1 why "$cid"
check 'it says who keeps it' grep -Eq 'put .*kept for ever; 3 records' "$W/out"
check 'how many blocks have how many copies' \
    grep -Eq 'blocks +[0-9]+ on 3 hosts$' "$W/out"
check 'a chunk with a date is told so' says 0 'kept until 20' l1 why "$lone"
check 'and where it is' test "$(grep '^is on' "$W/out" | tr -cd , | wc -c)" -eq 2
check 'each super-peer says the same' says 0 'all is well' s3 why "$cid"
w s2 why "$cid" --json >"$W/report"
check 'so does JSON' test "$(field verdict <"$W/report")" = well
check 'in which each host has its say' \
    test "$(field 'hosts.*.answer.here' <"$W/report" | grep -c true)" -eq 3
mkdir "$W/tree"
: >"$W/tree/empty"
bytes whole 5000 "$W/tree/whole"
tree=$(put l1 "$W/tree" --wait all)
check 'an empty file in a tree lacks nothing' says 0 'all is well' l1 why "$tree"
check 'nor by itself' says 0 'it is empty' l1 why "$tree/empty"
check 'and needs no copy' says 0 'copies +none' l1 stat "$tree/empty"
bytes deep 2500000 "$W/tree/deep"
wide=$(put l1 "$W/tree" --wait all --chunker size-65536)
for who in l1 s3; do
    check "$who knows each block of a file of many" says 0 'all is well' "$who" \
        why "$many"
    check 'which are all on all hosts' grep -Eq 'blocks +6[0-9] on 3 hosts$' "$W/out"
    check "$who knows each of a tree of many" says 0 'all is well' "$who" why "$wide"
    check 'they are on all hosts too' grep -Eq 'blocks +4[0-9] on 3 hosts$' "$W/out"
done
check 'what nobody has is nowhere' says 3 'nowhere' l1 why \
    "$("$CLUSTER_TOOL" cid "$W/never")"

# ---- one that is silent ------------------------------------------------------------

kill9 s3
down()
{
    [ "$(w s1 peers --json | field 'hosts.*.liveness=down.host' | wc -l)" -eq "$1" ]
}
until_ok 30 down 1
check 'with one host down there are fewer copies' \
    says 0 'so .*fewer than 3 copies' l1 why "$cid"
check 'and it is named' grep -Eq 'silent +[0-9a-f]{8} \(down\)' "$W/out"
check 'what nobody has may be on the silent one' says 4 'bring up' l1 why \
    "$("$CLUSTER_TOOL" cid "$W/never")"

kill9 s2
until_ok 30 down 2
check 'with one host left, it has each block of many' \
    says 0 'so .*fewer than 3 copies; all can be read' l1 why "$many"
check 'and is named for all of them' \
    grep -Eq 'blocks +6[0-9] on 1 host$' "$W/out"
check 'it has each of the tree' says 0 'all can be read' l1 why "$wide"

# ---- rot ------------------------------------------------------------------------------

start s3
"$CLUSTER_TOOL" rot "$W/s2/store/data.mdb" "$W/lone" >"$W/stdout"
start s2
settled 60 s1 s2 s3
WREATH_SCRUB=0 w s2 get "$lone" -o "$W/lone2" >"$W/stdout" # It is noticed,
w s2 scrub >"$W/stdout"                                    # and mended.
check 'a chunk that was rotten is well again' says 0 'all is well' l1 why "$lone"
check 'everybody has it' test "$(grep '^is on' "$W/out" | tr -cd , | wc -c)" -eq 2

# ---- given up ---------------------------------------------------------------------------

w l1 rm "$cid" >"$W/stdout"
check 'what was given up is told so' says 0 'no put keeps it' l1 why "$cid"
check 'with the state of the put' grep -q 'given up' "$W/out"

# ---- wrong input --------------------------------------------------------------------------

check 'no CID is a mistake' refused 2 'CID' l1 why
check 'so is what is none' refused 2 'no CID' l1 why what
check 'so are two' refused 2 'one CID' l1 why "$cid" "$lone"
bytes inline 10 "$W/inline"
stop s2
check 'a host that does not run is told so' refused '1|4' 'run' s2 why "$cid"
plan
