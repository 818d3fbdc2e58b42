# shellcheck shell=bash
# What the tests of consumer groups share. A member is a program that prints "assigned P..." for each assignment and "P OFFSET VALUE" for each record, commits what it
# has printed, and leaves at SIGTERM. Members are launched by name (lib.sh); what they print lies in their logs.

# member_start NAME KIND GROUP TOPIC [INSTANCE]: KIND is a client that prepare_clients has made ready, skein, or libskein-ASSIGNOR
# (library.sh has compiled it).
member_start() {
	local name=$1 kind=$2 group=$3 topic=$4
	rm -f "$scratch/run/$name/log"
	case $kind in
	skein)                  launch "$name" "$skein" consume "$topic" --group "$group" --from beginning -f '%p %o %v\n' -b "$(b)" ;;
	libskein-*)             launch "$name" "$scratch/member" "${kind#libskein-}" "$(b)" "$group" "$topic" ${5:+"$5"} ;;
	confluent|kafka-python) launch "$name" "$clients/python/bin/python" "$top/tests/compat/python/consume.py" "$kind" "$(b)" "$group" "$topic" ;;
	franz|sarama|kafka-go)  launch "$name" "$clients/go/consume" "$kind" "$(b)" "$group" "$topic" ;;
	java-*)                 launch "$name" java -Xmx64m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j.configuration="file:$clients/java/log4j.properties" \
		-cp "$clients/java:$("$here/java-kafka" classpath)" Consume "${kind#java-}" "$(b)" "$group" "$topic" ${5:+"$5"} ;;
	kafkajs)                launch "$name" node "$clients/javascript/consume.js" "$(b)" "$group" "$topic" ;;
	esac
}

# member_stop NAME: it leaves, and must end well.
member_stop() {
	kill -TERM "$(pid_of "$1")"
	eventually 20 has_ended "$1"
	equal "exit code of $1" 0 "$(cat "$scratch/run/$1/rc")"
}

# The partitions NAME reads now, as it says itself; as the coordinator says where it does not tell.
assigned_to() { sed -n 's/^assigned *//p' "$scratch/run/$1/log" | tail -1; }
records_of() {
	local n
	for n; do grep -E '^[0-9]+ [0-9]+ ' "$scratch/run/$n/log" || true; done
}
count_of() { records_of "$@" | wc -l; }

# How many partitions each member has by the coordinator's word, ascending: "2 2".
members_by_coordinator() {
	"$skein" group describe --members -o ndjson "$1" -b "$(b)" 2>/dev/null |
		python3 -c 'import json, sys; print(*sorted(sum(len(p) for p in json.loads(l)["partitions"].values()) for l in sys.stdin))'
}
has_members() { [ "$(members_by_coordinator "$1")" = "$2" ]; }
has_records() { [ "$(count_of "${@:2}")" -ge "$1" ]; }

# fill TOPIC PARTITIONS FIRST LAST: each partition gets these numbers.
fill() {
	local p
	for ((p = 0; p < $2; p++)); do seq "$3" "$4" | kcat -P -b "$(b)" -t "$1" -p "$p"; done
}

# Committed and lag of all partitions: "30 0 30 0".
committed() {
	"$skein" group describe -o ndjson "$1" -b "$(b)" |
		python3 -c 'import json, sys; print(*(str(r["committed"]) + " " + str(r["lag"]) for r in sorted(map(json.loads, sys.stdin), key=lambda r: (r["topic"], r["partition"]))))'
}
has_committed() { [ "$(committed "$1")" = "$2" ]; }

# tell_of_two KIND: two members share a topic; one is killed, one leaves; a third goes on where they stood, and nothing is read twice.
tell_of_two() {
	local kind=$1 topic=group-$1 group=pair-$1 a=a-$1 b=b-$1 c=c-$1	# names of their own: a story that fails leaves its members behind
	create_topic "$(b)" "$topic" 4
	member_start $a "$kind" "$group" "$topic"
	eventually 20 has_members "$group" "4"
	member_start $b "$kind" "$group" "$topic"
	eventually 20 has_members "$group" "2 2"
	fill "$topic" 4 1 25
	eventually 20 has_records 100 $a $b
	equal "records" "100 100" "$(count_of $a $b) $(records_of $a $b | sort -u | wc -l)"
	[ "$(count_of $a)" = 50 ] && [ "$(count_of $b)" = 50 ]
	eventually 20 has_committed "$group" "25 0 25 0 25 0 25 0"	# each commits after it has printed
	kill -KILL "$(pid_of $b)"
	member_stop $a
	eventually 5 has_ended $b
	member_start $c "$kind" "$group" "$topic"
	eventually 30 has_members "$group" "4"	# when the killed one's session is over
	fill "$topic" 4 26 30
	eventually 20 has_records 20 $c
	equal "records after the restart" "20 26 30" "$(count_of $c) $(records_of $c | cut -d' ' -f3 | sort -n | sed -n '1p;$p' | xargs)"
	eventually 20 has_committed "$group" "30 0 30 0 30 0 30 0"
	member_stop $c
	eventually 10 has_members "$group" ""
	equal "committed and lag" "30 0 30 0 30 0 30 0" "$(committed "$group")"
}

