#!/bin/bash
# cli.sh - wreath-sim as people and scripts use it. TAP.
#
#     WREATH_SIM=build/sim/wreath-sim tests/sim/cli.sh
set -u
LC_ALL=C
sim=$(realpath "${WREATH_SIM:?where wreath-sim is}")
docs=$(realpath "$(dirname "$0")/../../docs/simulator.md")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0

# check NAME: the last command has done so.
check()
{
    local status=$? name=$1
    n=$((n + 1))
    if [ "$status" = 0 ]; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        sed 's/^/# /' err out 2>/dev/null | head -20
    fi
}

# run STATUS ARG...: wreath-sim's output in `out` and `err`; its status is as
# expected.
run()
{
    local want=$1 got
    shift
    "$sim" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" = "$want" ] && return 0
    echo "# wreath-sim $*: status $got, not $want"
    return 1
}

# field FILE KEY: the text behind "KEY":, up to the next comma or brace.
field()
{
    sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$1"
}

small=(--hosts 20 --for 20s --set load.lookup_every=1s --set network.latency=uniform
    --set network.jitter="0 %")

# ---- mistakes -------------------------------------------------------------

run 2 && grep -q -- --help err
check 'nothing asked for is a usage error'
run 2 rum && grep -q "'run'" err
check 'a mistyped command is guessed'
run 0 help sweep && grep -q '^usage: wreath-sim sweep' out && run 2 help sweeep &&
    grep -q "'sweep'" err
check 'help describes a command'
for c in run sweep compare fuzz shrink report list; do
    run 0 help $c || break
    [ "$(wc -L <out)" -le 80 ] || { false; break; }
done
check 'which fits 80 columns'
"$sim" --help >/dev/full 2>err
[ $? = 1 ] && grep -q 'cannot write to standard output' err
check 'what cannot be written is not passed over'
run 2 run && grep -q 'takes one scenario' err
check 'run without a scenario is a usage error'
run 3 run half-dyes && grep -q "'half-dies'" err
check 'a mistyped preset is guessed'
run 3 run nothing-like-it.ini && grep -q "wreath-sim list" err
check 'no such file: where the presets are listed'
run 2 run oracles nosuch && grep -q "paths" err
check 'an unknown oracle: those that there are'
run 2 run scale --small && grep -q "oracles" err
check '--small is for the oracles'
run 2 run scale --frob && grep -q -- "--help" err
check 'an unknown option is a usage error'

# refused TEXT PATTERN: a scenario of this text is, and why matches.
refused()
{
    printf '%b' "$1" >bad.ini
    run 2 run bad.ini && grep -q "$2" err
}

refused '[ring]\nhosts = 20\nmembres = 2\n' "bad.ini, line 3: .*'ring.members'"
check 'an unknown key tells file, line and the nearest key'
refused '[rign]\nhosts = 20\n' "bad.ini, line 2: .*'ring.hosts'"
check 'an unknown section, too'
refused '[run]\nfor = 5 s\n[ring\nhosts = 20\n' "bad.ini, line 3: neither '\[section\]'"
check 'a section that is not closed, and not what follows it'
refused '[ring]\nhosts = 20\nmembers = 2\nhosts = 30\n' \
    'bad.ini, line 4: ring.hosts .* line 2'
check 'a key that is set twice tells both lines'
refused '[ring]\n\nmembers = 65\n' 'bad.ini, line 3: .*1 to 64'
check 'an impossible value tells its range'
run 2 run scale --seed 18446744073709551616 && grep -q 'out of range, 0 to' err &&
    run 2 fuzz --seed 18446744073709551616 && grep -q 'a number from 0 to' err
