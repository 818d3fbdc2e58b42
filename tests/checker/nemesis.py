#!/usr/bin/env python3
"""One history: a cluster of three brokers, clients, faults drawn from a seed, healing, the final read, and the judgement.

   nemesis.py --dir DIR --workload PROGRAM [--broker skein|java|mixed|KIND,KIND,KIND] [--program SKEIN] [--seed N] [--seconds N] [--rate N]
              [--zookeepers 1|3] [--faults NAME,...] [--loopback] [--epochs] [--steps N] [--config KEY=VALUE]...

In DIR, which must not exist: histories/*.jsonl (clients), faults.jsonl (what was done to the cluster), b1..b3, zk1..
(configuration, log, data), workload.log. One line on stdout tells the outcome, before it what is wrong. Exit code: 0 good, 1 an anomaly, 77 skipped.

--epochs: idempotent producers alone; it is told which kind of broker made them take new epochs (epochs.py). A fault named twice comes twice as often.
A seed determines what is planned: faults, targets, lengths. What the cluster makes of it is not repeatable.
"""
import argparse
import glob
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import checker
import epochs
import rebuild
import replicas
from cluster import BROKERS, PARTITIONS, SESSION_TIMEOUT_MS, TOPIC, Cluster, Missing, now_ns

ELECTED = {"skein": "controller_elected", "java": "successfully elected as the controller"}     # what their logs say
FORGOT = re.compile(r"Out of order sequence number for producer \d+ at offset \d+ in partition (\S+)-(\d+): (\d+) \(incoming seq\. number\), (\d+) \(current end")
CHURN = "churn"        # what topics that come and go are called
EXPIRY_S = SESSION_TIMEOUT_MS / 1000
HEAL_S = 60            # from the last fault to all replicas in sync, under load
AFTERWARDS_S = 4       # of load when all is healed: everybody must get on
GROUP_S = 8            # as much longer where there is a group: its dead members must be missed first
STOP_S = 20
CLIENTS_BEGIN_S = 180  # a Java client takes some seconds, and some more on a busy machine
CLIENTS_END_S = 90     # more than workload.c's FLUSH_S
SINGLE_RATE = 30       # records per second of single.py
HERE = os.path.dirname(os.path.abspath(__file__))


# ---- faults: generators. Each yields how long to wait for its next step, and undoes at its end what it did. ------------------------

def some_broker(c, rng):
    """One that no other fault has in hand: any, the leader of some partition, or the controller. None: none free."""
    what = rng.choice(["any", "leader", "controller"])
    i = {"any": lambda: None, "leader": lambda: c.leader(rng.randrange(PARTITIONS)), "controller": c.controller}[what]()
    free = [b for b in BROKERS if b not in c.in_hand]
    pick = rng.choice(BROKERS)
    return i if i in free else pick if pick in free else free[0] if free else None


def with_broker(fault):
    """A fault of one broker, which nobody else touches meanwhile."""
    def of_some_broker(c, rng):
        i = some_broker(c, rng)
        if i is None:
            return
        c.in_hand.add(i)
        c.note("fault", name=fault.__name__, broker=i)
        try:
            yield from fault(c, rng, i)
        finally:
            c.in_hand.discard(i)
    of_some_broker.__name__ = fault.__name__
    return of_some_broker


@with_broker
def kill(c, rng, i):
    """Comes back before its session expires, or after."""
    c.brokers[i].kill()
    yield rng.choice([rng.uniform(0.2, 1.5), rng.uniform(EXPIRY_S + 1, EXPIRY_S + 3)])
    c.brokers[i].start()
    yield 1


@with_broker
def pause(c, rng, i):
    c.brokers[i].pause()
    yield rng.choice([rng.uniform(0.3, 2), rng.uniform(EXPIRY_S + 1, EXPIRY_S + 4)])
    c.brokers[i].resume()
    yield 1


@with_broker
def stop(c, rng, i):
    """The clean stop, which moves leaderships first."""
    c.brokers[i].ask_to_stop()
    yield rng.uniform(2, 5)
    c.stop_broker(i, STOP_S)
    c.brokers[i].start()
    yield 1


