#!/bin/bash
# digests.sh - a scenario and its seed give one run, to the last digit: again,
# with --json, and by every compiler and -O. The programs to compare are the
# arguments, each built in its own way; one alone is compared with itself. TAP.
#
#     tests/sim/digests.sh build/sim/wreath-sim build-clang/sim/wreath-sim
set -u
LC_ALL=C
: "${1:?where wreath-sim is}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

cat >"$dir/small.ini" <<'END'
[run]
for = 100 s
check = yes
[ring]
hosts = 80
successors = 8
round = 2 s
[network]
jitter = 0 %
[load]
lookup_every = 4 s
END

# json_of FILE PROGRAM OPTION...: what the small scenario, changed so, gives,
# but for how long it took.
json_of()
{
    local file=$1 sim=$2

    shift 2
    timeout 100 "$sim" run "$dir/small.ini" --json - "$@" 2>&1 </dev/null |
        sed -E 's/"(wall_s|events_per_s|bytes_per_member)":[^,}]*//g' >"$file"
}

# digest_of FILE PROGRAM OPTION...: without --json.
digest_of()
{
    local file=$1 sim=$2

    shift 2
    timeout 100 "$sim" run "$dir/small.ini" "$@" 2>&1 </dev/null |
        sed -n 's/^digest  *//p' >"$file"
}

# same NAME KEY=VALUE...: one result of all programs, and its digest from the
# first one without --json.
same()
{
    local name=$1 i=0 sim key digest
    local -a options=()

    shift
    n=$((n + 1))
    rm -f "$dir"/by.*
    for key; do
        options+=(--set "$key")
    done
    digest_of "$dir/digest" "${programs[0]}" "${options[@]}" &
    for sim in "${programs[@]}" "${programs[0]}"; do
        json_of "$dir/by.$i" "$sim" "${options[@]}" &
        i=$((i + 1))
    done
    wait
    digest=$(<"$dir/digest")
    if [[ $digest =~ ^[0-9a-f]{16}$ ]] && ! grep -qx "$digest" "$dir/seen" &&
        grep -q "\"digest\":\"$digest\"" "$dir/by.0" &&
        [ "$(sha256sum <"$dir/by.0")" = "$(sha256sum "$dir"/by.* |
            sed 's/ .*/  -/' | sort -u)" ]; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        for i in "$dir"/by.*; do
            echo "# ${programs[${i##*.}]:-again}: $(
                grep -o '"digest":"[^"]*"' "$i" || head -n 2 "$i"
            )"
        done
        echo "# without --json: $digest"
    fi
    echo "$digest" >>"$dir/seen" # No two scenarios give the same.
}

programs=("$@")
: >"$dir/seen"

same 'places as King measured'
same 'another seed' run.seed=2
same 'a constant latency' network.latency=constant
same 'uniform latencies' network.latency=uniform
same 'jitter' network.jitter='30 %'
same 'loss' network.loss='5 %'
same 'doubled and reordered' network.twice='10 %' network.reorder='10 %'
same 'pairs that are cut off' network.non_transitive='2.3 %'
same 'narrow links' network.up='64 kbit/s' network.down='256 kbit/s'
same 'the codec' run.codec=yes ring.hosts=30
same 'members' ring.hosts=12 ring.members=7 ring.roster='3 s'
same 'fingers alone' ring.learn=no
same 'flooding' ring.system=flood churn.session=exponential \
    churn.session_mean='2 min'
same 'random walks' ring.system=walk churn.session=exponential \
    churn.session_mean='2 min' network.loss='2 %'
same 'an index on super-peers' ring.system=index load.keys=zipf \
    churn.session=exponential churn.session_mean='2 min'
same 'exponential upkeep' ring.upkeep=exponential
same 'popular keys' load.keys=zipf load.zipf_s=0.9
same 'churn' churn.session=exponential churn.session_median='1.4 min'
same 'sessions of a published measurement' churn.preset=kad-off
same 'Pareto, log-normal' churn.session=pareto churn.session_shape=1.5 \
    churn.session_mean='2 min' churn.away=lognormal \
    churn.away_median='30 s' churn.away_shape=1
same 'churn in a ring of many members' ring.hosts=15 ring.members=4 \
    ring.roster='2 s' churn.session=exponential churn.session_mean='2 min' \
    churn.disk_loss='20 %' network.loss='2 %'
same 'half dies' event.a.at='10 s' event.a.what=kill event.a.share='50 %'
same 'a cut that heals' ring.members=2 ring.roster='2 s' event.a.at='5 s' \
    event.a.what=cut event.a.share='30 %' event.a.for='10 s'
same 'a crowd comes, and some leave' churn.session=exponential \
    churn.session_mean='30 min' event.a.at='3 s' event.a.what=flash \
    event.a.share='60 %' event.b.at='20 s' event.b.what=leave \
    event.b.share='10 %'
same 'a rolling restart' ring.hosts=10 ring.members=9 ring.roster='2 s' \
    event.a.at='5 s' event.a.what=rolling event.a.every='2 s' event.a.for='1 s'
same 'liars' ring.hosts=10 ring.members=7 ring.roster='3 s' ring.liars='20 %' \
    leaves.count=20 load.files_every='20 s' load.gets_every='5 s'
same 'leaves and files' ring.hosts=12 ring.members=7 ring.roster='3 s' \
    leaves.count=40 leaves.session=weibull leaves.session_shape=0.6 \
    leaves.session_mean='1 min' leaves.diurnal='50 %' leaves.move='1 min' \
    load.files_every='20 s' load.gets_every='5 s' load.file_spread=1.5 \
    load.file_repeats='20 %' load.keys=zipf churn.session=exponential \
    churn.session_mean='3 min' churn.disk_loss='30 %' network.loss='1 %' \
    network.up='20 Mbit/s' network.down='50 Mbit/s'
echo "1..$n"
