#!/usr/bin/env bash
# backup - copies of a store and of keys, hosts restored from them, and a doctor
# who tells when something is amiss.
. "$(dirname "$0")/lib.sh"

export WREATH_SCRUB=0
ring 3 1
bytes file 20000000 "$W/file"
cid=$(put l1 "$W/file" --wait all)
result $? 'a file is put'

# level CHECK REPORT: the worst level that this check has in a doctor's report.
level()
{
    local level

    for level in fault note ok; do
        field "findings.*.check=$1.level" <"$2" | grep -qx "$level" || continue
        echo "$level"
        return
    done
}

# ---- the doctor ----------------------------------------------------------------

w s1 doctor --json >"$W/report"
check 'the issuer is not well without a backup of its keys' test $? -eq 1
check 'which is the fault' test "$(level backup "$W/report")" = fault
check 'JSON says so' test "$(field well <"$W/report")" = false
w s1 backup --keys "$W/safe" >"$W/stdout"
result $? 'the keys are backed up'
w s1 doctor --json >"$W/report"
result $? 'then it is well: exit 0'
for it in keys backup disk running reach clock canary; do
    check "it looked at: $it" test "$(level $it "$W/report")" = ok
done
w s1 invite --quiet -o "$W/another"
w s1 doctor --json >"$W/report"
check 'a ticket that is newer is noted' test "$(level backup "$W/report")" = note
w l1 doctor >"$W/out"
result $? 'a leaf is well, too'
check 'and no file of the doctor stays in its list' \
    bash -c '! grep -q doctor <<<"$1"' - "$(w l1 ls)"
chmod 644 "$W/s2/identity"
check 'keys that others can read are a fault, with the remedy' \
    says 1 'chmod go=' s2 doctor
chmod 600 "$W/s2/identity"
kill9 s3
down()
{
    w s1 peers --json | field 'hosts.*.liveness=down.host' | grep -q .
}
until_ok 30 down
w s2 doctor >"$W/out"
check 'a host that is down is named' \
    grep -Eq 'note +reach +[0-9a-f]{8} does not answer' "$W/out"
start s3
settled 60 s1 s2 s3
check 'a word too many is a mistake' refused 2 'too many' s1 doctor now
check 'a place without identity is told so' refused '1|3' 'identity' none doctor

# ---- keys ------------------------------------------------------------------------

check 'its files are for nobody else' test -z \
    "$(find "$W/safe" ! -type l -perm /077 -print -quit)"
check 'it may be done again' w s1 backup --keys "$W/safe" --quiet
check 'not over the keys of another host' \
    refused '1|2' 'another host' s2 backup --keys "$W/safe"
check 'not into the directory that it is of' \
    refused 2 'lies in the directory' s1 backup --keys "$W/s1/deep/er"
check 'nor through a link' bash -c 'ln -s "$0/s1" "$0/round"' "$W"
check 'which leads there' refused 2 'lies in' s1 backup --keys "$W/round"
check 'nor into another host' refused 2 "host's own" s1 backup --keys "$W/s3"
check 'a backup needs a place' refused 2 'directory' s1 backup
check 'one place' refused 2 'directory' s1 backup "$W/a" "$W/b"

# ---- a store, while it is written to -----------------------------------------------

bytes more 60000000 "$W/more"
"$WREATH" --dir "$W/l1" put -- "$W/more" >"$W/more.cid" 2>"$W/put.said" &
pid=$!
OTHERS+=("$pid")
until_ok 20 has_read "$pid" 12000000
check 'a running host is backed up' w s1 backup "$W/safe" --quiet
wait "$pid"
result $? 'and the put that was under way is done'
check 'the copy is whole' w s1 fsck "$W/safe/store" --quiet
check 'it has the chunks of before' test \
    "$(w s1 fsck "$W/safe/store" --json | field chunks)" -gt 50
check 'a backup is not overwritten' refused '1|2' 'already' s1 backup "$W/safe"
check 'nothing half-made is left' test ! -e "$W/safe/store.part"
check 'a leaf has no store to copy' \
    refused 3 "leaf's.*--keys" l1 backup "$W/leafs"
check 'and none is begun' test ! -e "$W/leafs"
mkdir "$W/odd"
ln -s data.mdb "$W/odd/data.mdb"
check 'a store that cannot be looked at is not called absent' \
    refused 1 'cannot read the store' s1 fsck "$W/odd"
w l1 backup --keys "$W/leafs" >"$W/stdout" &&
    w r0 restore "$W/leafs" >"$W/stdout" && ! grep superpeer "$W/stdout"
result $? 'a leaf that is restored is not told to run a super-peer'
rm -r "$W/r0"

# ---- a host that is restored ----------------------------------------------------------

kill9 s1
check 'a host is not restored over another one' \
    refused '1|2' 'already' s2 restore "$W/safe"
check 'nor from a place without a backup' \
    refused '1|3' 'no backup' r1 restore "$W/s1"
mkdir "$W/a host"
cp "$W/s1/identity" "$W/a host"
check 'and what makes one can be pasted' \
    refused 3 'dir [^ ]*/a\\ host backup' r1 restore "$W/a host"
check 'nor from a part of one' \
    refused 3 'part of a backup' r1 restore "$W/safe/keys/"
cp -R "$W/safe" "$W/hurt"
truncate -s 40 "$W/hurt/keys/identity"
check 'nor from keys that are damaged' refused 6 'damaged' r1 restore "$W/hurt"
cp "$W/safe/keys/identity" "$W/hurt/keys"
truncate -s 10 "$W/hurt/keys/ring.key"
check 'nor where the key of the ring is' \
    refused 6 'damaged' r1 restore "$W/hurt"
check 'which leave nothing' test ! -e "$W/r1"
mkdir -m 700 "$W/r2"
cp -pR "$W/hurt/keys"/* "$W/r2"
check 'a damaged key of the ring replaces no good copy' \
    refused 6 'ring.key|ring key|damaged' r2 backup --keys "$W/safe"
check 'which is as it was' cmp "$W/safe/keys/ring.key" "$W/s1/ring.key"
check 'it is into an empty place' w r1 restore "$W/safe" --quiet
check 'not twice' refused '1|2' 'already' r1 restore "$W/safe"
ADDRESS[r1]=${ADDRESS[s1]}
unset 'ADDRESS[s1]'
id=$(w s2 peers --json | field hosts.*.host | sort)
start r1
settled 60 r1 s2 s3
check 'it rejoins its ring as who it was' \
    test "$(w s2 peers --json | field hosts.*.host | sort)" = "$id"
check 'serves what it had' fetched r1 "$cid" "$W/file"
check 'and what it had not' fetched r1 "$(<"$W/more.cid")" "$W/more"
check 'it is the issuer' w r1 invite --quiet -o "$W/third"
w l9 join "$W/third" >"$W/stdout"
result $? 'whose tickets are good'
kill9 s2 s3
check 'alone, too, it has the file' fetched l1 "$cid" "$W/file"

# ---- the identity alone ------------------------------------------------------------------

start s2 s3
settled 60 r1 s2 s3
check 'the keys of another host are backed up' w s3 backup --keys "$W/three" --quiet
kill9 s3
check 'and restored, with an empty store' w r3 restore --keys "$W/three" --quiet
ADDRESS[r3]=${ADDRESS[s3]}
unset 'ADDRESS[s3]'
start r3
settled 60 r1 s2 r3
check 'it serves what the others have' fetched r3 "$cid" "$W/file"
plan