check 'one that is far too much, too'
run 2 run scale --set network.loss=5 && grep -q "'2.5 %'" err
check 'a value without its unit tells what it looks like'
run 2 run scale --hosts 3 && grep -q 'too few' err
check 'a ring that is too small is refused'
run 2 run scale --trace 5 && grep -q 'FROM..TO' err
check 'a range of trace that is none is refused'
run 2 run scale --set churn.preset=kad-frist && grep -q "'kad-first'" err
check 'a mistyped preset of churn is guessed'
run 3 run scale "${small[@]}" --set churn.session=trace \
    --set churn.trace=nowhere.csv && grep -q 'nowhere.csv: ' err
check 'a churn trace that is not there is named'
printf '# who was there\n0,1,up\n5,2,upp\n' >bad.csv
run 2 run scale "${small[@]}" --set churn.session=trace \
    --set churn.trace=bad.csv && grep -q "bad.csv, line 3: .*'up'" err
check 'a line of it that cannot be read, too, with what is wrong'

run 3 run scale "${small[@]}" --set network.latency=file \
    --set network.file=nowhere.txt && grep -q 'nowhere.txt: it cannot be read' err
check 'coordinates that are not there are named'
printf '1 2 3\n1 2\n' >bad.txt
run 2 run scale "${small[@]}" --set network.latency=file \
    --set network.file=bad.txt && grep -q 'bad.txt, line 2: ' err
check 'and the line of them that is none'

# ---- lists ----------------------------------------------------------------

run 0 list && [ "$(grep -c '^[a-z]' out)" = 15 ] && grep -q '^bamboo-1.4 ' out
check 'list names the presets'
[ "$(grep -c '^  [a-z]' out)" = 15 ] && grep -q '^  kad-first .*Steiner' out
check 'and those of churn, each with its source'
run 0 list keys && grep -q '^ring.hosts ' out && [ "$(grep -c '^[a-z]*\.' out)" -ge 70 ]
check 'list keys names the keys'
missing=$(awk '/^[a-z]+\.[a-z_]+ / { print $1 }' out | while read -r key; do
    grep -q "^| \`$key\`" "$docs" || echo "$key"
done)
echo "$missing" >err
[ -z "$missing" ]
check 'each key is in docs/simulator.md'

# ---- a run ----------------------------------------------------------------

run 0 run scale "${small[@]}" --json a.json --csv a.csv
check 'a run ends well'
for word in lookups hops latency traffic ring digest; do
    grep -q "^ *$word" out || echo "no $word" >>err
done
! grep -q '^no ' err
check 'its summary has what matters'
for key in wreath_sim scenario name seed digest virtual_s events hosts lookups \
    right_share hops_mean latency_ms_p99 bytes_per_host_s ring series columns; do
    grep -q "\"$key\":" a.json || echo "no $key" >>err
done
! grep -q '^no ' err
check 'its JSON has the documented fields'
[ "$(field a.json ring.hosts)" = 20 ] && grep -q '"run.for":"20 s"' a.json
check 'its JSON echoes the scenario'
head -n 1 a.csv | grep -q '^t_s,hosts_up,lookups,' && [ "$(wc -l <a.csv)" -ge 3 ]
check 'its CSV has the series'
run 0 run scale "${small[@]}" --json - && grep -q '^{"wreath_sim":1' out &&
    ! grep -q '^lookups  ' out
check 'JSON on standard output comes alone'
digest=$(field a.json digest)
[ -n "$digest" ] && [ "$(field out digest)" = "$digest" ]
check 'the same seed gives the same digest'
run 0 run scale "${small[@]}" && [ "$(sed -n 's/^digest *//p' out)" = "$digest" ]
check 'and without --json'
run 0 run scale "${small[@]}" --quiet --seed 2 --json b.json && [ ! -s out ] &&
    [ "$(field b.json digest)" != "$digest" ]
