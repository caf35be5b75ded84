#!/usr/bin/env bash
# network - the network between the processes delays, crawls, stalls, is cut
# one way, resets and goes dark (tests/support/faultproxy.c), around one of five
# super-peers, while files are put and got: nothing acknowledged is lost, no
# byte is wrong, and no get fails.
. "$(dirname "$0")/lib.sh"

all=(s{1..5})
routes "${all[@]}"
ring 5 4

load l1 l2 700000 &
OTHERS+=($!)
one=$!
load l3 l4 90000 &
OTHERS+=($!)
two=$!
more 60 4 || result 1 'puts and gets go on'

# under TITLE NAME ORDER...: that much goes on under a fault, and the ring is
# whole again after it.
under()
{
    local title=$1 name=$2

    shift 2
    net "$name" "$@" || result 1 "the network obeys: $*"
    check "$title: puts go on" more 120 4
    net "$name" clear
    check "$title: one ring again" settled 120 "${all[@]}"
}

under 'a tenth of a second, give or take half of it' s2 delay 100 50
under '40,000 bytes a second' s3 rate 40000
under '30 bytes a second' s4 rate 30
under 'a stall' s5 stall
under 'nothing gets to it' s2 stall-in
under 'nothing comes from it' s3 stall-out
under 'it has gone dark' s4 dark
under 'nobody is let in' s5 refuse
for i in 1 2 3 4 5; do
    net "s$i" reset
    more 60 1
done
check 'links are reset: one ring again' settled 60 "${all[@]}"

touch "$W/enough"
wait "$one" "$two"
cat "$W"/failures-l[13] | sed 's/^/# /'
check 'no put and no get failed, no byte was wrong' \
    test ! -s "$W/failures-l1" -a ! -s "$W/failures-l3"
check "none of $(acked) files was lost" all_there l2

plan
