#!/usr/bin/env bash
# farewell - who leaves for good is not counted for ever because nobody heard:
# it says so until another host has it in writing, over crashes of either.
. "$(dirname "$0")/lib.sh"

# leaves NAME: goes on meanwhile, as LEAVES. What it says to people has a file of
# its own, for other commands write to $W/said.
leaves()
{
    timeout -k 5 "${LIMIT:-120}" "$WREATH" --dir "$W/$1" leave \
        >"$W/left" 2>"$W/said-leave" </dev/null &
    LEAVES=$!
    OTHERS+=("$LEAVES")
}

# ---- the last word is lost ----------------------------------------------------------

# The other one stands still from before the farewell on, and then dies of it.
ring 2
check 'two super-peers are one ring' settled 60 s1 s2
kill -STOP "${PID[s1]}"
leaves s2
check 'the second one says farewell, which nobody hears' \
    until_ok 20 is s2 'saying farewell'
kill9 s1
check 'it says what it waits for' says 0 'until another host has confirmed' \
    s2 status
check 'and goes on waiting' is s2 'saying farewell'
kill9 s2
wait "$LEAVES"
check 'who made it leave hears that it ended too soon' test $? -eq 4
cp "$W/said-leave" "$W/said"
check 'and what to do' complaint 'no other host has confirmed.* Start it again'
check 'not that it has left' test ! -s "$W/left"
start s1
check 'the other one, back, counts it' counts s1 2
start s2
check 'until that one is back, and is heard at last' until_ok 30 counts s1 1
check 'which ends its super-peer, with status 0' ends s2
check 'it does not start again' \
    refused 5 'left its ring for good' s2 superpeer
kill9 s1
start s1
check 'who remains remembers, over a crash' counts s1 1

# ---- a disk that takes nothing ------------------------------------------------------

# cannot_save NAME: from now on, until can_save.
cannot_save()
{
    mv "$W/$1/members" "$W/members.$1" && mkdir -p "$W/$1/members/full"
}
can_save()
{
    rm -r "$W/$1/members" && mv "$W/members.$1" "$W/$1/members"
}
# is_linked NAME OTHER: and has had word of it.
is_linked()
{
    w "$1" peers --json | grep -q "\"host\":\"$(id_of "$2")\"[^{]*\"linked\":true" &&
        [ "$(hosts_of "$1" | wc -l)" -eq 2 ]
}
# has_written NAME N: by its list, so many have left.
has_written()
{
    [ "$(grep -c '"farewell": "[0-9a-f]' "$W/$1/members")" -eq "$2" ]
}

check 'another one joins' joins s5 s1
cannot_save s5
leaves s5
check 'it leaves, but cannot write that down' \
    until_ok 20 is s5 'writing farewell'
check 'nobody is told' counts s1 2
kill9 s1
start s1
check 'nor is who is introduced to it now' until_ok 30 is_linked s1 s5
check 'which counts it as before' counts s1 2
check 'who made it leave hears why it takes so long' \
    until_ok 30 grep -q 'cannot be written down here' "$W/said-leave"
cannot_save s1
can_save s5
check 'it goes as soon as it can' until_ok 30 counts s1 1
wait "$LEAVES"
check 'with status 0' test $? -eq 0
check 'its super-peer has ended' ends s5
can_save s1
check 'who heard, and could not write, does so when it can' \
    until_ok 30 has_written s1 2
kill9 s1
start s1
check 'and remembers, over a crash' counts s1 1

# ---- the issuer is quicker -----------------------------------------------------------

# As it stands still from before the farewell on, it cannot confirm. Nothing has
# been put so far that would have to be handed over to it.
check 'another one joins' joins s6 s1
ID=$(id_of s6)
kill -STOP "${PID[s1]}"
leaves s6
check 'it says farewell' until_ok 20 is s6 'saying farewell'
kill9 s1
check 'and nobody has heard' is s6 'saying farewell'
check 'it is removed before anybody has confirmed' w s1 remove --quiet "$ID"
start s1
wait "$LEAVES"
check 'and has left with that' test $? -eq 0
check 'its super-peer has ended' ends s6
check 'nobody counts it' counts s1 1

# ---- all goes well -----------------------------------------------------------------

check 'another one joins' joins s3 s1
bytes farewell 300000 "$W/f"
w s3 put --quiet "$W/f" >"$W/cid"
check 'a file stands' test -s "$W/cid"
check 'it leaves' w s3 leave
check 'its super-peer ends by itself, with status 0' ends s3
check 'nobody counts it' counts s1 1
check 'it does not start again' refused 5 'left its ring for good' s3 superpeer
check 'nor does its ticket help there' \
    refused 5 'left its ring for good.*another directory' s3 join "$W/s3.ticket"
check 'the file is whole' w s1 get --quiet "$(<"$W/cid")" -o "$W/g"
check 'byte for byte' cmp "$W/f" "$W/g"

# ---- a directory from before -------------------------------------------------------

check 'another one joins' joins s4 s1
cp "$W/s4/members" "$W/members.before"
check 'and leaves' w s4 leave
check 'its super-peer has ended' ends s4
cp "$W/members.before" "$W/s4/members"
spawn s4
check 'its directory from before is told so, and it ends' ends s4
check 'and says why' grep -q 'left its ring for good' "$W/s4.log"
check 'and nobody counts it' counts s1 1
plan