check 'another seed gives another; --quiet says nothing'
run 0 run scale "${small[@]}" --codec && [ "$(sed -n 's/^digest *//p' out)" = "$digest" ]
check 'through the codec, too, the run is the same'
run 0 run scale "${small[@]}" --trace 1s..2s && [ -s err ]
check 'a trace goes to standard error'
run 3 run scale "${small[@]}" --json nowhere/x.json && grep -q nowhere err
check 'a result that cannot be written is said'
run 3 run scale "${small[@]}" --for 8760h --json nowhere/x.json &&
    run 3 run scale "${small[@]}" --for 8760h --csv nowhere/x.csv &&
    run 3 sweep scale "${small[@]}" --for 8760h --json nowhere/x.json &&
    run 3 compare scale scale "${small[@]}" --for 8760h --json nowhere/x.json &&
    grep -q "cannot write 'nowhere/x.json'" err && [ ! -s out ]
check 'before a long run, not after it'
ln -s linked.json link.json && echo >linked.json
run 0 run scale "${small[@]}" --quiet --json link.json && [ -L link.json ] &&
    grep -q '^{"wreath_sim":1' linked.json
check 'what is no file, as /dev/null, is written into, not replaced'
run 2 run scale -q && grep -q "invalid option -- 'q'" err
check 'an option of one letter that there is not is named'

# ---- coming and going -----------------------------------------------------

# 30 hosts; 3 go at 5 s, one of them is back at 10 s, and 2 come at 15 s.
{
    echo time,host,state
    for host in $(seq 0 29); do echo "0,$host,up"; done
    printf '5,%d,down\n' 3 7 11
    echo 10,7,up
    printf '15,%d,up\n' 30 31
} >trace.csv
run 0 run scale "${small[@]}" --set churn.session=trace \
    --set churn.trace=trace.csv --json t.json --quiet &&
    grep -q '"slots":32,"at_start":30,"at_end":30,.*"starts":3,"deaths":3' t.json
check 'a churn trace is followed'
run 0 run scale "${small[@]}" --for 1h --set churn.preset=p2psim --json p.json \
    --quiet && grep -q '"slots":40,"at_start":20,' p.json
check 'published churn is followed by its name'
run 0 run scale "${small[@]}" --set event.crowd.at=5s --set event.crowd.what=flash \
    --set event.crowd.share='50 %' --json f.json --quiet &&
    grep -q '"at_start":20,"at_end":30,.*"starts":10,"deaths":0' f.json
check 'a flash crowd comes'
run 0 run scale "${small[@]}" --for 2min --set event.all.at=5s \
    --set event.all.what=rolling --set event.all.every=3s --set event.all.for=2s \
    --json g.json --quiet &&
    grep -q '"at_end":20,.*"starts":20,"deaths":20' g.json &&
    grep -q '"failed":0' g.json
check 'hosts restart one by one, and no lookup fails'
run 2 run scale "${small[@]}" --set event.x.at=5s --set event.x.what=kill \
    --set event.x.whom="hosts 15-20" && grep -q 'no host 20; they are 0 to 19' err
check 'an event of hosts that there are not is refused'
run 0 run scale "${small[@]}" --for 30min --set ring.sites=4 \
    --set churn.site_every=10min --set churn.site_for=2min --json o.json --quiet &&
    grep -q 'an outage of site' o.json &&
    [ "$(field o.json deaths)" -ge 5 ] && [ "$(($(field o.json deaths) % 5))" = 0 ]
check 'a site goes out and comes back'

run 0 run scale "${small[@]}" --for 5min --set event.stop.at=20s \
    --set event.stop.what=pause --set event.stop.whom="hosts 3-4" \
    --set event.stop.for=1min --json w.json --quiet && grep -q 'pause 2' w.json &&
    grep -q '"at_end":20,.*"starts":0,"deaths":0' w.json &&
    [ "$(field w.json false_deaths)" -ge 2 ]
check 'a process that stands still is held for dead, and is back'

# ---- leaves and files -----------------------------------------------------

