#!/usr/bin/env bash
# twins - a copy of a host's directory runs beside its original: both are told,
# it costs the others little, and all is well once one of them is stopped.
. "$(dirname "$0")/lib.sh"

export WREATH_SCRUB=0
ring 4 1
bytes file 3000000 "$W/file"
cid=$(put l1 "$W/file" --wait all)
result $? 'a file is put'
stop s2
cp -a "$W/s2" "$W/t2"
rm -rf "$W/t2/run"
mkdir -m 700 "$W/t2/run"
start s2 # First, lest the copy take its port.
start t2

# twin NAME: where its status says that the other one is.
twin()
{
    w "$1" status --json | field twin.address
}

twin_is()
{
    [ "$(twin "$1")" = "${ADDRESS[$2]}" ]
}

check 'the original is told of the copy' until_ok 60 twin_is s2 t2
check 'and the copy of the original' until_ok 60 twin_is t2 s2
check 'nobody else is' test -z "$(twin s1)"
for it in s2 t2; do
    check "status of $it says so" says 0 'ANOTHER HOST' "$it" status
    check "and its log" \
        grep -q 'another host runs under this identity' "$W/$it.log"
    check 'its doctor finds a fault, and names it' \
        says 1 'fault +identity +another host' "$it" doctor
done

# turns: how often links to the two took each other's place.
turns()
{
    cat "$W"/s[134].log | grep -c 'two hosts run under one identity'
}

told=$(turns)
check 'the other hosts say it' test "$told" -ge 1
# A pause that doubles: with each of three hosts 1, 2, 4, ... s.
check 'and not for each link' test "$told" -le $((3 * 12))
check 'the file is there' fetched l1 "$cid" "$W/file"
stop t2
settled 120 s1 s2 s3 s4
result $? 'without the copy all is as before'
check 'the original has the file' fetched s2 "$cid" "$W/file"
plan