def kill_all(c, rng):
    taken = [i for i in BROKERS if i not in c.in_hand]
    c.in_hand.update(taken)
    c.note("fault", name="kill_all", brokers=taken)
    for i in taken:
        c.brokers[i].kill()
    yield rng.uniform(0.2, 2)
    for i in rng.sample(taken, len(taken)):
        c.brokers[i].start()
        yield rng.uniform(0, 1)
    c.in_hand.difference_update(taken)
    yield 2


def some_zookeeper(c, rng):
    free = [n for n in c.zk_names if n not in c.in_hand]
    return rng.choice(free) if free else None


def zookeeper_kill(c, rng):
    name = some_zookeeper(c, rng)
    if name is None:
        return
    c.in_hand.add(name)
    c.note("fault", name="zookeeper_kill", process=name)
    c.zookeepers[name].kill()
    yield rng.uniform(0.5, EXPIRY_S + 2)
    c.zookeepers[name].start()
    c.in_hand.discard(name)
    yield 1


def zookeeper_pause(c, rng):
    name = some_zookeeper(c, rng)
    if name is None:
        return
    c.in_hand.add(name)
    c.note("fault", name="zookeeper_pause", process=name)
    c.zookeepers[name].pause()
    yield rng.uniform(0.5, EXPIRY_S + 2)
    c.zookeepers[name].resume()
    c.in_hand.discard(name)
    yield 1


def cuts(c, name, pairs, rng, seconds):
    """pairs: (sender, receiver) whose packets are lost for so long."""
    pairs = [p for p in pairs if p not in c.in_hand]
    c.in_hand.update(pairs)
    c.note("fault", name=name, cuts=[f"{a}>{b}" for a, b in pairs])
    for a, b in pairs:
        c.network.cut(a, b)
    yield seconds
    for a, b in pairs:
        c.network.mend(a, b)
    c.in_hand.difference_update(pairs)
    yield 0.5


def both_ways(a, others):
    return [(a, b) for b in others] + [(b, a) for b in others]


def length(rng):
    return rng.choice([rng.uniform(0.5, 2), rng.uniform(EXPIRY_S, EXPIRY_S + 4)])


def cut_link(c, rng):
    """One link of three: the two still see everybody else."""
    a, b = rng.sample(BROKERS, 2)
    yield from cuts(c, "cut_link", both_ways(f"b{a}", [f"b{b}"]), rng, length(rng))


def cut_one_way(c, rng):
    a, b = rng.sample(BROKERS, 2)
    yield from cuts(c, "cut_one_way", [(f"b{a}", f"b{b}")], rng, length(rng))


def cut_from_peers(c, rng):
    """It keeps its session and its clients: a leader that nobody replicates."""
    a = rng.choice(BROKERS)
    yield from cuts(c, "cut_from_peers", both_ways(f"b{a}", [f"b{b}" for b in BROKERS if b != a]), rng, length(rng))


def cut_from_zookeeper(c, rng):
    """Its session expires while clients and peers still reach it: the zombie."""
    a = rng.choice(BROKERS)
    yield from cuts(c, "cut_from_zookeeper", both_ways(f"b{a}", c.zk_names), rng, rng.uniform(EXPIRY_S, EXPIRY_S + 4))


def cut_off(c, rng):
    """From all servers; clients still reach it."""
    a = rng.choice(BROKERS)
    others = [f"b{b}" for b in BROKERS if b != a] + c.zk_names
    yield from cuts(c, "cut_off", both_ways(f"b{a}", others), rng, length(rng))


def deaf(c, rng):
    """It hears nobody, and goes on speaking."""
    a = rng.choice(BROKERS)
    others = [f"b{b}" for b in BROKERS if b != a] + c.zk_names
    yield from cuts(c, "deaf", [(b, f"b{a}") for b in others], rng, length(rng))


def flap(c, rng):
    a, b = rng.sample(BROKERS, 2)
    for _ in range(rng.randrange(3, 8)):
        yield from cuts(c, "flap", both_ways(f"b{a}", [f"b{b}"]), rng, rng.uniform(0.05, 0.4))