printf '[event.x]\nat = 1 s\nwhat = cut\nwhom = leaves\n' >bad.ini
run 2 run bad.ini --set leaves.count=3 && grep -q 'event.x.*leaves take flash' err
check 'what leaves cannot do is refused'
run 2 run scale --set load.files_every=1min && grep -q 'leaves.count' err
check 'files without leaves are refused'
leaves=(--hosts 5 --for 2min --set leaves.count=20 --set load.files_every=20s
    --set load.gets_every=10s --set leaves.move=1min)
run 0 run smallest "${leaves[@]}" --json l.json --csv l.csv &&
    grep -q '^puts .* 0 failed' out && grep -q '^gets .* 0 failed' out &&
    grep -q '^leaves .*20' out
check 'leaves put and get files'
for key in puts gets put_latency_ms_p50 get_mb_s copies_hist acknowledged lost \
    attached_share failovers orphan_s_mean; do
    grep -q "\"$key\":" l.json || echo "no $key" >>err
done
! grep -q '^no ' err && [ "$(field l.json lost)" = 0 ] && [ "$(field l.json wrong)" = 0 ]
check 'their result has the documented fields'
head -n 1 l.csv | grep -q ',leaves_attached,copies_mean,'
check 'their series, too'
run 0 run smallest "${leaves[@]}" --codec && grep -q '^gets .* 0 failed' out &&
    grep -q ' 0 lost, .* 0 wrong' out
check 'and files with bytes, through the codec'

# A run of a virtual year is interrupted once its first figures are traced.
mkfifo tracing
"$sim" run scale "${small[@]}" --for 8760h --trace 1s.. --json c.json \
    >out 2>tracing </dev/null &
pid=$!
exec 3<tracing
read -r _ <&3
kill -INT "$pid"
cat <&3 >/dev/null
wait "$pid"
[ $? = 130 ] && grep -q '"interrupted":true' c.json && grep -q interrupted out
check 'Ctrl-C keeps the results so far, and gives 130'
exec 3<&-

# ---- many runs ------------------------------------------------------------

run 2 sweep scale --vary ring.memberz=1,2 && grep -q "'ring.members'" err
check 'a sweep over an unknown key is refused before it starts'
run 2 sweep scale --vary ring.members=1,99 && grep -q '1 to 64' err
check 'and one with an impossible value'
run 2 sweep scale --vary ring.members=1,,2 && grep -q 'missing at a comma' err &&
    run 2 sweep scale --vary ring.members=1, && grep -q 'missing at a comma' err &&
    run 2 sweep scale --vary ring.members= && grep -q 'ring.members has no value' err
check 'a value that is missing is told'
run 2 sweep scale --vary run.seed=1,2 && grep -q -- '--seeds, from --seed' err
check 'and one over seeds, which are not a key of their own there'
run 2 sweep scale --vary ring.members=1,2 --vary ring.members=3 && grep -q twice err
check 'and one over the same key twice'
run 0 sweep scale "${small[@]}" --seeds 1 --seed 2 --json - &&
    grep -q '"seed":2,' out && [ "$(field out digest)" = "$(field b.json digest)" ]
check '--seed is the first of a sweep'
run 0 sweep scale "${small[@]}" --vary ring.members=1,2 --seeds 3 --jobs 2 \
    --json s.json && grep -q '^ring.members = 2' out && grep -q 'hops.*+-' out &&
    grep -q 'mean of 3 seeds' out
check 'a sweep prints mean and interval'
grep -q '^  put p50  *-$' out
check 'and no unit where there is no figure'
[ "$(grep -o '"wreath_sim":1' s.json | wc -l)" = 6 ] &&
    grep -q '"vary":{"ring.members":\["1","2"\]}' s.json &&
    ! grep -q '"series"' s.json
check 'its JSON has each run, without series'
grep -o '"digest":"[^"]*"' s.json >digests
grep -q "$digest" digests && [ "$(sort -u digests | wc -l)" = 6 ]
check 'its first run is that of the command run'
# No child can be missed: each inherits what Ctrl-C does.
"$sim" sweep scale "${small[@]}" --for 8760h --seeds 2 --jobs 2 --json i.json \
    >out 2>err </dev/null &
