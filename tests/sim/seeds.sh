#!/bin/bash
# seeds.sh - plays every line of a file of seeds (sim/seeds/): TAP.
#
#     WREATH_SIM=build/sim/wreath-sim tests/sim/seeds.sh FILE...
#
# A line has a seed, options of `wreath-sim fuzz`, and behind # what the seed
# once showed.
set -u
sim=${WREATH_SIM:?where wreath-sim is}
n=0

while IFS= read -r line; do
    what=${line#*#}
    read -r -a words <<<"${line%%#*}"
    [ "${#words[@]}" -gt 0 ] || continue
    n=$((n + 1))
    if out=$("$sim" fuzz --quiet --seed "${words[@]}" 2>&1); then
        echo "ok $n - seed ${words[0]}:$what"
    else
        echo "not ok $n - seed ${words[0]}:$what"
        printf '%s\n' "$out" | sed 's/^/# /'
    fi
done < <(cat "$@")
echo "1..$n"
[ "$n" -gt 0 ]