def elect(c, rng):
    """Other preferred leaders, and the election that makes them lead."""
    order = {k: rng.sample(BROKERS, len(BROKERS)) for k in range(PARTITIONS)}
    answer = assign(c, order)
    yield 0.5
    elected = c.ask_controller("ElectLeaders", 2, {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 5000})
    c.note("fault", name="elect", order=order, reassignment=answer, election=elected and elected["ErrorCode"])
    yield 1


def shrink_and_grow(c, rng):
    """A replica is taken from each partition, and given back."""
    answer = assign(c, {k: rng.sample(BROKERS, 2) for k in range(PARTITIONS)})
    c.note("fault", name="shrink_and_grow", answer=answer)
    yield rng.uniform(1, 4)
    c.note("grow", answer=assign(c, {k: list(BROKERS) for k in range(PARTITIONS)}))
    yield 1


def assign(c, replicas_of, topic=None):
    """Asks for these replica lists; the error codes, or None without an answer."""
    body = {"TimeoutMs": 5000, "Topics": [{"Name": topic or c.topic, "Partitions": [
        {"PartitionIndex": k, "Replicas": list(r)} for k, r in replicas_of.items()]}]}
    answer = c.ask_controller("AlterPartitionReassignments", 0, body)
    return answer and [answer["ErrorCode"]] + [p["ErrorCode"] for t in answer["Responses"] for p in t["Partitions"]]


def churn(c, rng):
    """A topic that comes, grows and goes, while whatever else happens to its brokers and its controller."""
    name = f"{CHURN}{rng.randrange(10**9)}"
    topic = {"Name": name, "NumPartitions": rng.randrange(1, 20), "ReplicationFactor": rng.randrange(1, 4), "Assignments": [], "Configs": []}
    made = c.ask_controller("CreateTopics", 5, {"Topics": [topic], "timeoutMs": 3000, "validateOnly": False})
    yield rng.uniform(0.1, 2)
    grown = c.ask_controller("CreatePartitions", 2, {"TimeoutMs": 3000, "ValidateOnly": False, "Topics": [{"Name": name, "Count": 20, "Assignments": None}]})
    yield rng.uniform(0.1, 2)
    gone = c.ask_controller("DeleteTopics", 4, {"TopicNames": [name], "TimeoutMs": 3000})
    c.note("fault", name="churn", topic=name, made=made and made["Topics"][0]["ErrorCode"], grown=grown and grown["Results"][0]["ErrorCode"],
           gone=gone and gone["Responses"][0]["ErrorCode"])
    yield 0.5


def configure(c, rng):
    """Changes of the topic's configuration that its records outlive; how its log is cut and indexed is another."""
    values = {"segment.bytes": rng.choice(["100000", "300000"]), "index.interval.bytes": rng.choice(["200", "1000", "4096"]),
              "retention.ms": rng.choice(["-1", "604800000"])}
    answer = c.ask_controller("IncrementalAlterConfigs", 1, {"ValidateOnly": False, "Resources": [{
        "ResourceType": 2, "ResourceName": c.topic, "Configs": [{"Name": k, "ConfigOperation": 0, "Value": v} for k, v in values.items()]}]})
    c.note("fault", name="configure", values=values, answer=answer and answer["Responses"][0]["ErrorCode"])
    yield 1


@with_broker
def tenant(c, rng, i):
    """Stopped or killed; what starts in its place is the other kind."""
    how = rng.choice(["stop", "kill"])
    if how == "stop":
        c.brokers[i].ask_to_stop()
        yield rng.uniform(1, 4)
        c.stop_broker(i, STOP_S)
    else:
        c.brokers[i].kill()
        yield rng.choice([0.2, rng.uniform(EXPIRY_S + 1, EXPIRY_S + 3)])
    c.settle(i, "java" if c.kinds[i] == "skein" else "skein")
    c.note("settled", broker=i, kind=c.kinds[i], how=how)
    c.brokers[i].start()
    yield 5


# name: (how often, what it needs: links that can be cut, brokers of both kinds)
FAULTS = {
    kill: (4, None), pause: (4, None), stop: (2, None), kill_all: (1, None), zookeeper_kill: (2, None), zookeeper_pause: (1, None),
    elect: (2, None), shrink_and_grow: (2, None), churn: (3, "mixed"), configure: (1, "mixed"), cut_link: (2, "links"), cut_one_way: (3, "links"),
    cut_from_peers: (2, "links"), cut_from_zookeeper: (2, "links"), cut_off: (2, "links"), deaf: (1, "links"), flap: (1, "links"),
    tenant: (5, "mixed"),
}