pid=$!
until grep -qs "^PPid:[[:space:]]*$pid\$" /proc/[0-9]*/status; do
    kill -0 "$pid" || break
done
kill -INT "$pid"
wait "$pid"
[ $? = 130 ] && grep -q '"wreath_sim_sweep":1' i.json &&
    grep -q '"interrupted":true' i.json
check 'a sweep that is interrupted keeps what its runs have'
run 0 compare a.json b.json --json d.json && grep -q 'lookups right.*%.*%' out &&
    grep -q '^hops' out && grep -q '"wreath_sim_compare":1' d.json
check 'compare puts results side by side'
run 0 run scale "${small[@]}" --seed 2 --quiet --json e.json &&
    run 0 compare a.json e.json a.json &&
    head -1 out | grep -q ' scale, seed 1  *scale, seed 2  *scale, seed 1 (2)$'
check 'each by a name of its own'
sed 's/"violations":[0-9]*/"violations":1/;t;s/"ring":{/&"violations":1,/' b.json >bad.json
run 1 compare a.json bad.json
check 'and fails if one of them did'
printf "[run]\nfor = 5 s\n[ring]\nhosts = 20\n[network]\nlatency = uniform\njitter = 0 %%\n" >tiny.ini
run 0 compare a.json tiny.ini && grep -q 'scale.*tiny' out
check 'and runs what is a scenario'
run 3 compare scale nosuch "${small[@]}" --for 8760h && grep -q "'nosuch'" err &&
    run 2 compare smallest --for 8760h --system wreath,flood && grep -q leaves err
check 'a mistake in what is compared is told before the first run'
run 2 compare a.json s.json && grep -q 's.json is JSON, but no result' err
check 'what is no result of a run is said to be none'
run 0 run scale "${small[@]}" --set load.lookup_every=never --quiet --json n.json &&
    run 0 compare a.json n.json && grep -q '^lookups right  *100.00 %  *-$' out &&
    grep -q '^hops  *[0-9.]*  *-$' out && grep -q '^latency p50 .* -$' out
check 'where nothing was looked up there is no figure, and not one of 0'
run 0 run smallest --for 5s --set load.gets_every=1h && grep -q '^gets  *0, 0 failed$' out
check 'nor where nothing was got'
run 3 report nowhere.json r && grep -q 'nowhere.json: No such file' err
check 'a result that is not there is named'
printf '{\n"wreath_sim": oops\n' >bad.json
run 2 report bad.json r && grep -q 'bad.json, line 2: ' err
check 'and the line where one is no JSON'
echo '{"wreath_sim":2}' >bad.json
run 2 report bad.json r && grep -q 'another version' err
check 'one of another version is not drawn'
run 2 compare a.json && grep -q '2 to' err
check 'compare takes two at least'

# ---- other systems --------------------------------------------------------

