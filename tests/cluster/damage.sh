#!/usr/bin/env bash
# damage - rot, full disks, files that change, trees and peers that mean harm.
. "$(dirname "$0")/lib.sh"

ring 3 2
bytes file 3000000 "$W/file"
cid=$(put l1 "$W/file" --wait all)
result $? 'a file is put'

# ---- rot ---------------------------------------------------------------------------

# One chunk that all three have; then s2's copy rots under its feet.
bytes rot 60000 "$W/rot"
rotten=$(put l1 "$W/rot" --wait all)
check 's2 has its copy on disk' \
    "$CLUSTER_TOOL" rot "$W/s2/store/data.mdb" "$W/rot"
check 'a get through the host with the rotten copy succeeds' \
    fetched s2 "$rotten" "$W/rot"
check 'and its log tells of it' grep -Eiq 'damaged|rot|quarantine' "$W/s2.log"
stop s3
"$CLUSTER_TOOL" rot "$W/s3/store/data.mdb" "$W/rot" >"$W/stdout"
start s3
settled 30 s1 s2 s3
check 'so it does for a copy that rotted while its host was down' \
    fetched s3 "$rotten" "$W/rot"
check 'whose log tells of it' grep -Eiq 'damaged|rot|quarantine' "$W/s3.log"
check 'put again, it is whole everywhere' put l1 "$W/rot" --wait all
kill9 s1
check 'also without the host whose copy was good' \
    fetched l2 "$rotten" "$W/rot"
start s1
settled 30 s1 s2 s3 || result 1 's1 is back'

# ---- a full disk at the getting end ---------------------------------------------------

mkdir "$W/small"
bytes big 12000000 "$W/big"
big=$(put l1 "$W/big")
if mount -t tmpfs -o size=8m wreath "$W/small" 2>/dev/null; then
    check 'the disk is full while getting' \
        refused 5 'full|space' l1 get "$big" -o "$W/small/f"
    check 'nothing half-written stands under the name' \
        test ! -e "$W/small/f"
    check 'nor beside it' nothing_at "$W/small/f"
    w l1 get "$cid" -o "$W/small/g"
    check 'what fits is written' cmp "$W/file" "$W/small/g"
else
    (
        ulimit -f 4000
        trap '' XFSZ
        refused '1|2|5' 'full|space|large|big' l1 get "$big" -o "$W/small/f"
    )
    result $? 'the disk is full while getting (by a limit)'
    check 'nothing half-written stands under the name' \
        test ! -e "$W/small/f"
fi

# ---- a full store -----------------------------------------------------------------------

w q1 init --listen "$IP:0" >"$W/stdout"
spawn q1 --quota 40M
await_ready q1
settled 30 q1
first=$(put q1 "$W/file")
result $? 'a host with a quota takes a file'
bytes over 60000000 "$W/over"
check 'what does not fit is refused, and the full store named' \
    refused 5 'these are full: .{8} \(.* of 40.0 MiB\)' \
    q1 put --timeout 5s "$W/over"
check 'what was there is still fetched' fetched q1 "$first" "$W/file"
check 'and the host still runs' alive "${PID[q1]}"
kill9 q1

# ---- a source that changes ---------------------------------------------------------------

# midway PATH COMMAND: starts a put, stops it in the middle, runs the command
# with its pid and lets the put go on. Its exit status is in $status.
midway()
{
    local path=$1 pid

    shift
    "$WREATH" --dir "$W/l1" put -- "$path" >"$W/cid" 2>"$W/said" </dev/null &
    pid=$!
    OTHERS+=("$pid")
    until_ok 20 has_read "$pid" 12000000 || note 'the put does not go on'
    kill -STOP "$pid"
    "$@" "$pid"
    kill -CONT "$pid"
    wait "$pid"
    status=$?
}

bytes change 200000000 "$W/change"
shrink()
{
    truncate -s 100000000 "$W/change"
}
midway "$W/change" shrink
check 'a file that shrinks while it is put' test "$status" -eq 1
check 'is said to have changed' complaint 'chang'
check 'and gets no CID' test ! -s "$W/cid"
bytes change 200000000 "$W/change"
overwrite()
{
    dd if=/dev/zero of="$W/change" bs=1M count=1 seek=190 conv=notrunc \
        status=none
}
midway "$W/change" overwrite
check 'so is one that is written to' test "$status" -eq 1
check 'with the same words' complaint 'chang'
mkdir "$W/folder"
mv "$W/change" "$W/folder/a"
bytes other 200000000 "$W/folder/z"