class Plan:
    """Up to two faults at a time. step() begins and ends what is due."""

    def __init__(self, cluster, rng, names):
        self.cluster, self.rng, self.running, self.count = cluster, rng, [], 0
        self.next_at = time.monotonic() + 2
        known = {f.__name__: f for f in FAULTS}
        chosen = [known[n] for n in names] if names else list(FAULTS)
        there = {None, "links" if cluster.network.has_links else None, "mixed" if cluster.is_mixed else None}
        self.choice = [f for f in chosen if FAULTS[f][1] in there]
        self.weights = [FAULTS[f][0] for f in self.choice]

    def step(self):
        now = time.monotonic()
        for pair in [p for p in self.running if p[0] <= now]:
            self._advance(pair)
        if now >= self.next_at:
            if len(self.running) < 2:
                fault = self.rng.choices(self.choice, self.weights)[0](self.cluster, random.Random(self.rng.random()))
                self.count += 1
                self._advance([now, fault])
            self.next_at = now + self.rng.choice([self.rng.uniform(0.5, 2), self.rng.uniform(3, 6)])

    def _advance(self, pair):
        if pair in self.running:
            self.running.remove(pair)
        wait = next(pair[1], None)
        if wait is not None:
            self.running.append([time.monotonic() + wait, pair[1]])

    def one(self):
        """A fault from its beginning to its end; then, when all replicas are in sync, other leaders are elected."""
        self.count += 1
        for fault in (self.rng.choices(self.choice, self.weights)[0], elect):
            for wait in fault(self.cluster, random.Random(self.rng.random())):
                self.cluster.sleep(wait)
            try:
                self.cluster.until(HEAL_S, self.cluster.is_whole, "the replicas are not all in sync")
            except TimeoutError as e:
                self.cluster.note("not whole", why=str(e))

    def end(self):
        """All that runs comes to its end without waiting."""
        while self.running:
            self._advance(self.running[0])


# ---- one history -----------------------------------------------------------------------------------------------------------------

def kinds_of(options):
    """{broker: kind}; mixed is one or two of each."""
    if options.broker != "mixed":
        return dict(zip(BROKERS, options.broker.split(",") if "," in options.broker else [options.broker] * len(BROKERS), strict=True))
    rng = random.Random(options.seed)
    kinds = ["skein", "java", rng.choice(["skein", "java"])]
    rng.shuffle(kinds)
    return dict(zip(BROKERS, kinds))


