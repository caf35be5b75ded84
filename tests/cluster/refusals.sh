#!/usr/bin/env bash
# refusals - the wrong answers: each in a line or two that tell what to do,
# with the right exit status, and nothing lost or left half-written.
. "$(dirname "$0")/lib.sh"

ring 3 2
bytes file 2000000 "$W/file"
cid=$(put l1 "$W/file" --wait all)
result $? 'a file is put'

# ---- CIDs ----------------------------------------------------------------------

mkdir "$W/out"
for bad in nonsense bafk2bzace "${cid%?}" Qmnonsense ''; do
    check "a malformed CID: '${bad:0:12}'" \
        refused 2 'CID|path' l1 get "$bad" -o "$W/out/refused"
done
check 'a hash that cannot be verified is refused by name' \
    refused 2 sha3-256 l1 get "$("$CLUSTER_TOOL" cid "$W/file" 22)" \
    -o "$W/out/refused"
printf 'nobody has put this' >"$W/unput"
absent=$("$CLUSTER_TOOL" cid "$W/unput")
check 'a CID that nobody has' refused 3 'not found|nobody|no host' \
    l1 get "$absent" -o "$W/out/refused"
check 'and stat says the same' refused 3 'not found|nobody|no host' \
    l1 stat "$absent"
check 'nothing is left of these gets' nothing_at "$W/out/refused"

check 'an unknown command' refused 2 'help' l1 fetch "$cid"
check 'help for an unknown command' refused 2 'help' l1 help fetch
check 'an unknown option' refused 2 'option|usage' l1 put --fast "$W/file"
check 'put of nothing' refused 2 'usage|path|what' l1 put
check 'a path that is not there' refused '1|3' 'absent' l1 put "$W/absent"
check 'a directory without an identity' refused '1|3' 'join|init' l9 get "$cid"
check 'joining where an identity is' refused 1 'already|identity|is a member' \
    l1 init

# ---- output ---------------------------------------------------------------------

echo precious >"$W/out/there"
check 'output that exists' refused 1 'exists|already|--force' \
    l1 get "$cid" -o "$W/out/there"
check 'is not touched' test "$(<"$W/out/there")" = precious
check 'is replaced with --force' w l1 get "$cid" --force -o "$W/out/there"
check 'as a whole' cmp "$W/file" "$W/out/there"
mkdir "$W/out/folder"
echo precious >"$W/out/folder/there"
check 'a file does not replace a folder' refused 1 'directory' \
    l1 get "$cid" --force -o "$W/out/folder"
check 'which is not touched' test "$(<"$W/out/folder/there")" = precious
check 'output into a folder that is not there' refused '1|3' 'no such|absent' \
    l1 get "$cid" -o "$W/out/absent/f"

# ---- tickets --------------------------------------------------------------------

