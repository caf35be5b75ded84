#!/usr/bin/env bash
# leaf - a leaf that stays: the other commands of its directory go through it,
# and its super-peer may die.
. "$(dirname "$0")/lib.sh"

# Runs `wreath leaf` as NAME, until it is attached.
attach()
{
    rm -f "$W/$1.out"
    "$WREATH" --dir "$W/$1" leaf >"$W/$1.out" 2>>"$W/$1.log" </dev/null &
    LEAF=$!
    OTHERS+=("$LEAF")
    until_ok 20 grep -qs "attached to" "$W/$1.out" ||
        bail 'the leaf does not get attached'
}

# The super-peer where the leaf is attached, first of all.
parent_of()
{
    local name at

    at=$(sed -n 's/^attached to .* at //p' "$W/$1.out")
    for name in "${!PID[@]}"; do
        [ "${ADDRESS[$name]}" != "$at" ] || echo "$name"
    done
}

# leaves N: how many the super-peers count, all together, but for the one at
# each that asks.
leaves()
{
    local name n=0

    for name in "${!PID[@]}"; do
        n=$((n + $(w "$name" status --json | field net.leaves) - 1))
    done
    [ "$n" -eq "$1" ]
}

ring 4 2
check 'a super-peer has no leaf beside it' \
    refused 5 "run 'wreath --dir [^ ]*s1 superpeer'" s1 leaf
attach l1
parent=$(parent_of l1)
[ -n "$parent" ]
result $? 'it says where it is attached'
check 'a second one in its directory is refused' \
    refused '1|4|5' 'in use' l1 leaf

bytes one 20000000 "$W/one"
cid=$(put l1 "$W/one") && fetched l2 "$cid" "$W/one"
result $? 'what is put through it, another gets'
check 'what is there, it gets' fetched l1 "$cid" "$W/one"
check 'stat names the hosts of a copy' test \
    "$(w l1 stat "$cid" | grep -c '^on ')" -ge 2
check 'a CID that nobody put is not found' refused '3|4' 'not found|reach' \
    l1 get bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba \
    -o "$W/none"
check 'the ring counts one leaf, whatever runs through it' \
    until_ok 10 leaves 1

# ---- its super-peer dies -----------------------------------------------------

bytes two 60000000 "$W/two"
put l1 "$W/two" >"$W/cid" 2>&1 &
putting=$!
OTHERS+=("$putting")
until_ok 20 has_read "$putting" 1000000
kill9 "$parent"
wait "$putting"
result $? 'a put lives through the death of its super-peer'
check 'and the file is there' fetched l1 "$(<"$W/cid")" "$W/two"
check 'also for others' fetched l2 "$(<"$W/cid")" "$W/two"
check 'the same process serves on' alive "$LEAF"

# ---- the leaf itself ----------------------------------------------------------

kill "$LEAF"
wait "$LEAF"
result $? 'it ends cleanly'
check 'without it, put and get go their own way' fetched l1 "$cid" "$W/one"
attach l1
kill -9 "$LEAF"
wait "$LEAF" 2>/dev/null
check 'a socket that nobody serves stops no command' \
    fetched l1 "$cid" "$W/one"
attach l1
check 'nor the next one' fetched l1 "$cid" "$W/one"
plan
