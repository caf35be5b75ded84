#!/usr/bin/env bash
# fsck - a store is judged and, without its trees, rebuilt.
. "$(dirname "$0")/lib.sh"

export WREATH_SCRUB=0
ring 3 1
bytes large 30000000 "$W/large"
bytes small 3000000 "$W/small"
mkdir "$W/tree"
for i in {1..150}; do
    bytes "tree$i" $((i * 7)) "$W/tree/$i"
done
large=$(put l1 "$W/large" --wait all)
small=$(put l1 "$W/small" --chunker size-4096 --wait all)
tree=$(put l1 "$W/tree" --wait all)
result $? 'files are put'

data=$W/s2/store/data.mdb

# ---- a store that is well -----------------------------------------------------

check 'a host that runs is not checked' refused '1|5' 'use' s2 fsck
stop s2
check 'a store that is well is called so' says 0 'sound' s2 fsck
w s2 fsck --json >"$W/report"
check 'JSON says so as well' test "$(field sound <"$W/report")" = true
all=$(field chunks <"$W/report")
check 'it counts chunks' test "$all" -gt 700
check 'and roots' test "$(field roots <"$W/report")" -gt 0
check 'a store may be named' says 0 'sound' s1 fsck "$W/s2/store"
check 'so may the directory of a host' says 0 'sound' s1 fsck "$W/s2"
check 'two are a mistake' refused 2 'one store' s1 fsck "$W/s2" "$W/s3"
check 'a place without a store is named' refused '1|3' 'no store' s1 fsck \
    "$W/tree"
cp -r "$W/s2/store" "$W/whole"

# ---- rot ---------------------------------------------------------------------------

rotten=$("$CLUSTER_WOUND" rot "$data" 20000 5 | sort -u | wc -l)
check 'rot is found, and what helps is said' says 6 'next.*scrub' s2 fsck
w s2 fsck --json >"$W/report"
check 'each rotten chunk is counted' \
    test "$(field faults.*.fault=ROTTEN.count <"$W/report")" -eq "$rotten"

# ---- the tables' branches are gone ---------------------------------------------------

rm -r "$W/s2/store"
cp -r "$W/whole" "$W/s2/store"
"$CLUSTER_WOUND" branches "$data" >"$W/stdout"
check 'broken tables are found, and what helps is said' \
    says 6 'next.*salvage' s2 fsck
check 'the new store may not be there yet' \
    refused '1|2' 'already' s2 salvage "$W/s2/store" "$W/tree"
check 'one name is not enough' refused 2 'new' s2 salvage "$W/s2/store"
check 'salvage brings all chunks back' \
    says 0 "brought back $all chunks" s2 salvage "$W/s2/store" "$W/new"
check 'with their references' \
    bash -c '! grep -q "not known" "$1"' - "$W/out"
check 'to a store that is well' says 0 'sound' s2 fsck "$W/new"
check 'beside which nothing is left' test ! -e "$W/new.part"
rm -r "$W/s2/store"
mv "$W/new" "$W/s2/store"
start s2
settled 60 s1 s2 s3
kill9 s1 s3
check 'the host alone has every file: large' fetched s2 "$large" "$W/large"
check 'small' fetched s2 "$small" "$W/small"
check 'a tree' fetched s2 "$tree" "$W/tree"
stop s2
start s1 s3

# ---- all that is no chunk is gone -----------------------------------------------------

rm -r "$W/s2/store"
cp -r "$W/whole" "$W/s2/store"
"$CLUSTER_WOUND" tree "$data" >"$W/stdout"
intact=$("$CLUSTER_WOUND" count "$data")
check 'what is no store any more is called so' \
    says 6 'next.*salvage' s2 fsck
w s2 salvage --json "$W/s2/store" "$W/new" >"$W/report"
back=$(field chunks <"$W/report")
note "$back of $intact intact chunks brought back"
check 'every intact chunk comes back' test "$back" -eq "$intact"
check 'to a store that is well' says 0 'sound' s2 fsck "$W/new"
check 'which tells that references are not known' says 0 'not known' \
    s2 fsck "$W/new"
rm -r "$W/s2/store"
mv "$W/new" "$W/s2/store"
start s2
settled 60 s1 s2 s3
check 'the host serves' fetched s2 "$large" "$W/large"
check 'and others make up for what is lost' fetched s2 "$tree" "$W/tree"
mkdir "$W/hollow"
: >"$W/hollow/data.mdb"
check 'a file of no bytes is a broken store, with what helps' \
    says 6 'salvage' s2 fsck "$W/hollow"
plan