ln -s linked "$W/link"
w s1 invite --quiet -o "$W/link"
check 'a ticket goes into what is no file' test -L "$W/link" -a -s "$W/linked"
w s1 invite --quiet -o "$W/t"
cut -c-40 "$W/t" >"$W/cut"
check 'a ticket that was cut short' refused 2 'ticket' n1 join "$W/cut"
ticket=$(<"$W/t")
middle=$((${#ticket} / 2))
char=${ticket:middle:1}
[ "$char" = a ] && other=b || other=a
printf '%s\n' "${ticket:0:middle}$other${ticket:middle+1}" >"$W/mistyped"
check 'a mistyped ticket' refused 2 'ticket' n1 join "$W/mistyped"
check 'no ticket at all' refused '1|2|3' 'ticket|absent' n1 join "$W/absent"
check 'a ticket that is over at once is not written' \
    refused 2 'expires' s1 invite --expires 0 -o "$W/none"
w s1 invite --quiet --expires 1s -o "$W/short"
late=$(($(date +%s) + 3))
past()
{
    [ "$(date +%s)" -ge "$late" ]
}
until_ok 10 past
check 'a ticket on the command line, where everybody sees it' \
    refused 2 'secret' n1 join "$(<"$W/t")"
check 'an expired ticket' refused 5 'expired' n1 join "$W/short"
check 'a ticket is redeemed once' w n2 join "$W/t"
check 'and then it is used up' refused 5 'used' n3 join "$W/t"
check 'but again from where it was used' w n2 join "$W/t"
check 'no refused join leaves an identity' \
    test ! -e "$W/n1/identity" -a ! -e "$W/n3/identity"
check 'a leaf cannot run a super-peer' refused '1|2|5' 'leaf|no super-peer' \
    n2 superpeer

# A ring of one's own at an address where in the end this ring answers.
w b1 init --listen "$IP:0" >/dev/null
start b1
w b1 invite --quiet -o "$W/other"
kill9 b1
stop s3
own=${ADDRESS[s3]}
ADDRESS[s3]=${ADDRESS[b1]}
start s3
check 'a ticket of another ring' refused '4|5' 'ring|answer' n4 join "$W/other"
check 'leaves no identity' test ! -e "$W/n4/identity"
stop s3
ADDRESS[s3]=$own
start s3
check 'the ring is one again' settled 60 s1 s2 s3
check 'only the issuer invites' refused '1|3|5' 'ring key|issuer' s2 invite

# ---- addresses and directories ----------------------------------------------------

w b2 init --listen "${ADDRESS[s1]}" >/dev/null
check 'an address in use' refused 1 'in use' b2 superpeer
check 'an address that is not this host'"'"'s' refused '1|2' 'address|listen' \
    b2 superpeer --listen 192.0.2.1:1
check 'what is no address' refused 2 'address|listen|port' \
    b2 superpeer --listen nonsense
check 'a directory that is in use' \
    refused 1 "use|process ${PID[s1]}" s1 superpeer --listen "$IP:0"
check 'the process that has it goes on' is s1 serving

w b3 init --listen "$IP:0" >/dev/null
start b3
stop b3
"$CLUSTER_TOOL" newer "$W/b3/store"
sum=$(sha256sum <"$W/b3/store/data.mdb")
check 'a store of a newer format' refused 1 'newer' b3 superpeer
check 'is not touched' test "$sum" = "$(sha256sum <"$W/b3/store/data.mdb")"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    # Root may write anywhere: nobody tries.
    mkdir "$W/ro" "$W/shut"
    cp "$WREATH" "$W/wreath"
    chmod 755 "$W" "$W/wreath" "$W/ro"
    chmod 700 "$W/shut"
    as_nobody()
    {
        setpriv --reuid=65534 --regid=65534 --clear-groups \
            timeout 20 "$W/wreath" "$@" >"$W/stdout" 2>"$W/said" </dev/null
    }
else
    mkdir "$W/ro" "$W/shut"
    chmod 500 "$W/ro"
    chmod 0 "$W/shut"
    as_nobody()
    {
        timeout 20 "$WREATH" "$@" >"$W/stdout" 2>"$W/said" </dev/null
    }
fi
as_nobody --dir "$W/ro/d" init --listen "$IP:0"
check 'a directory that cannot be written' test $? -eq 1
check 'is named' complaint "$W/ro.*(denied|permi)"
check 'and nothing is in it' test -z "$(ls "$W/ro")"
as_nobody --dir "$W/shut" superpeer
check 'a directory that cannot be read' test $? -eq 1
check 'is named as well' complaint "$W/shut.*(denied|permi)"

# ---- hosts that are down -----------------------------------------------------------

short=$(id_of s2 | cut -c-8)
# On a full disk it would be lost: so is the status of who keeps it in a file.
lost()
{
    w l1 put "$W/file" >/dev/full
    [ $? -ne 0 ] && complaint 'cannot write the output'
}
check 'a CID that cannot be printed is a failure' lost
w l1 put "$W/file" | true
check 'a reader who has read enough is none' test "${PIPESTATUS[0]}" -eq 0
check 'a word with a line break makes no third line' \
    refused 2 'is no CID' l1 why $'x\ny'

kill9 s2 s3
check 'a CID whose hosts are down: not reachable' \
    refused 4 "$short|${ADDRESS[s2]}" \
    l1 get --timeout 10s "$absent" -o "$W/out/down"
check 'what one host still has is fetched' fetched l1 "$cid" "$W/file"
bytes new 300000 "$W/new"
check 'too few hosts for w: the put is not acknowledged' \
    refused 4 "$short|${ADDRESS[s2]}" l1 put --timeout 3s "$W/new"
check 'unless one copy is asked for' w l1 put --wait one "$W/new"
check 'nor is giving up' \
    refused 4 "these are down: .*$short \(${ADDRESS[s2]}\)" \
    l1 rm --timeout 3s "$cid"
start s2
check 'two of three are enough' settled 60 s1 s2
new=$(put l1 "$W/new")
result $? 'the same put goes on once a host is back'
check 'and is fetched' fetched l2 "$new" "$W/new"
check 'and what could not be given up now is' w l1 rm "$cid"

w s1 invite --quiet -o "$W/late"
kill9 s1
"$WREATH" --dir "$W/n6" join "$W/late" 2>"$W/said" >"$W/stdout" </dev/null &
joining=$!
OTHERS+=("$joining")
announced()
{
    grep -q "^joining through ${ADDRESS[s1]},.*${ADDRESS[s2]}.* 30 s$" "$W/said"
}
until_ok 20 announced && alive "$joining"
result $? 'join says whom it asks, and how long, before it waits'
wait "$joining"
check 'the issuer is down: join' test $? -eq 4
check 'names who answers, and who must be started' \
    complaint "^wreath:.*${ADDRESS[s2]} answers.*start it.*${ADDRESS[s1]}"
check 'with --quiet nothing is announced' \
    refused 4 '^wreath: no super-peer.*answers' n6 join --quiet "$W/super.ticket"
check 'in one line' test "$(wc -l <"$W/said")" -eq 1

kill9 s2
check 'no super-peer is reachable: put' \
    refused 4 'reach|answer' l1 put --timeout 3s "$W/new"
check 'no super-peer is reachable: get' \
    refused 4 'reach|answer' l1 get --timeout 3s "$cid" -o "$W/out/unreached"
check 'no super-peer is reachable: join' \
    refused 4 'reach|answer' n5 join "$W/super.ticket"
check 'nothing is left of any of these' nothing_at "$W/out/unreached"
check 'the command of a super-peer that does not run' \
    refused 4 'does not run; start it with' s1 status

# ---- advice ------------------------------------------------------------------------

# What is to be pasted names the directory where it was named, and not where it
# was not.
w "a host's" init --listen "$IP:0" >/dev/null
check 'a host that does not run' refused 4 'superpeer' "a host's" status
pasted=$(sed -n "s/.*start it with '\(wreath .*\)'$/\1/p" "$W/said")
w "a host's" doctor --json >"$W/findings"
grep -q superpeer <(field 'findings.*.check=running.text' <"$W/findings") &&
    [ -z "$(field 'findings.*.check=running.advice' <"$W/findings")" ]
result $? 'doctor gives the same advice, once'
mkdir "$W/bin"
ln -s "$WREATH" "$W/bin/wreath"
PATH="$W/bin:$PATH" bash -c "exec $pasted" >>"$W/pasted.log" 2>&1 </dev/null &
PID[pasted]=$!
until_ok 30 test -s "$W/a host's/run/address"
result $? 'the advice runs as it is pasted'
stop pasted
WREATH_DIR="$W/a host's" timeout 20 "$WREATH" status 2>"$W/said"
check 'without --dir the advice has none' complaint "with 'wreath superpeer'$"
plan