run 0 compare scale "${small[@]:0:6}" --system wreath,full,fingers,flood,walk,index \
    --json y.json && grep -q 'wreath .*full .*fingers .*flood .*walk .*index$' out &&
    [ "$(grep -o '"digest":"[^"]*"' y.json | sort -u | wc -l)" = 6 ]
check 'compare runs one scenario with each system'
[ "$(grep -o '"system":"[a-z]*"' y.json | sort | uniq -c | tr -d ' \n')" = \
    '1"system":"flood"1"system":"index"1"system":"walk"3"system":"wreath"' ] &&
    [ "$(grep -o '"right_share":1\.0' y.json | wc -l)" = 6 ]
check 'each of which finds everything where nobody goes'
run 2 compare scale --system wreath,floot && grep -q "'floot'.*flood" err
check 'an unknown system is told, with those that there are'
run 2 compare scale tiny.ini --system flood && grep -q 'one scenario' err
check 'systems are compared by one scenario'
run 0 run scale "${small[@]}" --set ring.system=index --json x.json &&
    grep -q '"name":"PUBLISH"\|"name":"QUERY"' x.json && ! grep -q '"ring":' x.json &&
    ! grep -q '^ring' out
check 'a system without a ring tells of none'
run 2 run scale --set ring.system=walk --set leaves.count=5 && grep -q 'leaves' err
check 'and has no leaves'

# ---- fault runs -------------------------------------------------------------

run 0 list faults && [ "$(wc -l <out)" -ge 20 ] && grep -q '^loss ' out
check 'list faults names the faults'
missing=$(awk '{ print $1 }' out | while read -r fault; do
    grep -q "^|.*\`$fault\`" "$docs" || echo "$fault"
done)
echo "$missing" >err
[ -z "$missing" ]
check 'each fault is in docs/simulator.md'
run 0 fuzz --seeds 5 && grep -q '^seeds .* 0 failed' out && [ ! -s err ]
check 'fuzz plays seeds and sums up'
digest=$(sed -n 's/^digest *//p' out)
run 0 fuzz --seeds 5 --quiet && [ "$(sed -n 's/^digest *//p' out)" = "$digest" ]
check 'the same seeds give the same digest'
run 0 fuzz --seeds 5 --from 2 && [ "$(sed -n 's/^digest *//p' out)" != "$digest" ]
check 'others give another'
run 0 fuzz --seed 3 --plan && grep -q '^seed 3: .* hosts' out && grep -q 'all heals' out
check 'a plan is printed'
run 0 fuzz --seed 3 --plan --without loss,dup,cut --keep 0-2 --hosts 5 &&
    ! grep -qE '^faults:.* (loss|dup|cut)( |$)' out && [ "$(wc -l <out)" -le 6 ]
check 'and narrowed'
run 0 fuzz --seed 75 --trace 60s..99s && [ -s err ]
check 'a trace of it goes to standard error'
# Both are told once the first message is traced.
for signal in INT ABRT; do
    "$sim" fuzz --seed 75 --trace 0s.. >out 2>tracing </dev/null &
    pid=$!
    exec 3<tracing
    read -r _ <&3
    kill -$signal "$pid"
    cat <&3 >/dev/null
    exec 3<&-
    wait "$pid" 2>/dev/null
    echo $? >"status.$signal"
    mv out "out.$signal"
done
[ "$(cat status.INT)" = 130 ] && grep -q '^interrupted  in seed 75; 0 of 1 are done' out.INT
check 'fuzz that is interrupted says how far it came'
[ "$(cat status.ABRT)" -gt 128 ] && grep -q '^  again: wreath-sim fuzz --seed 75$' out.ABRT
check 'and one that a broken assertion ends, how to repeat it'
run 2 fuzz --without los && grep -q "no fault 'los'" err
check 'a fault that there is none is refused'
run 2 fuzz --keep 5-3 && grep -q 'numbers, as' err
check 'and numbers that are none'
run 2 fuzz --hosts 100 && grep -q '1 to 64' err
check 'and too many hosts'
run 2 fuzz --until never-ever && grep -q 'a time, as' err
check 'and a time that is none'
run 2 fuzz --seeds 0 && grep -q 'a number from 1' err
check 'and no seeds at all'
run 2 fuzz --seed 3 --from 4 && grep -q 'goes without' err
check 'one seed, or many'
run 2 fuzz 3 && grep -q -- '--seed 3' err
check 'fuzz takes no operand, and says what was meant'
run 2 shrink && grep -q 'one seed' err
check 'shrink without a seed is a usage error'
run 1 shrink 3 && grep -q 'does not fail' err
check 'what does not fail is not made smaller'

run 0 run liars --for 4min --quiet --json liars.json &&
    grep -Eq '"gets":[0-9]{4}' liars.json &&
    grep -Eq '"gets_failed":[0-2],' liars.json &&
    ! grep -Eq '"wrong":[1-9]' liars.json
check 'one host of five lies, and files come'

echo "1..$n"
