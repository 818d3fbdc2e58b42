#!/usr/bin/env python3
"""Change of tenant: a broker ends, cleanly or by kill -9, and one of the other kind goes on with its data directory, its broker id and its server.properties,
under load, again and again in one cluster.

   tenants.py --state DIR --workload PROGRAM --program SKEIN [--rounds N] [--seed N] [--minutes N] [--resume] [--loopback] [--config KEY=VALUE]...

A round: a new topic; clients (those of nemesis.py); one or two changes, and elections of leaders drawn; the final read. Then it is judged: the history; that all replicas of
the round's topic, of those of earlier rounds and of the internal topics are equal to their end; that what groups have committed in earlier rounds is still told; that the
producer of transactions goes on where it was. What a clean end leaves in a directory is examined before the other kind sees it, and what that one does with it afterwards.

A round that fails is the last one, and leaves everything in DIR. --resume goes on with the cluster as it lies in DIR. Exit code: 0 good, 1 not, 77 skipped.
"""
import argparse
import glob
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import checker
import nemesis
import rebuild
import replicas
from cluster import BROKERS, PARTITIONS, Missing, wire
from nemesis import EXPIRY_S, HEAL_S, STOP_S
from rebuild import decode

INTERNAL = {"__consumer_offsets": 5, "__transaction_state": 3}
TRANSACTIONS, ID, TRANSACTIONS_AT_A_TIME = "x", "tx", 4
TRIMMED, TRIMMED_AT_A_TIME = "trimmed", 20
TOPICS_KEPT = 4            # of earlier rounds
REFUSED_SHARE = 0.2        # of the rounds try transactions while skein leads their coordinator's partition
JAVA_WRONG = re.compile(r"orrupt|Could not find offset index|Deleting index files|java\.lang\.\w+Error")
JAVA_RECOVERS = re.compile(r"Recovering unflushed segment|no clean shutdown file was found")
SKEIN_WRONG = re.compile(r" (log_tail_cut|truncated_below_high_watermark|directory_offline|log_uncleanable) ")
REFUSAL = re.compile(r"does not support transactions|Unexpected error in InitProducerIdResponse; This most likely occurs because of a request being malformed")
SKEIN_RECOVERS = re.compile(r" log_recovered ")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def partitions_in(data):
    """{(topic, partition): directory}"""
    found = {}
    for name in os.listdir(data):
        parts = re.fullmatch(r"([A-Za-z0-9_]+)-(\d+)", name)
        if parts:
            found[parts[1], int(parts[2])] = os.path.join(data, name)
    return found


def checkpoint(data, name):
    """{(topic, partition): offset}"""
    return {(t, int(p)): int(off) for t, p, off in decode.decode_file(os.path.join(data, name))["entries"]}


def settled_files(data):
    """{path: digest} of what belongs to closed segments: the next tenant has no reason to write it anew."""
    found = {}
    for folder in partitions_in(data).values():
        segments = sorted(glob.glob(f"{folder}/*.log"))
        for log in segments[:-1]:
            for path in glob.glob(log[:-4] + ".*"):
                if path.endswith((".log", ".index", ".timeindex", ".txnindex")):
                    found[path] = digest(path)
    return found


def examine(data, broker, cluster_id, trimmed):
    """What a broker that has ended cleanly must leave to the next one. trimmed: {partition: (start, end)} of the topic whose records are deleted."""
    marker = os.path.join(data, ".kafka_cleanshutdown")
    if not os.path.exists(marker):
        yield f"{marker}: is not there"
    else:
        with open(marker, encoding="ascii") as f:
            if json.load(f)["version"] != 0:
                yield f"{marker}: of another version"
    with open(os.path.join(data, "meta.properties"), encoding="ascii") as f:
        said = dict(line.strip().split("=", 1) for line in f if "=" in line)
    if said != {"version": "0", "broker.id": str(broker), "cluster.id": cluster_id}:
        yield f"{data}/meta.properties says {said}"
    points, marks, starts = (checkpoint(data, name + "-offset-checkpoint") for name in ("recovery-point", "replication", "log-start"))
    for (topic, k), folder in partitions_in(data).items():
        if topic != TRIMMED:
            yield from rebuild.partition(folder)
        elif str(k) in trimmed and starts.get((topic, k)) != trimmed[str(k)][0]:
            yield f"{folder}: records were deleted up to {trimmed[str(k)][0]}, it is said to start at {starts.get((topic, k))}"
        log = replicas.Log(folder)
        end = log.batches[-1][1] + 1 if log.batches else log.start
        if points.get((topic, k)) != end:
            yield f"{folder}: ends at {end}, its recovery point is {points.get((topic, k))}"
        if not log.start <= marks.get((topic, k), -1) <= end:
            yield f"{folder}: {log.start}..{end}, its high watermark is {marks.get((topic, k))}"
        if not log.start <= starts.get((topic, k), log.start) <= end:
            yield f"{folder}: {log.start}..{end}, said to start at {starts.get((topic, k))}"
        with open(os.path.join(folder, "partition.metadata"), encoding="ascii") as f:
            if not re.fullmatch(r"version: 0\ntopic_id: [A-Za-z0-9_-]{22}", f.read().strip()):
                yield f"{folder}/partition.metadata: not readable"
    cleaned = os.path.join(data, "cleaner-offset-checkpoint")
    if os.path.exists(cleaned):
        checkpoint(data, "cleaner-offset-checkpoint")


