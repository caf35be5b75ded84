# lib.sh - what the cluster tests share. Sourced by each script of this folder,
# which meson runs with the build directory in BUILD:
#
#     meson test -C build --suite cluster          all
#     meson test -C build cluster-files -v         one
#     KEEP=1 bash tests/cluster/files.sh           by hand, logs kept
#
# Real processes on loopback, in a temporary directory that goes at the end,
# with every process that a script has started, by its own pid. Nothing sleeps
# to let something happen: `until_ok` polls a condition until a deadline. The
# output is TAP; what a failing step wrote goes to it as comments.
#
# Each script takes an address of its own in 127/8. A port that the system
# picked stays free while its super-peer is down, for no outgoing connection
# starts there.
# shellcheck shell=bash

set -u
exec 3>&1 # TAP, also from within a command whose output is kept.
BUILD=$(realpath "${BUILD:-build}")
WREATH=$BUILD/tools/wreath
[ -x "$WREATH" ] || { echo "Bail out! there is no $WREATH"; exit 1; }
CLUSTER_TOOL=$BUILD/tests/cluster/cluster-tool
CLUSTER_WOUND=$BUILD/tests/cluster/cluster-wound

# Upkeep at a pace that suits a test. What is promised must hold at any.
export WREATH_ROUND=${WREATH_ROUND:-250ms}
export WREATH_ROSTER=${WREATH_ROSTER:-1s}
export WREATH_REJOIN=${WREATH_REJOIN:-3s}
export WREATH_PROBE=${WREATH_PROBE:-1s}
export LC_ALL=C

IP=127.$((1 + $$ / 250 % 250)).$((1 + RANDOM % 250)).$((1 + $$ % 250))
W=$(mktemp -d "${TMPDIR:-/tmp}/wreath-cluster.XXXXXX") || exit 1
TESTS=0
FAILED=0
STARTED=$SECONDS
declare -A PID=()     # Running super-peers, by name.
declare -A ADDRESS=() # Where each listens, also when it is down.
declare -A VIA=()     # What others dial, where a faultproxy stands between.
declare -a OTHERS=()  # Other processes of ours.

