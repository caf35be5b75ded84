#!/usr/bin/env bash
# sweep - what was given up goes from every disk, what shares its chunks stays,
# and a host that was away brings nothing back.
. "$(dirname "$0")/lib.sh"

export WREATH_SWEEP=500ms WREATH_GRACE=2s
ring 3 1

chunks()
{
    w "$1" status --json | field store.chunks
}

# chunks_are N HOST...: each keeps so many.
chunks_are()
{
    local n=$1 name

    shift
    for name; do
        [ "$(chunks "$name")" = "$n" ] || return 1
    done
}

swept()
{
    [ "$(w "$1" status --json | field sweep.passes_total)" -ge "$2" ]
}

clock()
{
    [ "$(w "$1" status --json | field sweep.clock)" = "$2" ]
}

# ---- two files that share chunks ---------------------------------------------

bytes shared 3000000 "$W/one"
cp "$W/one" "$W/two"
bytes more 2000000 "$W/rest"
cat "$W/rest" >>"$W/two"
two=$(put l1 "$W/two" --wait all)
result $? 'a file is put'
left=$(chunks s1)
one=$(put l1 "$W/one" --wait all)
result $? 'and one that is how the first begins'
both=$(chunks s1)
check 'they share most of their chunks' test "$both" -lt $((left + left / 2))
until_ok 30 clock s1 known
result $? 'the hosts agree on the time'
w l1 rm "$one" >"$W/stdout"
result $? 'the second is given up'
until_ok 60 swept s1 3
check 'the first stays whole' fetched l1 "$two" "$W/two"
check 'the second had something of its own' test "$both" -gt "$left"
until_ok 60 chunks_are "$left" s1 s2 s3
result $? 'which goes from every disk'
check 'and the first is still whole' fetched l1 "$two" "$W/two"
check 'its list no longer has the second' \
    bash -c '! grep -q "$1" <<<"$2"' - "$one" "$(w l1 ls)"
check 'status tells of the sweep' says 0 'sweep.*last full pass' s1 status

# ---- a host that was away -----------------------------------------------------

bytes away 1000000 "$W/third"
third=$(put l1 "$W/third" --wait all)
result $? 'a third file is put'
stop s3
w l1 rm "$third" >"$W/stdout"
result $? 'and given up while a host is away'
until_ok 60 chunks_are "$left" s1 s2
result $? 'its chunks go from the others'
start s3
settled 60 s1 s2 s3
until_ok 60 chunks_are "$left" s3
result $? 'and from the host that was away, once it is back'
check 'nobody has them again' chunks_are "$left" s1 s2 s3
check 'what is kept is whole' fetched l1 "$two" "$W/two"

# ---- what ends by itself ------------------------------------------------------

w l1 put --ttl 30d "$W/rest" >"$W/month"
result $? 'a file is put for a month'
check 'the list says until when' says 0 'until 20' l1 ls
check 'and stat' says 0 'kept until 20' l1 stat "$(<"$W/month")"
w l1 put --ttl 1s "$W/third" >"$W/stdout"
result $? 'another for a second'
expired()
{
    w l1 ls | grep -q '  expired '
}
until_ok 10 expired
result $? 'the list says that it has expired'
for ttl in 0 -1h 2001-01-01 2030-02-31 2030-1x; do
    check "--ttl $ttl is refused" \
        refused 2 'ttl is a duration' l1 put --ttl="$ttl" "$W/third"
done

# ---- a leaf's quota -----------------------------------------------------------

w s1 invite --quiet --quota 2M -o "$W/quota.ticket"
w l2 join "$W/quota.ticket" >"$W/stdout"
result $? 'a leaf with a quota joins'
# It stays with one parent: a quota holds for each by itself.
"$WREATH" --dir "$W/l2" leaf >"$W/l2.out" 2>>"$W/l2.log" </dev/null &
OTHERS+=($!)
until_ok 30 test -s "$W/l2.out" || bail 'the leaf does not get attached'
bytes first 1500000 "$W/first"
bytes second 1500000 "$W/second"
first=$(put l2 "$W/first")
result $? 'it puts what it may'
check 'more is refused, in plain words' \
    refused 5 'quota is used up: it may have 2.00 MiB at .*would make 2\..* rm' \
    l2 put "$W/second"
check 'what it put stays' fetched l1 "$first" "$W/first"
check 'others are not concerned' put l1 "$W/second"
w l2 rm "$first" >"$W/stdout"
result $? 'it gives the first up'
for put in $(w l2 ls | awk '$3 == "open" { print $5 }'); do
    w l2 rm "$put" >"$W/stdout"
    result $? 'and what was cut off'
done
bytes third 1400000 "$W/fourth"
until_ok 60 put l2 "$W/fourth" >"$W/stdout"
result $? 'and soon may put as much again'

# ---- away for more than a year -------------------------------------------------

stop s2
echo $(($(date +%s) - 400 * 86400)) >"$W/s2/clock"
start s2
until_ok 30 is s2 serving
check 'a host that was away for longer than a year starts as empty' \
    test -d "$W/s2/store.old"
check 'and says so' grep -q 'store.old' "$W/s2.log"
kill9 s1 s3
stop s2
echo $(($(date +%s) - 400 * 86400)) >"$W/s2/clock"
rm -rf "$W/s2/store.old"
start s2
kill9 s2
start s2
check 'again, before anybody confirmed the clock, it starts' alive "${PID[s2]}"
check 'what it kept lies where it was' test -d "$W/s2/store.old"
stop s2
echo $(($(date +%s) - 400 * 86400)) >"$W/s2/clock"
check 'a second time it wants to be looked at' \
    refused 5 'was away for 400 days.*store.old' s2 superpeer --log-level error

# ---- alone there is nobody who deleted anything ---------------------------------

w a1 init --listen "$IP:0" >"$W/stdout"
start a1
alone=$(put a1 "$W/first")
result $? 'a file is put in a ring of one'
stop a1
echo $(($(date +%s) - 400 * 86400)) >"$W/a1/clock"
start a1
check 'which was away for long, and keeps what it has' \
    test ! -e "$W/a1/store.old"
check 'all of it' fetched a1 "$alone" "$W/first"
plan