# tell_of_many NAME [KIND...]: the longer form. Three members, of the kind NAME or of three kinds, of which one is killed, another stopped, and both come back, again and again,
# while records flow: each record is read. How many were read twice is only told: a member that is killed has not committed its last ones, and one whose commit meets a
# rebalance may not have either.
tell_of_many() {
	local name=$1 topic=many-$1 group=many-$1 round n dead=() lives=() kinds
	[ -n "${SKEIN_TEST_FULL:-}" ] || return 0
	if [ $# -gt 1 ]; then kinds=("${@:2}"); else kinds=("$1" "$1" "$1"); fi
	create_topic "$(b)" "$topic" 4
	for n in 0 1 2; do member_start "$name-$n.0" "${kinds[n]}" "$group" "$topic"; lives+=("$name-$n.0"); done
	launch "flow-$name" bash -c 'set -o pipefail
		for ((i = 1; i <= 60000; i++)); do [ ! -e "$1.end" ] || break; echo $i; sleep 0.01; done | tee "$1" | kcat -P -b "$2" -t "$3" -X enable.idempotence=true -X sticky.partitioning.linger.ms=0' \
		flow "$scratch/many-$name" "$(b)" "$topic"
	for round in 1 2 3; do
		n=$((round % 3))
		eventually 60 has_records $(($(count_of "${lives[n]}") + 50)) "${lives[n]}"
		kill -KILL "$(pid_of "${lives[n]}")"
		eventually 5 has_ended "${lives[n]}"
		dead+=("${lives[n]}")
		lives[n]=$name-$n.$round
		member_start "${lives[n]}" "${kinds[n]}" "$group" "$topic"
		n=$(((round + 1) % 3))
		eventually 60 has_records $(($(count_of "${lives[n]}") + 50)) "${lives[n]}"
		member_stop "${lives[n]}"
		dead+=("${lives[n]}")
		lives[n]=$name-$n.$round
		member_start "${lives[n]}" "${kinds[n]}" "$group" "$topic"
	done
	touch "$scratch/many-$name.end"
	eventually 30 has_ended "flow-$name"
	is_read() { records_of "${lives[@]}" "${dead[@]}" | cut -d' ' -f3 | sort -nu | cmp -s - "$scratch/many-$name"; }
	eventually 60 is_read
	eventually 60 has_members "$group" "1 1 2"	# who has just been started is there, and will hear that it is to end
	for n in "${lives[@]}"; do member_stop "$n"; done
	eventually 60 has_members "$group" ""
	equal "lag" "0 0 0 0" "$(committed "$group" | tr ' ' '\n' | sed -n 'n;p' | xargs)"
	echo "# $name: $(wc -l <"$scratch/many-$name") records, $(records_of "${lives[@]}" "${dead[@]}" | cut -d' ' -f1,2 | sort | uniq -d | wc -l) read more than once"
}

# prepare_clients: fetches the pinned clients of other languages, once per machine.
clients=${XDG_CACHE_HOME:-${CACHE_HOME:-$HOME}/.cache}/skein-tests/clients
prepare_client() {
	local kind=$1 from=$top/tests/compat/$1 to=$clients/$1 stamp
	stamp=$(cat "$from"/* | sha256sum | cut -d' ' -f1)
	[ "$(cat "$to/complete" 2>/dev/null)" = "$stamp" ] && return 0
	mkdir -p "$clients"
	exec 8>"$to.lock"
	flock 8			# two tests may want it at a time
	[ "$(cat "$to/complete" 2>/dev/null)" != "$stamp" ] || { exec 8>&-; return 0; }
	rm -rf "$to"
	mkdir -p "$to"
	case $kind in
	python)     python3 -m venv "$to" && timeout 300 "$to/bin/pip" install -q -r "$from/requirements.txt" ;;
	go)         (cd "$from" && HOME=$CACHE_HOME timeout 300 go build -o "$to/consume" .) ;;
	java)       javac -cp "$("$here/java-kafka" classpath)" -d "$to" "$from/Consume.java" && printf 'log4j.rootLogger=OFF\n' >"$to/log4j.properties" ;;
	streams)    HOME=$CACHE_HOME timeout 300 mvn -q -B -f "$from/pom.xml" dependency:copy-dependencies -DoutputDirectory="$to" &&
		(cd "$to" && sha256sum --strict --quiet -c "$from/jars.sha256") && javac -cp "$to/*" -d "$to" "$from/WordCount.java" &&
		printf '%s\n' 'log4j.rootLogger=WARN, out' log4j.appender.out=org.apache.log4j.ConsoleAppender log4j.appender.out.layout=org.apache.log4j.PatternLayout \
			'log4j.appender.out.layout.ConversionPattern=%d %p %c{1}: %m%n' >"$to/log4j.properties" ;;
	javascript) cp "$from"/* "$to" && (cd "$to" && HOME=$CACHE_HOME timeout 300 npm ci --silent) ;;
	*)          false ;;
	esac || { exec 8>&-; return 1; }
	echo "$stamp" >"$to/complete"
	exec 8>&-
}
client_needed() { prepare_client "$1" >"$scratch/get" 2>&1 || skip "the $1 client cannot be had: $(tail -1 "$scratch/get")"; }