finish()
{
    local status=$? pid

    trap - EXIT
    kill -CONT "${PID[@]}" "${OTHERS[@]}" 2>/dev/null
    kill -9 "${PID[@]}" "${OTHERS[@]}" 2>/dev/null
    for pid in "${PID[@]}" "${OTHERS[@]}"; do
        wait "$pid" 2>/dev/null
    done
    mountpoint -q "$W/small" && umount "$W/small"
    echo "# $((SECONDS - STARTED)) s"
    if [ -n "${KEEP:-}" ]; then
        echo "# kept: $W"
    else
        rm -rf "$W"
    fi
    [ "$FAILED" -eq 0 ] || status=1
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# ---- TAP -------------------------------------------------------------------

note()
{
    printf '%s\n' "$*" | sed 's/^/# /' >&3
}

# tail_of LINES FILE...: the ends of the files, as comments.
tail_of()
{
    local n=$1 file

    shift
    for file; do
        [ -s "$file" ] || continue
        echo "# -- end of ${file#"$W"/}"
        tail -n "$n" "$file" | cat -v | sed 's/^/# /'
    done
}

# result STATUS TITLE: one line of TAP. A failure shows what was said last.
result()
{
    TESTS=$((TESTS + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $TESTS - $2"
        return 0
    fi
    FAILED=$((FAILED + 1))
    echo "not ok $TESTS - $2"
    tail_of 12 "$W/said"
    return 1
}

# check TITLE COMMAND...: ok if the command succeeds. Its output is kept.
check()
{
    local title=$1

    shift
    "$@" >"$W/stdout"
    result $? "$title"
}

skip()
{
    TESTS=$((TESTS + 1))
    echo "ok $TESTS - $1 # SKIP $2"
}

# The plan comes last: a script that ended early lacks it.
plan()
{
    echo "1..$TESTS"
}

# Ends the script: what follows makes no sense without this.
bail()
{
    note "$*"
    for name in "${!PID[@]}"; do
        tail_of 8 "$W/$name.log"
    done >&3
    echo "Bail out! $1" >&3
    exit 1
}

# ---- waiting ----------------------------------------------------------------

# until_ok SECONDS COMMAND...: polls it; false if the time is over.
until_ok()
{
    local end=$((SECONDS + $1))

    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

alive()
{
    kill -0 "$1" 2>/dev/null
}

# has_read PID N: that many bytes so far, of files and sockets.
has_read()
{
    local n

    n=$(sed -n 's/^rchar: //p' "/proc/$1/io" 2>/dev/null)
    [ "${n:-0}" -gt "$2" ]
}

# ---- the program -------------------------------------------------------------

# w NAME COMMAND...: one command of that identity. What it says to people goes
# to $W/said. Bounded: a hang is a failure.
w()
{
    local name=$1

    shift
    timeout -k 5 "${LIMIT:-120}" "$WREATH" --dir "$W/$name" "$@" \
        2>"$W/said" </dev/null
}

# refused STATUS PATTERN NAME COMMAND...: it fails with just that status (or
# one of several, 4|5), says something that matches, in at most two lines.
refused()
{
    local want=$1 pattern=$2 got

    shift 2
    w "$@"
    got=$?
    if [[ ! $got =~ ^($want)$ ]]; then
        note "exit status $got in place of $want"
        return 1
    fi
    complaint "$pattern"
}

# The last words match, and are one or two plain lines.
complaint()
{
    if ! grep -Eiq -e "$1" "$W/said"; then
        note "the words do not match: $1"
        return 1
    fi
    if [ "$(wc -l <"$W/said")" -gt 2 ]; then
        note 'more than two lines'
        return 1
    fi
}

# says STATUS PATTERN NAME COMMAND...: it ends with just that status, and a line
# of what it prints matches. All of that stays in $W/out.
says()
{
    local want=$1 pattern=$2 got

    shift 2
    w "$@" >"$W/out"
    got=$?
    [ "$got" -eq "$want" ] || note "exit status $got in place of $want"
    grep -Eq -e "$pattern" "$W/out" && [ "$got" -eq "$want" ] && return
    sed 's/^/# /' "$W/out" >&3
    return 1
}

# preload: for LD_PRELOAD, tests/support/fault.c, and with it what an ASan build
# loads.
preload()
{
    echo "$BUILD/tests/cluster/libwreath-fault.so" \
        "$(ldd "$WREATH" | sed -n 's/.*libasan[^ ]* => \([^ ]*\).*/\1/p')"
}

# field PATH...: of the JSON on standard input.
field()
{
    "$CLUSTER_TOOL" json "$@" 2>/dev/null
}

# bytes SEED N FILE: content that anybody can make again.
bytes()
{
    "$CLUSTER_TOOL" stream "$1" "$2" >"$3"
}

# ---- super-peers -------------------------------------------------------------

ready()
{
    [ -s "$W/$1/run/address" ] || ! alive "${PID[$1]}"
}

# Runs super-peer NAME. After its first start it keeps its address.
spawn()
{
    local name=$1

    shift
    rm -f "$W/$name/run/address"
    "$WREATH" --dir "$W/$name" superpeer \
        --listen "${ADDRESS[$name]:-$IP:0}" \
        ${VIA[$name]:+--advertise "${VIA[$name]}"} "$@" \
        >>"$W/$name.log" 2>&1 </dev/null &
    PID[$name]=$!
}

# Waits until each NAME listens.
await_ready()
{
    local name

    for name; do
        until_ok 30 ready "$name" && [ -s "$W/$name/run/address" ] ||
            bail "super-peer $name does not get ready"
        # With a route, that is the route's.
        [ -n "${VIA[$name]:-}" ] || ADDRESS[$name]=$(<"$W/$name/run/address")
    done
}

# start NAME...: all at once.
start()
{
    local name

    for name; do
        spawn "$name"
    done
    await_ready "$@"
}

# kill9 NAME...: at once, and gone when it returns.
kill9()
{
    local name
    local -a pids=()

    for name; do
        pids+=("${PID[$name]}")
    done
    kill -9 "${pids[@]}"
    for name; do
        wait "${PID[$name]}" 2>/dev/null
        unset "PID[$name]"
    done
}

# stop NAME: as an administrator does; its status.
stop()
{
    local pid=${PID[$1]} status

    kill "$pid"
    wait "$pid" 2>/dev/null
    status=$?
    unset "PID[$1]"
    return "$status"
}

gone()
{
    ! alive "${PID[$1]}"
}

# ends NAME: by itself, with status 0.
ends()
{
    local status

    until_ok 30 gone "$1" || return 1
    wait "${PID[$1]}"
    status=$?
    unset "PID[$1]"
    return "$status"
}

# Hosts that NAME holds for alive, itself included, a line each, sorted.
hosts_of()
{
    w "$1" peers --json | field 'hosts.*.state=admitted.liveness=up.host' | sort
}

# is NAME STATE: by its own status.
is()
{
    [ "$(w "$1" status --json | field state)" = "$2" ]
}

# counts NAME N: so many hosts are admitted, as NAME has it.
counts()
{
    [ "$(w "$1" status --json | field hosts_admitted)" = "$2" ]
}

# All of NAME... serve, each names just these as alive, and each of their
# members knows just its neighbours on the ring.
agree()
{
    local name first hosts
    local -a views=()

    first=$(hosts_of "$1")
    [ "$(printf '%s\n' "$first" | wc -l)" -eq $# ] || return 1
    for name; do
        is "$name" serving || return 1
        hosts=$(hosts_of "$name")
        [ "$hosts" = "$first" ] || return 1
        w "$name" peers --fingers --json >"$W/$name.views" || return 1
        views+=("$W/$name.views")
    done
    "$CLUSTER_TOOL" ring "${views[@]}" >"$W/disorder"
}

# settled SECONDS NAME...: one ring of these and no other.
settled()
{
    local limit=$1

    shift
    until_ok "$limit" agree "$@" && return
    note "no agreement among $*"
    for name; do
        note "$name: $(w "$name" status --json | field state 2>&1)" \
            "$(hosts_of "$name" | wc -l) hosts"
    done
    note "$(head -n 3 "$W/disorder")"
    return 1
}

# The host id of NAME.
id_of()
{
    w "$1" status --json | field host
}

# ring K [LEAVES]: super-peers s1 to sK, of which s1 is the issuer, and leaves
# l1 to lLEAVES.
ring()
{
    local k=$1 leaves=${2:-0} i
    local -a names=()

    w s1 init --listen "$IP:0" >/dev/null || bail 'init failed'
    start s1
    if [ "$k" -gt 1 ]; then
        w s1 invite --quiet --super-peer --uses $((k - 1)) -o "$W/super.ticket" ||
            bail 'invite failed'
    fi
    for ((i = 2; i <= k; i++)); do
        w "s$i" join "$W/super.ticket" >/dev/null || bail 'join failed'
        names+=("s$i")
    done
    start "${names[@]}"
    if [ "$leaves" -gt 0 ]; then
        w s1 invite --quiet --uses "$leaves" -o "$W/leaf.ticket" ||
            bail 'invite failed'
    fi
    for ((i = 1; i <= leaves; i++)); do
        w "l$i" join "$W/leaf.ticket" >/dev/null || bail 'join failed'
    done
    settled 180 s1 "${names[@]}" || bail 'no ring'
}

# joins NAME MEMBER...: a new super-peer, in one ring with these.
joins()
{
    local name=$1

    shift
    w s1 invite --quiet --super-peer -o "$W/$name.ticket" &&
        w "$name" join "$W/$name.ticket" >/dev/null && start "$name" &&
        settled 60 "$@" "$name"
}

# routes NAME...: from now on these are dialled through a network that obeys
# `net` (tests/support/faultproxy.c). Before `ring`.
routes()
{
    local name address target

    coproc NETWORK { exec "$BUILD/tests/faultproxy" "$IP" "$@" 2>"$W/network.log"; }
    OTHERS+=("$NETWORK_PID")
    for _ in "$@"; do
        read -r -t 10 name address target <&"${NETWORK[0]}" ||
            bail 'no network'
        VIA[$name]=$address
        ADDRESS[$name]=$target
    done
}

# net NAME ORDER...: what the network does to NAME's callers from now on.
net()
{
    local answer

    echo "$*" >&"${NETWORK[1]}" &&
        read -r -t 10 answer <&"${NETWORK[0]}" && [[ $answer = ok* ]]
}

# ---- files --------------------------------------------------------------------

# put NAME FILE [OPTION...]: prints the CID.
put()
{
    local name=$1 file=$2

    shift 2
    w "$name" put "$@" -- "$file"
}

# fetched NAME CID FILE: NAME gets it, and it is FILE.
fetched()
{
    local out=$W/fetched

    rm -rf "$out"
    w "$1" get "$2" -o "$out" >/dev/null || return 1
    same "$out" "$3"
    local status=$?
    rm -rf "$out"
    return "$status"
}

same()
{
    if [ -d "$2" ]; then
        diff -r --no-dereference "$1" "$2" >"$W/said" 2>&1
    else
        cmp "$1" "$2" >"$W/said" 2>&1
    fi
}

# Nothing half-written is left beside FILE, nor FILE itself.
nothing_at()
{
    local left

    left=$(find "$(dirname "$1")" -mindepth 1 -maxdepth 1 \
        -name "*$(basename "$1")*" -print -quit)
    [ -z "$left" ] || note "left behind: $left"
    [ -z "$left" ]
}

# ---- load ---------------------------------------------------------------------

# load PUTTER GETTER BYTES: puts a file, gets it and one that was acknowledged
# before, and so on, until $W/enough exists. $W/acked has a line `CID SEED
# BYTES` for each put that was acknowledged, $W/failures-PUTTER one for each
# put or get that failed, or brought other bytes. In the background:
#
#     load l1 l2 700000 &
#     OTHERS+=($!)
load()
{
    local putter=$1 getter=$2 n=$3 i=0 cid seed

    until [ -e "$W/enough" ]; do
        i=$((i + 1))
        seed=load-$putter-$i
        bytes "$seed" "$n" "$W/load-$putter"
        if cid=$(timeout 120 "$WREATH" --dir "$W/$putter" put -- \
            "$W/load-$putter" 2>"$W/said-$putter" </dev/null); then
            echo "$cid $seed $n" >>"$W/acked"
            load_get "$putter" "$getter" "$cid" "$seed" "$n"
        else
            echo "put $i: status $?: $(<"$W/said-$putter")"
        fi
        # shellcheck disable=SC2046
        load_get "$putter" "$getter" $(shuf -n 1 "$W/acked" 2>/dev/null)
    done >>"$W/failures-$putter"
}

load_get()
{
    local out=$W/load-$1.out getter=$2 cid=${3:-} seed=${4:-} n=${5:-} status

    [ -n "$cid" ] || return 0
    rm -f "$out"
    timeout 60 "$WREATH" --dir "$W/$getter" get "$cid" -o "$out" \
        >/dev/null 2>"$W/said-$1" </dev/null
    status=$?
    if [ "$status" -ne 0 ]; then
        echo "get $cid: status $status: $(<"$W/said-$1")"
    elif ! "$CLUSTER_TOOL" stream "$seed" "$n" | cmp -s - "$out"; then
        echo "get $cid: WRONG BYTES"
    fi
}

# acked: how many puts were acknowledged so far.
acked()
{
    local n

    n=$(wc -l 2>/dev/null <"$W/acked") || n=0
    echo "$n"
}

# more SECONDS N: waits until N more puts are acknowledged.
more()
{
    local goal=$(($(acked) + $2))

    acked_are()
    {
        [ "$(acked)" -ge "$1" ]
    }
    until_ok "$1" acked_are "$goal"
}

# all_there NAME: every file that was acknowledged, through NAME, byte by byte.
all_there()
{
    local cid seed n bad=0

    while read -r cid seed n; do
        bytes "$seed" "$n" "$W/wanted"
        fetched "$1" "$cid" "$W/wanted" && continue
        note "$cid: $(head -n 2 "$W/said")"
        bad=$((bad + 1))
    done <"$W/acked"
    [ "$bad" -eq 0 ]
}
