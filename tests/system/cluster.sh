# shellcheck shell=bash
# What the tests of three brokers over a real ZooKeeper share: brokers 1 to 3, known to lib.sh as b1 to b3, each in a rack of its own, and what can be asked of them.
# SKEIN_TEST_JAVA=1 makes them Java brokers.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

zk_dir=$scratch/zk
java=${SKEIN_TEST_JAVA:-}
zk() { echo "127.0.0.1:$(cat "$scratch/zk.port")"; }
znode() { local verb=$1; shift; timeout 20 python3 "$here/znodes.py" "$verb" "$(zk)" "$@"; }
has_znode() { znode get "$1" >/dev/null 2>&1; }
lacks_znode() { ! has_znode "$1"; }
cluster_ends() {
	local id
	"$here/zookeeper" stop "$zk_dir"
	for id in 1 2 3; do [ -z "$java" ] || "$here/java-kafka" stop "$scratch/run/b$id" KILL >/dev/null 2>&1; done
}

clean_up() { cluster_ends; }

settings=(zookeeper.session.timeout.ms=3000 replica.lag.time.max.ms=4000 controlled.shutdown.retry.backoff.ms=300
	auto.leader.rebalance.enable=false auto.create.topics.enable=false)

# start ID [key=value...]
start() {
	local id=$1
	shift
	if [ -n "$java" ]; then
		mkdir -p "$scratch/run/b$id"
		[ -s "$scratch/run/b$id/port" ] || free_port >"$scratch/run/b$id/port"
		java_kafka broker "$scratch/run/b$id" "$(cat "$scratch/run/b$id/port")" "$id" "$(zk)" "broker.rack=r$id" "${settings[@]}" "$@"
	else
		broker_start "b$id" "broker.id=$id" "broker.rack=r$id" "zookeeper.connect=$(zk)" "${settings[@]}" "$@"
	fi
}
stop() { if [ -n "$java" ]; then "$here/java-kafka" stop "$scratch/run/b$1"; else broker_stop "b$1"; fi; }
killed() { if [ -n "$java" ]; then "$here/java-kafka" stop "$scratch/run/b$1" KILL; else broker_kill "b$1"; fi; }
freeze() { kill -STOP "$(pid_of "b$1")"; }
thaw() { kill -CONT "$(pid_of "b$1")"; }

all_addresses() { echo "$(at b1),$(at b2),$(at b3)"; }
tool() { SKEIN_BOOTSTRAP=$(all_addresses) timeout -k 5 90 "$skein" "$@"; }
cluster() { tool cluster "$@"; }
controller() { cluster -o ndjson | sed -n 's/.*"broker":\([0-9]*\),"online":true,"controller":true.*/\1/p'; }
online() { cluster -o ndjson 2>/dev/null | grep -c '"online":true'; }
are_online() { [ "$(online)" = "$1" ] && [ -n "$(controller)" ]; }

# field TOPIC PARTITION NAME: of what topic describe says; lists as 1,2,3.
field() {
	tool topic describe "$1" -o ndjson | python3 -c '
import json, sys
for p in json.load(sys.stdin)["partitions"]:
    if p["partition"] == int(sys.argv[1]):
        v = p[sys.argv[2]]
        print(",".join(map(str, v)) if isinstance(v, list) else v)' "$2" "$3"
}
leader() { field "$1" "$2" leader; }
isr() { field "$1" "$2" isr | tr , '\n' | sort | xargs | tr ' ' ,; }
has_leader() { [ "$(leader "$1" "$2" 2>/dev/null)" = "$3" ]; }
is_led_by_another() { local l; l=$(leader "$1" "$2" 2>/dev/null) && [ -n "$l" ] && [ "$l" != -1 ] && [ "$l" != "$3" ]; }
has_isr() { [ "$(isr "$1" "$2" 2>/dev/null)" = "$3" ]; }
# Said by a broker that knows the topics: one that has just started knows none.
in_sync() { [[ $(cluster state 2>/dev/null) =~ ^all\ replicas\ of\ [1-9][0-9]*\ partitions?\ are\ in\ sync$ ]]; }

produce() { kcat -P -b "$(all_addresses)" -t "$1" -X acks=all -X message.timeout.ms=30000 "${@:2}"; }
consume() { kcat -C -b "$(all_addresses)" -t "$1" -e -q -X fetch.wait.max.ms=50 "${@:2}"; }
# holds TOPIC N: the numbers 1 to N are there, each once. A leader that has just become one shows what is committed when another replica has fetched from it, and not before.
holds() { eventually 10 reads "$@"; }
reads() {
	consume "$1" >"$scratch/read"
	sort -n "$scratch/read" | cmp - <(seq 1 "$2")
}
segments_agree() {
	local topic=$1 first second
	shift
	first=$(cat "$(data_of "b$1")/$topic"/*.log | md5sum)
	for id in "${@:2}"; do
		second=$(cat "$(data_of "b$id")/$topic"/*.log | md5sum)
		[ "$first" = "$second" ] || return 1
	done
}
needs_cluster() { [ -s "$scratch/up" ] || skip "there is no cluster"; }
# other_than ID...: the first broker that is none of these.
other_than() { local id; for id in 1 2 3; do [[ " $* " == *" $id "* ]] || { echo "$id"; return; }; done; }

# cluster_begins: a ZooKeeper server and the three brokers; the other stories begin with needs_cluster.
cluster_begins() {
	"$here/zookeeper" available || exit 77
	if [ -n "$java" ]; then java_needed; fi
	free_port >"$scratch/zk.port"
	"$here/zookeeper" start "$zk_dir" "$(cat "$scratch/zk.port")"
	for id in 1 2 3; do start $id; done
	eventually 20 are_online 3
	echo yes >"$scratch/up"
}