class Run:
    def __init__(self, options, goes_on=False, is_mixed=False):
        self.options, self.dir = options, os.path.abspath(options.dir)
        os.makedirs(self.dir, exist_ok=goes_on)
        self.faults = open(self.path("faults.jsonl"), "a", encoding="ascii", buffering=1)
        self.wrong, self.said = [], []
        self.cluster = Cluster(self.dir, kinds_of(options), options.program, self.note, options.zookeepers, not options.loopback,
                               dict(c.split("=", 1) for c in options.config), is_mixed)
        self.cluster.in_hand = set()

    def path(self, name):
        return os.path.join(self.dir, name)

    def count(self, log, text):
        with open(self.path(log), encoding="utf-8", errors="replace") as f:
            return sum(text in line for line in f)

    def note(self, what, **more):
        self.faults.write(json.dumps({"t": now_ns(), "f": what, **more}) + "\n")

    def client(self, program, *args):
        more = {"WORKLOAD_DEBUG": "eos", "WORKLOAD_IDEMPOTENT_ONLY": "1"} if self.options.epochs else {}
        with open(self.path("workload.log"), "ab") as log:
            return subprocess.Popen([*program, *map(str, args)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **more})

    def java(self, *args):
        """JavaLoad.java with these arguments, as a command."""
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j.configuration=file:{self.cluster.folder}/b1/log4j.properties",
                "-cp", self.cluster.classpath, os.path.join(HERE, "JavaLoad.java"), *args]

    def begin_load(self, folder, seconds):
        """Clients whose histories go to that folder; those of Java only where brokers of both kinds are."""
        c, o = self.cluster, self.options
        clients = [([o.workload], o.rate, "history"), ([os.path.join(HERE, "single.py")], SINGLE_RATE, "single")]
        if o.epochs:
            clients = clients[:1]
        elif c.is_mixed:
            clients.append((self.java(), o.rate, "java"))
        begun = [self.client(program + ["run"] * (name != "single"), c.bootstrap, c.topic, PARTITIONS, seconds, rate, o.seed, f"{folder}/{name}.jsonl")
                 for program, rate, name in clients]
        files = [f"{folder}/{name}.jsonl" for _, _, name in clients]
        try:
            c.until(CLIENTS_BEGIN_S, lambda: all(os.path.exists(f) and os.path.getsize(f) > 0 for f in files), "the clients have not begun")
        except TimeoutError:
            for p in begun:
                p.kill()
            raise
        return begun

    @staticmethod
    def afterwards():
        """So long everybody may take to get on when all is healed: longer where others keep the processors busy."""
        return AFTERWARDS_S * min(max(1, os.getloadavg()[0] / os.cpu_count() / 2), 10)

    def end_load(self, clients):
        for p in clients:
            p.send_signal(signal.SIGTERM)
        if any([p.wait(CLIENTS_END_S) != 0 for p in clients]):
            self.wrong.append("a client failed, see workload.log")

    def final_read(self, folder):
        o, c = self.options, self.cluster
        reader = self.client([o.workload], "read", c.bootstrap, c.topic, PARTITIONS, 30, f"{folder}/history.jsonl")
        if reader.wait(60) != 0:
            self.wrong.append("the final read did not come to its end")

    def note_what_java_forgot(self):
        """See checker.py: a sequence number that was refused though it lies behind the newest one, which makes it a repetition."""
        for i in BROKERS:
            with open(self.path(f"b{i}/log"), encoding="utf-8", errors="replace") as f:
                for topic, partition, came, newest in FORGOT.findall(f.read()):
                    if topic == self.cluster.topic and int(came) <= int(newest):
                        self.note("forgot", broker=i, partition=int(partition), came=int(came), newest=int(newest))

    def judge_history(self, folder):
        """The end of each partition as a client has seen it; None where it has not come to that."""
        self.note_what_java_forgot()
        events = checker.read_lines(*sorted(glob.glob(f"{folder}/*.jsonl")))
        anomalies, excused, h = checker.check(events, checker.read_lines(self.path("faults.jsonl")))
        checker.report(anomalies)
        self.said.append(checker.summary(h, anomalies, excused)[2:])
        self.wrong += [f"{a.kind}: {a.text}" for a in anomalies[:1]]
        return h.ends and {k: high for k, (_, high) in h.ends.items()}

    def tell(self):
        """The whole story; what is wrong is left in self.wrong."""
        c, o, folder = self.cluster, self.options, self.path("histories")
        os.makedirs(folder)
        c.start()
        c.create_topic()
        clients = self.begin_load(folder, o.seconds + HEAL_S + 60)
        try:
            plan = Plan(c, random.Random(o.seed), o.faults.split(",") if o.faults else None)
            end = time.monotonic() + o.seconds
            while time.monotonic() < end and not 0 < o.steps <= plan.count:
                if o.steps:
                    plan.one()
                else:
                    plan.step()
                    c.sleep(0.05)
            self.heal(plan)
            self.end_load(clients)
        finally:
            for p in clients:
                p.kill()
                p.wait()
        c.sleep(1)
        self.final_read(folder)
        c.sleep(1.5)                                   # the followers' high watermarks, and their checkpoints
        self.stop()
        self.judge(folder)

    def heal(self, plan):
        c, begun = self.cluster, time.monotonic()
        self.note("heal")
        plan.end()
        c.network.heal()
        for p in c.processes():
            p.resume()
            if not p.wanted:
                p.start()

        def is_whole():
            if c.is_whole():
                return True
            view = next(iter(c.views().values()), None)
            short = [k for k, s in (c.partitions(view) if view else {}).items() if len(s[3]) < len(BROKERS)]
            if short:
                self.note("grow", answer=assign(c, {k: list(BROKERS) for k in short}))
            return False
        try:
            c.until(HEAL_S, is_whole, "the replicas are not all in sync")
            c.until(HEAL_S, self.is_tidy, "topics that came and went are not gone")
            self.note("healed")
            self.said.append(f"{plan.count} faults, healed in {time.monotonic() - begun:.1f} s")
            c.sleep(self.afterwards() + (GROUP_S if c.is_mixed else 0))
        except TimeoutError as e:
            self.wrong.append(f"{e}: {c.tell_views()}")
            self.said.append(f"{plan.count} faults, not healed")

    def is_tidy(self):
        """No broker knows of a topic that churn has made, or has a directory of one. What nobody has been asked to delete is deleted now."""
        c = self.cluster
        names = {n for i in BROKERS for n in c.topics(i) if n.startswith(CHURN)}
        if names:
            c.ask_controller("DeleteTopics", 4, {"TopicNames": sorted(names), "TimeoutMs": 3000})
        return not names and not any(n.startswith(CHURN) and not n.endswith(("-delete", "-stray")) for i in BROKERS for n in os.listdir(c.data(i)))

    def stop(self):
        """At the same time: what holds then holds after any order."""
        for i in BROKERS:
            self.cluster.brokers[i].ask_to_stop()
        for i in BROKERS:
            code = self.cluster.stop_broker(i, STOP_S)
            if code and self.cluster.kinds[i] == "skein":
                self.wrong.append(f"b{i} did not stop cleanly: exit {code}")

    def judge(self, folder):
        self.wrong += self.cluster.wrong
        elected = {kind: sum(self.count(f"b{i}/log", text) for i in BROKERS) for kind, text in ELECTED.items()}
        self.said.append("controllers: " + ", ".join(f"{n} {kind}" for kind, n in elected.items() if n))
        if self.cluster.ended_by_themselves:
            self.said.append(f"{self.cluster.ended_by_themselves} servers ended by themselves")
        if self.options.epochs:
            self.said.append(epochs.summary(epochs.read(self.path("workload.log"), self.path("faults.jsonl"), kinds_of(self.options))))
        ends = self.judge_history(folder)
        if ends is not None:
            self.wrong += replicas.compare(TOPIC, PARTITIONS, [self.cluster.data(i) for i in BROKERS], ends)
        for i in BROKERS:
            for k in range(PARTITIONS):
                self.wrong += rebuild.partition(os.path.join(self.cluster.data(i), f"{TOPIC}-{k}"))


