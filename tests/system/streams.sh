# shellcheck shell=bash
# What the tests of Kafka Streams share: its word count, at least once, in two instances, of which one ends and comes back and one is killed and comes back while lines
# flow in.
#
# What can be said of the counts in the end? A killed instance may have counted what it had not yet committed, and it is counted again: count() may show more than was
# written, by no more than what the instances say they counted, and never less. So the same words also go into a state to which adding twice adds nothing, the set of
# the lines that have the word: its size is exact whatever died. A lost changelog record, a repartition topic cut too far, or a commit that was believed too early makes
# it too small. While nobody was killed count() itself is exact. And what was counted twice must have been counted before by one that was killed.

# instance NAME APP STATE: a life of an instance; the state directory outlives it.
instance() {
	launch "$1" java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j.configuration="file:$clients/streams/log4j.properties" \
		-cp "$clients/streams/*:$clients/streams" WordCount "$(b)" "$2" "$scratch/state-$3" "$2-lines" "$2-counts" "$2-distinct"
}
counted_by() { grep -c '^counted ' "$(log_of "$1")" || true; }
has_counted() { has_ended "$1" || [ "$(counted_by "$1")" -ge "$2" ]; }
# it_goes_on NAME: it counts more than it has by now, for longer than it takes to commit.
it_goes_on() {
	eventually 60 has_counted "$1" $(($(counted_by "$1") + 1500))
	fails has_ended "$1"
}
lives() { local n; for n; do [ -s "$scratch/run/$n/pid" ] && is_running "$n" || skip "$n does not run"; done; }
# All that was written has been counted and committed.
is_done() { committed "$1" | tr ' ' '\n' | awk 'NR % 2 == 0 && $1 != 0 { bad = 1 } END { exit NR != 16 || bad }'; }

# flow APP: about 300 lines a second, until flow_ends; $scratch/lines-APP is what was written.
flow() { launch "flow-$1" bash -c 'set -o pipefail; python3 "$1/streams_lines.py" "$2" 300 | tee -a "$2" | kcat -P -b "$3" -t "$4" -X enable.idempotence=true -X linger.ms=20' \
	flow "$here" "$scratch/lines-$1" "$(b)" "$1-lines"; }
flow_ends() {
	touch "$scratch/lines-$1.end"
	eventually 60 has_ended "flow-$1"
	rm "$scratch/lines-$1.end"
	equal "exit code of the writer" 0 "$(cat "$scratch/run/flow-$1/rc")"
}

# judge APP ARGS...: once all is done, what the topics hold against what was written and what the instances say.
judge() {
	local app=$1
	shift
	eventually 60 is_done "$app"
	for t in counts distinct; do kcat -C -b "$(b)" -t "$app-$t" -o beginning -e -q -f '%k %s\n' >"$scratch/$app-$t"; done
	python3 "$here/streams_judge.py" "$scratch/lines-$app" "$scratch/$app-counts" "$scratch/$app-distinct" "$@"
}
logs() { local n; for n; do log_of "$n"; done; }

# they_begin APP REPLICAS: the first two instances share the work, and the topics between them are made as they want them.
they_begin() {
	local app=$1 t
	for t in lines counts distinct; do "$skein" topic create "$app-$t" -p 4 -r "$2" -b "$(b)" >/dev/null; done
	flow "$app"
	instance "$app-a1" "$app" "$app-a"
	instance "$app-b1" "$app" "$app-b"
	eventually 60 has_members "$app" "4 4"
	it_goes_on "$app-a1"
	it_goes_on "$app-b1"
	for t in words-repartition counts-changelog lines-changelog; do "$skein" topic describe "$app-$t" -b "$(b)" -o ndjson; done >"$scratch/topics"
	python3 - "$scratch/topics" "$2" <<-'PY'
		import json, sys
		for line in open(sys.argv[1]):
		    topic = json.loads(line)
		    replicas = [len(p["replicas"]) for p in topic["partitions"]]
		    assert replicas == [int(sys.argv[2])] * 4, topic
	PY
	java_kafka configs --bootstrap-server "$(b)" --describe --entity-type topics --entity-name "$app-counts-changelog" >"$scratch/out"
	contains "$scratch/out" 'cleanup.policy=compact '
	java_kafka configs --bootstrap-server "$(b)" --describe --entity-type topics --entity-name "$app-words-repartition" >"$scratch/out"
	contains "$scratch/out" 'cleanup.policy=delete ' 'retention.ms=-1 '
}

# one_ends_and_comes_back APP: nobody has died yet, so that every count is exact.
one_ends_and_comes_back() {
	local app=$1
	lives "$app-a1" "$app-b1"
	member_stop "$app-b1"
	it_goes_on "$app-a1"
	instance "$app-b2" "$app" "$app-b"
	it_goes_on "$app-b2"
	flow_ends "$app"
	judge "$app" --exact $(logs "$app"-{a1,b1,b2})
}

# one_is_killed APP: its state directory is found again as the kill left it.
one_is_killed() {
	local app=$1
	lives "$app-a1" "$app-b2"
	flow "$app"
	it_goes_on "$app-a1"
	it_goes_on "$app-b2"
	broker_kill "$app-a1"
	it_goes_on "$app-b2"
	instance "$app-a2" "$app" "$app-a"
	it_goes_on "$app-a2"
	flow_ends "$app"
	judge "$app" --killed "$(log_of "$app-a1")" $(logs "$app"-{a1,b1,b2,a2})
}

# state_is_restored APP KILLED LIFE...: an instance with an empty directory knows from the changelogs what was counted; what was read has been deleted from the
# repartition topic. KILLED: the one that was killed, or nothing, where there are other reasons to count twice.
state_is_restored() {
	local app=$1 died=$2 start
	shift 2
	lives "$app-a2" "$app-b2"
	member_stop "$app-a2"
	member_stop "$app-b2"
	rm -r "$scratch/state-$app-a" "$scratch/state-$app-b"
	start=$(kcat -C -b "$(b)" -t "$app-words-repartition" -o beginning -e -q -c 1 -f '%o\n')
	fails [ "$start" = 0 ]
	flow "$app"
	instance "$app-c1" "$app" "$app-c"
	it_goes_on "$app-c1"
	flow_ends "$app"
	judge "$app" ${died:+--killed "$(log_of "$died")"} $(logs "$@" "$app-c1")
	member_stop "$app-c1"
}
