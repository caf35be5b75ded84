#!/usr/bin/env bash
# revoke - the issuer's word reaches every super-peer over the links that stand:
# who is cut off is turned away everywhere, who is removed counts no more.
. "$(dirname "$0")/lib.sh"

# A comparison of rosters is not what carries it.
export WREATH_ROSTER=60s
ring 3
bytes file 300000 "$W/file"

# A leaf that only knows s2, which is not the issuer.
w s1 invite --quiet -o "$W/leaf.ticket"
leaf=$(w l1 join "$W/leaf.ticket" --json | field host)
at_s2()
{
    echo "$(id_of s2) ${ADDRESS[s2]}" >"$W/l1/contacts"
    "$@"
}
cid=$(at_s2 put l1 "$W/file")
result $? 'a leaf puts through a super-peer that is not the issuer'

check 'a leaf is not removed: that would leave it where it is' \
    refused 2 "leaf.*wreath .*revoke ${leaf:0:8}" s1 remove "$leaf"
check 'not with --force either' refused 2 'leaf' s1 remove --force "$leaf"
check 'nor by its first digits' refused 2 'leaf' s1 remove "${leaf:0:8}"
check 'nor who is not known at all' \
    refused 3 'no super-peer' s1 remove 00112233445566778899aabbccddeeff
check 'the issuer cuts the leaf off' w s1 revoke "$leaf"
turned_away()
{
    at_s2 refused 4 'reach' l1 get --timeout 2s "$cid" -o "$W/got"
}
check 'and that super-peer turns it away' until_ok 5 turned_away
check 'nothing is left of its get' nothing_at "$W/got"
check 'the issuer knows it already' refused 1 'before' \
    s1 revoke "$leaf"
check 'the others go on' settled 30 s1 s2 s3

# ---- a host that will not be back ------------------------------------------------

gone=$(id_of s3)
check 'a host that is up is not removed' \
    refused 5 "is up.*leave.*remove --force ${gone:0:8}" s1 remove "$gone"
check 'and is counted on' counts s1 3
kill9 s3
check 'a dead host counts' counts s2 3
is_missed()
{
    ! hosts_of s1 | grep -q "$gone"
}
check 'the issuer misses it' until_ok 30 is_missed
check 'the issuer removes it' w s1 remove "$gone"
check 'and at the others it counts no more' until_ok 5 counts s2 2
LIMIT=20 w s3 superpeer --listen "$IP:0" >/dev/null
check 'it hears of it, says so and stops' grep -q removed "$W/said"
check 'and does not start again' refused 5 'removed' \
    s3 superpeer --listen "$IP:0"
# ---- a newcomer, who has to hear of the one that is gone -------------------------

check 'a newcomer serves' joins s4 s1 s2
printf 'nobody has put this' >"$W/unput"
absent=$("$CLUSTER_TOOL" cid "$W/unput")
LIMIT=8 check 'and knows soon what nobody has' \
    refused 3 'not found' s4 get "$absent" -o "$W/got"
check 'to remove one twice changes nothing' refused 1 'before' s1 remove "$gone"
stop s1
start s1
check 'nor after a restart' refused 1 'before' s1 remove "$gone"
check 'only the issuer revokes' refused '1|3|5' 'ring key|issuer' \
    s2 revoke "$gone"

# ---- not by the book ---------------------------------------------------------------

w s1 invite --quiet --super-peer -o "$W/s5.ticket"
unseen=$(w s5 join "$W/s5.ticket" --json | field host)
check 'one that was admitted, and never came, is removed' w s1 remove "$unseen"
LIMIT=20 w s5 superpeer --listen "$IP:0" >/dev/null
check 'hears of it when it comes' grep -q removed "$W/said"
check 'and does not come again' refused 5 'removed' \
    s5 superpeer --listen "$IP:0"
check 'the ring is one' settled 60 s1 s2 s4
check 'one that is up is removed with --force' w s1 remove --force "$(id_of s4)"
check 'and ends' ends s4
check 'nobody counts it' until_ok 10 counts s2 2
plan