def arguments():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--dir", required=True)
    a.add_argument("--workload", required=True)
    a.add_argument("--broker", default="skein", help="skein, java, mixed (of both), or a kind for each broker: java,java,skein")
    a.add_argument("--program", default="skein")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--seconds", type=int, default=25)
    a.add_argument("--rate", type=int, default=60)
    a.add_argument("--zookeepers", type=int, choices=[1, 3], default=1)
    a.add_argument("--faults", default="")
    a.add_argument("--steps", type=int, default=0, help="so many faults, one at a time, within --seconds")
    a.add_argument("--loopback", action="store_true")
    a.add_argument("--epochs", action="store_true")
    a.add_argument("--config", action="append", default=[])
    return a.parse_args()


def guard(run):
    """Runs it to its end and tells what is wrong. All that was started has ended afterwards."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        run.tell()
    except (RuntimeError, OSError, ValueError, KeyError, AssertionError, subprocess.SubprocessError) as e:   # OSError: TimeoutError too
        run.wrong.append(f"{type(e).__name__}: {e}")
    finally:
        run.cluster.close()
    for line in run.wrong:
        print("  " + line)


def main():
    options, begun = arguments(), time.monotonic()
    try:
        run = Run(options)
    except Missing as e:
        print(f"skipped: {e}")
        return 77
    guard(run)
    print(f"seed {options.seed}: {'FAILED' if run.wrong else 'good'}, {'; '.join(run.said)}"
          f"{'' if run.cluster.network.has_links else ', links not cut (loopback)'}, {time.monotonic() - begun:.0f} s")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