class Tenants(nemesis.Run):
    def __init__(self, options):
        self.state_file = os.path.join(options.state, "state.json")
        options.dir, options.zookeepers, options.epochs = options.state, 1, False
        self.state = {"round": 0, "starts": 0, "kinds": ["java", "java", "skein"], "changes": {}, "topics": [], "groups": {}, "trimmed": {}, "read": [],
                      "producer": None, "is_in_doubt": False, "refused": 0, "transactions": 0}
        if os.path.exists(self.state_file):
            if not options.resume:
                sys.exit(f"{self.state_file} exists: --resume goes on, another --state begins anew")
            with open(self.state_file, encoding="ascii") as f:
                self.state = json.load(f)
        self.state["starts"] += 1
        options.broker = ",".join(self.state["kinds"])
        super().__init__(options, goes_on=True, is_mixed=True)
        self.save()

    def save(self):
        self.state["kinds"] = [self.cluster.kinds[i] for i in BROKERS]
        with open(self.state_file + ".new", "w", encoding="ascii") as f:
            json.dump(self.state, f)
        os.replace(self.state_file + ".new", self.state_file)

    # ---- a change --------------------------------------------------------------------------------------------------------------

    def cluster_id(self):
        return next(iter(self.cluster.views().values()))["ClusterId"]

    def change(self, i, how, rng):
        c, data, old = self.cluster, self.cluster.data(i), self.cluster.kinds[i]
        new, cluster_id = "skein" if old == "java" else "java", self.cluster_id()
        self.note("tenant", broker=i, how=how, kind=new)
        closed = {}
        if how == "stop":
            c.brokers[i].ask_to_stop()
            end = time.monotonic() + STOP_S
            while c.brokers[i].is_running() and time.monotonic() < end:
                c.sleep(0.1)
            if c.stop_broker(i, 1) is None:
                self.wrong.append(f"b{i}, {old}, did not stop")
                return
            self.wrong += [f"left by {old}: {w}" for w in examine(data, i, cluster_id, self.state["trimmed"])]
            closed = settled_files(data)
        else:
            c.brokers[i].kill()
            c.sleep(rng.choice([rng.uniform(0.1, 1), rng.uniform(EXPIRY_S + 1, EXPIRY_S + 2)]))
        c.settle(i, new)
        self.save()
        said = os.path.getsize(c.brokers[i].log)
        c.brokers[i].start()
        c.until(HEAL_S, c.is_whole, f"b{i} is {new} now after {how}, and the replicas are not all in sync")
        self.listen(i, how, said)
        for path, before in closed.items():
            if os.path.exists(path) and digest(path) != before:
                self.wrong.append(f"{path}, of a closed segment, was written anew by {new}")
        key = f"{old}-{how}-{new}"
        self.state["changes"][key] = self.state["changes"].get(key, 0) + 1

    def listen(self, i, how, since):
        """What the new tenant has said of what it found."""
        with open(self.cluster.brokers[i].log, "rb") as f:
            f.seek(since)
            lines = f.read().decode(errors="replace").splitlines()
        is_java = self.cluster.kinds[i] == "java"
        wrong, recovers = (JAVA_WRONG, JAVA_RECOVERS) if is_java else (SKEIN_WRONG, SKEIN_RECOVERS)
        for line in lines:
            if wrong.search(line) or (how == "stop" and recovers.search(line)):
                self.wrong.append(f"b{i} after {how}: {line[:300]}")

    def elect(self, rng):
        for wait in nemesis.elect(self.cluster, rng):
            self.cluster.sleep(wait)

    # ---- what must hold when all is quiet ---------------------------------------------------------------------------------------

    def unequal(self):
        """Every replica has everything and knows it: its high watermark is its end."""
        folders = [self.cluster.data(i) for i in BROKERS]
        topics = {**{t: PARTITIONS for t in self.state["topics"]}, **INTERNAL, TRANSACTIONS: PARTITIONS}
        wrong = []
        for topic, count in topics.items():
            ends = {k: max((log.batches[-1][1] + 1 if log.batches else log.start) for log in
                           (replicas.Log(os.path.join(f, f"{topic}-{k}")) for f in folders)) for k in range(count)}
            wrong += replicas.compare(topic, count, folders, ends)
        return wrong

    def compare(self):
        try:
            self.cluster.until(20, lambda: not self.unequal(), "the replicas are not equal")
        except TimeoutError:
            self.wrong += self.unequal()

    def committed(self, group, topic):
        """{partition: offset} as the coordinator tells it; None where it does not."""
        c = self.cluster
        for i in BROKERS:
            found = c.ask(i, "FindCoordinator", 2, {"Key": group, "KeyType": 0})
            if found and found["ErrorCode"] == 0:
                answer = c.ask(found["NodeId"], "OffsetFetch", 5, {"GroupId": group, "Topics": [{"Name": topic, "PartitionIndexes": list(range(PARTITIONS))}]})
                if answer and answer["ErrorCode"] == 0:
                    return {str(p["PartitionIndex"]): p["CommittedOffset"] for t in answer["Topics"] for p in t["Partitions"]}
        return None

    def ask_groups(self, history):
        """The round's group: at least what it was acknowledged. Those of earlier rounds: what they said then."""
        least = {}
        for commit in history.commits:
            for k, off in commit["v"].items():
                least[k] = max(off, least.get(k, -1))
        for topic in self.state["topics"]:
            group, said = f"group-{topic}", {}

            def is_told():
                said["now"] = self.committed(group, topic)
                return said["now"] is not None
            self.cluster.until(30, is_told, f"{group} has no coordinator that answers")
            before = self.state["groups"].setdefault(topic, said["now"])
            if said["now"] != before:
                self.wrong.append(f"{group} was told {before}, and is told {said['now']}")
            if topic == self.cluster.topic and any(said["now"].get(k, -1) < off for k, off in least.items()):
                self.wrong.append(f"{group} committed {least}, and is told {said['now']}")

    def trim(self):
        """A topic has its start and its end of the round before; records come at its end, and are deleted at its start."""
        c, topic = self.cluster, self.cluster.topic
        c.topic = TRIMMED
        for k in range(PARTITIONS):
            found = {}

            def is_led():
                found["by"] = c.leader(k)
                return found["by"] is not None
            c.until(30, is_led, f"{TRIMMED}-{k} has no leader")
            spans = [c.ask(found["by"], "ListOffsets", 4, {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [
                {"Name": TRIMMED, "Partitions": [{"PartitionIndex": k, "CurrentLeaderEpoch": -1, "Timestamp": when}]}]}) for when in (-2, -1)]
            now, before = [s["Topics"][0]["Partitions"][0]["Offset"] for s in spans], self.state["trimmed"].get(str(k), [0, 0])
            if now != before:
                self.wrong.append(f"{TRIMMED}-{k} had the offsets {before}, has {now}")
            client = wire.connect(c.address(found["by"]))
            error, base = wire.produce(client, TRIMMED, k, wire.plain_batch([b"%d" % i for i in range(TRIMMED_AT_A_TIME)]))
            start, end = base + TRIMMED_AT_A_TIME // 2, base + TRIMMED_AT_A_TIME
            answer = wire.ask(client, "DeleteRecords", 1, {"TimeoutMs": 10000, "Topics": [
                {"Name": TRIMMED, "Partitions": [{"PartitionIndex": k, "Offset": start}]}]})
            client.close()
            errors = (error, answer["Topics"][0]["Partitions"][0]["ErrorCode"])
            if errors != (0, 0):
                self.wrong.append(f"{TRIMMED}-{k}: records were not taken or deleted: errors {errors}")
            self.state["trimmed"][str(k)] = [start, end]
            self.save()
        c.topic = topic

    # ---- transactions ----------------------------------------------------------------------------------------------------------

    def coordinators(self):
        """The leaders of __transaction_state, or {} when a broker does not know the topic."""
        view = next(iter(self.cluster.views()))
        answer = self.cluster.ask(view, "Metadata", 10, {"Topics": [{"Name": "__transaction_state"}], "AllowAutoTopicCreation": False})
        return {p["PartitionIndex"]: p["LeaderId"] for t in (answer or {"Topics": []})["Topics"] for p in t["Partitions"]}

    def lead_transactions(self, kind, rng):
        c = self.cluster
        these = [b for b in BROKERS if c.kinds[b] == kind]
        wanted = {k: rng.choice(these) for k in range(INTERNAL["__transaction_state"])}

        order = {k: [b] + [other for other in BROKERS if other != b] for k, b in wanted.items()}

        def they_lead():
            nemesis.assign(c, order, "__transaction_state")
            c.ask_controller("ElectLeaders", 2, {"ElectionType": 0, "TimeoutMs": 5000, "TopicPartitions": [
                {"Topic": "__transaction_state", "Partitions": list(wanted)}]})
            c.sleep(0.5)
            return self.coordinators() == wanted
        c.until(30, they_lead, f"{wanted} do not lead the coordinators of transactions")

    def first_transactions(self):
        """A Java broker makes their topic when it is asked for a coordinator."""
        c = self.cluster
        java = next(b for b in BROKERS if c.kinds[b] == "java")

        def is_there():
            c.ask(java, "FindCoordinator", 2, {"Key": ID, "KeyType": 1})
            c.ask(java, "FindCoordinator", 2, {"Key": "group-0", "KeyType": 0})
            return len(self.coordinators()) == INTERNAL["__transaction_state"]
        c.until(30, is_there, "there is no topic of transactions")
        for c.topic in (TRANSACTIONS, TRIMMED):
            c.create_topic()

    def transact(self, rng):
        """Java's coordinator goes on with what it finds in replicas that skein has written; where skein leads they are refused."""
        kinds = self.cluster.kinds.values()
        is_refused = "java" not in kinds or ("skein" in kinds and rng.random() < REFUSED_SHARE)
        self.lead_transactions("skein" if is_refused else "java", rng)
        was_in_doubt, self.state["is_in_doubt"] = self.state["is_in_doubt"], True
        self.save()
        done = subprocess.run(self.java("transact", self.cluster.bootstrap, TRANSACTIONS, str(PARTITIONS), ID, str(TRANSACTIONS_AT_A_TIME)),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90)
        if is_refused:
            if not REFUSAL.search(done.stderr):
                self.wrong.append(f"transactions whose coordinator is skein were not refused: {done.stderr[-300:]}")
            self.state["refused"] += 1
            self.state["is_in_doubt"] = was_in_doubt
            return
        lines = [line for line in done.stdout.splitlines() if line.startswith("{\"producer_id\"")]
        if done.returncode != 0 or not lines:
            self.wrong.append(f"transactions failed: {done.stderr[-600:]}")
            return
        said, before = json.loads(lines[0]), self.state["producer"]
        if before and (said["producer_id"] != before[0] or said["epoch"] <= before[1]):
            self.wrong.append(f"{ID} was producer {before[0]} of epoch {before[1]}, is {said['producer_id']} of epoch {said['epoch']}")
        if said["offset"] != said["told"]:
            self.wrong.append(f"offset {said['offset']} was committed in a transaction, {said['told']} is told")
        self.state["producer"], self.state["read"] = [said["producer_id"], said["epoch"]], self.state["read"] + said["committed"]
        if was_in_doubt and set(said["read"]) > set(self.state["read"]):     # of a round that was interrupted within its transactions
            self.state["read"] = said["read"]
        if sorted(said["read"]) != sorted(self.state["read"]):
            self.wrong.append(f"{len(self.state['read'])} records were committed in transactions, {len(said['read'])} others, or more or less, are read")
        self.state["is_in_doubt"] = False
        self.state["transactions"] += TRANSACTIONS_AT_A_TIME

    # ---- a round ---------------------------------------------------------------------------------------------------------------

    def begin(self):
        self.cluster.start()
        if self.state["round"] == 0 and not self.coordinators():
            self.first_transactions()

    def next_change(self, rng):
        """Any broker, but the only one that can be controller."""
        eligible = [b for b in BROKERS if self.cluster.kinds[b] == "java" or "controller.eligible=false" not in self.options.config]
        return rng.choice([b for b in BROKERS if eligible != [b]])

    def round(self, number):
        c, rng = self.cluster, random.Random(self.options.seed * 1000003 + number)
        c.topic = f"t{number}a{self.state['starts']}"
        folder = self.path(f"round-{number}")
        shutil.rmtree(folder, ignore_errors=True)            # of a round that was interrupted
        os.makedirs(folder)
        self.faults.close()
        self.faults = open(self.path("faults.jsonl"), "w", encoding="ascii", buffering=1)
        self.said, begun = [], time.monotonic()
        c.create_topic()
        self.state["topics"].append(c.topic)
        clients = self.begin_load(folder, 600)
        try:
            c.sleep(2)
            for _ in range(rng.choice([1, 2])):
                self.change(self.next_change(rng), rng.choice(["stop", "kill"]), rng)
                if rng.random() < 0.6:
                    self.elect(rng)
            c.until(HEAL_S, c.is_whole, "the replicas are not all in sync")
            self.note("healed")
            c.sleep(self.afterwards())
            self.end_load(clients)
        finally:
            for p in clients:
                p.kill()
                p.wait()
        self.final_read(folder)
        self.judge_history(folder)
        history = checker.History(checker.read_lines(*sorted(glob.glob(f"{folder}/*.jsonl"))))
        self.ask_groups(history)
        self.transact(rng)
        self.compare()
        self.trim()
        self.wrong += c.wrong
        if not self.wrong:
            self.forget(folder)
        self.say(number, begun)

    def forget(self, folder):
        """What a good round wrote, and the oldest topic."""
        shutil.rmtree(folder)
        while len(self.state["topics"]) > TOPICS_KEPT:
            topic = self.state["topics"].pop(0)
            self.state["groups"].pop(topic, None)

            def is_gone():
                self.cluster.ask_controller("DeleteTopics", 5, {"TimeoutMs": 5000, "TopicNames": [topic]})
                return not glob.glob(self.cluster.folder + f"/b*/data/{topic}-[0-9]")
            self.cluster.until(30, is_gone, f"topic {topic} is not deleted")

    def say(self, number, begun):
        kinds = ",".join(self.cluster.kinds[i] for i in BROKERS)
        print(f"round {number}: {'FAILED' if self.wrong else 'good'}, now {kinds}; {'; '.join(self.said)}; {time.monotonic() - begun:.0f} s", flush=True)

    def summary(self):
        s = self.state
        changes = ", ".join(f"{n} {what}" for what, n in sorted(s["changes"].items()))
        print(f"{s['round']} rounds: {sum(s['changes'].values())} changes ({changes}); {s['transactions']} transactions, {s['refused']} times refused by skein")

    def tell(self):
        o, end = self.options, time.monotonic() + self.options.minutes * 60
        self.begin()
        while self.state["round"] < o.rounds and not self.wrong:
            if time.monotonic() > end:
                print(f"# the time is over before round {self.state['round'] + 1}; --resume --state {o.state} goes on")
                break
            self.round(self.state["round"] + 1)
            if not self.wrong:
                self.state["round"] += 1
                self.save()
        cluster_id = self.cluster_id()
        self.stop()
        for i in BROKERS:
            self.wrong += [f"at the end: {w}" for w in examine(self.cluster.data(i), i, cluster_id, self.state["trimmed"])]
        self.wrong += [w for w in self.cluster.wrong if w not in self.wrong]


def arguments():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--state", required=True)
    a.add_argument("--workload", required=True)
    a.add_argument("--program", required=True)
    a.add_argument("--rounds", type=int, default=50)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--rate", type=int, default=60)
    a.add_argument("--minutes", type=float, default=24 * 60)
    a.add_argument("--resume", action="store_true")
    a.add_argument("--loopback", action="store_true")
    a.add_argument("--config", action="append", default=[])
    return a.parse_args()


def main():
    options = arguments()
    try:
        run = Tenants(options)
    except Missing as e:
        print(f"skipped: {e}\n0 passed, 0 failed, 1 skipped")
        return 77
    nemesis.guard(run)
    run.summary()
    print(f"{run.state['round']} passed, {1 if run.wrong else 0} failed, 0 skipped")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