# Removes the one that is not being read yet.
vanish()
{
    local open

    open=$(find "/proc/$1/fd" -lname '*/folder/*' -printf '%l\n')
    rm "$W/folder/$([ "${open##*/}" = a ] && echo z || echo a)"
}
midway "$W/folder" vanish
check 'a file that vanishes from a tree while that is put' \
    test "$status" -eq 1
check 'is named' complaint 'folder/[az].*(vanish|gone|chang|no such)'
rm -r "$W/folder"

# ---- trees that would escape ------------------------------------------------------------

printf 'evil\n' >"$W/evil"
evil=$(put l1 "$W/evil")

# A hand-made block goes in as a file: the digest is what counts. Prints the
# CID of the tree.
hostile()
{
    "$CLUSTER_TOOL" hostile "$@" >"$W/block" &&
        "$CLUSTER_TOOL" pb "$(put l1 "$W/block" --wait all)"
}

mkdir -p "$W/jail/in"
for kind in dotdot parent self absolute slash nul empty; do
    tree=$(hostile "$kind" "$evil")
    find "$W/jail" | sort >"$W/before"
    check "a tree with a name that escapes ($kind) is refused" \
        refused 6 'name|outside' l2 get "$tree" -o "$W/jail/in/out"
    check 'and nothing is written' \
        cmp "$W/before" <(find "$W/jail" | sort)
done
link=$(hostile symlink - "$W/jail")
folder=$("$CLUSTER_TOOL" hostile dotdot "$evil" >/dev/null &&
    mkdir "$W/inner" && echo evil >"$W/inner/escaped" && put l1 "$W/inner")
tree=$(hostile twice "$link" "$folder")
check 'a tree with a link and a folder under one name is refused' \
    refused 6 'name|outside' l2 get "$tree" -o "$W/jail/in/out"
check 'and nothing is written through the link' test ! -e "$W/jail/escaped"
check 'nor anywhere else' test ! -e /tmp/wreath-escaped
check 'nothing of them is left' nothing_at "$W/jail/in/out"

# ---- peers that mean harm ------------------------------------------------------------------

host=${ADDRESS[s1]%:*} port=${ADDRESS[s1]##*:}

# harm COMMAND...: its output goes to s1, at once; whether s1 then closes.
harm()
(
    trap '' PIPE # It may close before all is said.
    exec 4<>"/dev/tcp/$host/$port" || return 1
    { "$@" >&4; } 2>/dev/null
    timeout 20 cat <&4 >"$W/answer" 2>"$W/said"
    [ $? -ne 124 ] # A reset is as good an end as any.
)

check 'garbage: the connection is closed' harm head -c 100000 /dev/urandom
check 'without an answer' test ! -s "$W/answer"
check 'an oversized first message: closed' harm printf '\377\377%070000d' 1
check 'a first message of no bytes: closed' harm printf '\0\0\0\0\0\0'
check 'a browser: closed' harm printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

# Silent ones stay open while others work.
silent=()
for _ in {1..40}; do
    exec {fd}<>"/dev/tcp/$host/$port" && silent+=("$fd")
done
check 'forty that say nothing harm nobody: put' put l1 "$W/file"
check 'nor a get' fetched l2 "$cid" "$W/file"
check 'nor the ring' settled 20 s1 s2 s3
check 'a silent one is closed in the end' \
    timeout 30 cat <&"${silent[0]}"
for fd in "${silent[@]}"; do
    exec {fd}>&-
done
check 's1 still runs' alive "${PID[s1]}"

# ---- a leaf that dies -------------------------------------------------------------------------

bytes dies 300000000 "$W/dies"
"$WREATH" --dir "$W/l1" put -- "$W/dies" >"$W/stdout" 2>"$W/said" </dev/null &
pid=$!
until_ok 20 has_read "$pid" 12000000
kill -9 "$pid"
wait "$pid" 2>/dev/null
check 'a leaf that dies in a put harms nobody' fetched l2 "$cid" "$W/file"
cid=$(put l1 "$W/dies")
result $? 'the same command puts it'
"$WREATH" --dir "$W/l2" get "$cid" -o "$W/dies2" >"$W/stdout" 2>"$W/said" \
    </dev/null &
pid=$!
until_ok 20 has_read "$pid" 12000000
kill -9 "$pid"
wait "$pid" 2>/dev/null
check 'a get that died left no file under the name' test ! -e "$W/dies2"
w l2 get "$cid" -o "$W/dies2"
check 'and its repetition writes it' cmp "$W/dies" "$W/dies2"
plan
