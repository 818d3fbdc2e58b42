#!/usr/bin/env python3
"""The checker's own test: clean histories from a small model give no anomaly, and each anomaly put into one is found.

   checker_test.py [SEEDS]     histories per kind of anomaly (default 60)

The model is a cluster that keeps its promises, seen from outside: logs per partition, records that are acknowledged, refused, given up
(there or not), sent twice by a producer that may, lost by one that wants no promise; consumers that begin anew; the final read. Each
mutation changes a few lines of its history as a broken broker would have, and names the kind that must be among the findings.
"""
import copy
import random
import sys

import checker

PARTITIONS = 3
CONSUMERS = 2


class Model:
    """Makes the events of one history. self.logs[k] is what the final read finds."""

    def __init__(self, seed):
        self.random, self.now, self.events = random.Random(seed), 1000, []
        self.logs = [[] for _ in range(PARTITIONS)]
        self.numbers, self.shown, self.last_sent = {}, {}, {}
        for kind in checker.PROMISES:
            for i in range(2):
                self.numbers[f"{kind}{i}.0"] = 0
                self.note(f"{kind}{i}.0", "ok", "open", kind=kind)
        for i in range(CONSUMERS):
            self.note(f"consumer{i}", "ok", "open", kind="consumer")
            self.assign(f"consumer{i}", {k: -1 for k in range(PARTITIONS)})
        self.note("member.0.0", "ok", "open", kind="consumer")
        self.committed = {k: 0 for k in range(PARTITIONS)}
        self.assign("member.0.0", self.committed)
        for step in range(400):
            self.step()
            if step == 300:
                self.faults = [{"t": self.now, "f": "healed"}]
        for process in self.numbers:                     # everybody gets on after the healing
            self.send(process, "ok")
        for p in [f"consumer{i}" for i in range(CONSUMERS)] + ["member.0.0"]:
            while self.poll(p):
                pass
        self.note("workload", "ok", "end")
        self.final_read()

    def note(self, process, type_, what, **more):
        self.now += self.random.randrange(1, 50)
        event = {"t": self.now, "p": process, "type": type_, "f": what, **more}
        self.events.append(event)
        return event

    def step(self):
        draw = self.random.random()
        if draw < 0.7:
            self.send(self.random.choice(list(self.numbers)), self.random.choices(["ok", "fail", "info"], [8, 1, 1])[0])
        elif draw < 0.8:
            self.member()
        elif draw < 0.97:
            self.poll(f"consumer{self.random.randrange(CONSUMERS)}")
        else:
            p, at = f"consumer{self.random.randrange(CONSUMERS)}", self.random.random()
            self.assign(p, {k: -1 if at < 0.5 else self.random.randrange(len(self.logs[k]) + 1) for k in range(PARTITIONS)})

    def send(self, p, outcome):
        kind, k, v = p.rstrip("0123456789.").rstrip("0123456789"), self.random.randrange(PARTITIONS), f"{p}-{self.numbers[p]}"
        self.numbers[p] += 1
        self.note(p, "invoke", "send", k=k, v=v)
        if outcome == "fail":
            self.note(p, "fail", "send", k=k, v=v, err="NOT_ENOUGH_REPLICAS")
            return
        log = self.logs[k]
        if kind == "leader" and outcome == "ok" and self.random.random() < 0.1:
            self.note(p, "ok", "send", k=k, v=v, off=len(log))      # its leader was deposed: the place goes to another record
            return
        is_there = outcome == "ok" or self.random.random() < 0.5
        if is_there:
            if kind == "retry" and self.random.random() < 0.2:
                log.append(v)
            log.append(v)
        if outcome == "ok":
            says_offset = kind != "idempotent" or self.random.random() < 0.9
            self.note(p, "ok", "send", k=k, v=v, **({"off": len(log) - 1} if says_offset else {}))
        elif self.random.random() < 0.5:
            self.note(p, "info", "send", k=k, v=v, err="_MSG_TIMED_OUT")

    def member(self):
        """Of a group: begins anew where the group's offsets say, or reads, and commits most of the time."""
        p = "member.0.0"
        if self.random.random() < 0.3:
            self.note(p, "ok", "committed", t0=self.now + 1, v={str(k): off for k, off in self.committed.items()})
            self.assign(p, self.committed)
        elif self.poll(p) and self.random.random() < 0.7:
            self.committed = dict(self.shown[p])
            self.note(p, "ok", "commit", v={str(k): off for k, off in self.committed.items()})

    def assign(self, p, at):
        self.shown[p] = {k: max(off, 0) for k, off in at.items()}
        self.note(p, "ok", "assign", v={str(k): off for k, off in at.items()})

    def poll(self, p, most=12):
        got = {}
        for k in range(PARTITIONS):
            at = self.shown[p][k]
            records = self.logs[k][at:at + self.random.randrange(1, most)]
            if records:
                got[str(k)] = [[at + i, v] for i, v in enumerate(records)]
                self.shown[p][k] += len(records)
        if got:
            self.note(p, "ok", "poll", t0=self.now, v=got)
        return bool(got)

    def final_read(self):
        self.note("final", "ok", "open", kind="consumer")
        self.assign("final", {k: -1 for k in range(PARTITIONS)})
        while self.poll("final"):
            pass
        self.note("final", "ok", "final", v={str(k): [0, len(log)] for k, log in enumerate(self.logs)})


# ---- mutations: each takes the events and a random generator and changes the events; None when there is nothing to change -----------

def pick(rng, events, wanted):
    found = [e for e in events if wanted(e)]
    return rng.choice(found) if found else None


def kind_of(e):
    return e["p"].split(".")[0].rstrip("0123456789")


def is_acked(e, *kinds):
    return e["f"] == "send" and e["type"] == "ok" and "off" in e and kind_of(e) in kinds


def polls(events, of):
    return [e for e in events if e["f"] == "poll" and (e["p"] == "final") == (of == "final")]


def everywhere(events, k, change):
    """Applies change(list of [offset, value]) to what each poll brought of partition k; change returns the new list."""
    for e in events:
        if e["f"] == "poll" and str(k) in e["v"]:
            e["v"][str(k)] = change(e["v"][str(k)])


def take_out(events, k, v):
    """The record is gone from the log; what was behind it moves up, as if it had never been there."""
    gone = [off for e in polls(events, "final") for off, x in e["v"].get(str(k), []) if x == v]
    if not gone:
        return False
    everywhere(events, k, lambda records: [[off - (off > gone[0]), x] for off, x in records if off != gone[0]])
    for e in events:
        if e["f"] == "send" and e.get("k") == k and e.get("off", -1) > gone[0]:
            e["off"] -= 1
        if e["f"] == "final":
            e["v"][str(k)][1] -= 1
        if e["f"] == "assign" and e["v"][str(k)] > gone[0]:
            e["v"][str(k)] -= 1
    return True


def lose(rng, events):
    e = pick(rng, events, lambda e: is_acked(e, "idempotent", "single"))
    return e and take_out(events, e["k"], e["v"])


def lose_the_end(rng, events):
    """The last acknowledged record of a partition, which no consumer saw: only the acknowledgement tells."""
    e = pick(rng, events, lambda e: is_acked(e, "idempotent", "single"))
    end = next(x for x in events if x["f"] == "final")
    k = str(e["k"])
    last = max(x["off"] for x in events if is_acked(x, "idempotent", "single") and x["k"] == e["k"])
    everywhere(events, k, lambda records: [r for r in records if r[0] < last])
    end["v"][k][1] = last
    return True


def lose_without_offset(rng, events):
    e = pick(rng, events, lambda e: is_acked(e, "idempotent"))
    del e["off"]
    return take_out(events, e["k"], e["v"])


def vanish(rng, events):
    """The final read lacks the tail that a consumer saw; nothing of it was acknowledged."""
    k = str(rng.randrange(PARTITIONS))
    seen = [off for e in polls(events, "consumer") for off, _ in e["v"].get(k, [])]
    if not seen:
        return False
    cut = max(seen)
    values = {v for e in polls(events, "final") for off, v in e["v"].get(k, []) if off >= cut}
    for e in polls(events, "final"):
        e["v"][k] = [r for r in e["v"].get(k, []) if r[0] < cut]
    next(x for x in events if x["f"] == "final")["v"][k][1] = cut
    events[:] = [e for e in events if not (e["f"] == "send" and e["type"] != "invoke" and e["v"] in values)]
    return True


def two_values(rng, events):
    """A consumer was shown another record at an offset, as from a leader that is not one any more."""
    e = pick(rng, events, lambda e: e["f"] == "poll" and e["p"] != "final")
    if not e:
        return False
    k = rng.choice(list(e["v"]))
    others = [v for x in polls(events, "final") for _, v in x["v"].get(k, [])]
    record = rng.choice(e["v"][k])
    record[1] = rng.choice([v for v in others if v != record[1]])
    return True


def ack_at_anothers_place(rng, events):
    e = pick(rng, events, lambda e: is_acked(e, "idempotent", "single"))
    e["off"] += rng.choice([-1, 1]) if e["off"] else 1
    return e["off"] < next(x for x in events if x["f"] == "final")["v"][str(e["k"])][1]


def append_to_final(events, k, v):
    """One more record at the end of a partition."""
    end = next(x for x in events if x["f"] == "final")["v"][str(k)]
    last = [e for e in polls(events, "final") if e["v"].get(str(k))][-1]
    last["v"][str(k)].append([end[1], v])
    end[1] += 1
    return True


def duplicate(rng, events):
    e = pick(rng, events, lambda e: is_acked(e, "idempotent", "single", "leader"))
    there = {v for x in polls(events, "final") for _, v in x["v"].get(str(e["k"]), [])}
    return e["v"] in there and append_to_final(events, e["k"], e["v"])


def duplicate_unknown(rng, events):
    ended = {e["v"] for e in events if e["f"] == "send" and e["type"] in ("ok", "fail")}
    there = {(int(k), v) for x in polls(events, "final") for k, r in x["v"].items() for _, v in r}
    e = pick(rng, events, lambda e: e["f"] == "send" and e["type"] == "invoke" and kind_of(e) == "idempotent" and e["v"] not in ended
             and (e["k"], e["v"]) in there)
    return e and append_to_final(events, e["k"], e["v"])


def phantom(rng, events):
    return append_to_final(events, rng.randrange(PARTITIONS), rng.choice(["damaged", "idempotent0.0-999999", "other7.0-1"]))


def wrong_partition(rng, events):
    e = pick(rng, events, lambda e: is_acked(e, "retry"))
    return append_to_final(events, (e["k"] + 1) % PARTITIONS, e["v"])


def failed_appears(rng, events):
    e = pick(rng, events, lambda e: e["f"] == "send" and e["type"] == "fail")
    return e and append_to_final(events, e["k"], e["v"])


def leader_moved(rng, events):
    there = {v for x in polls(events, "final") for r in x["v"].values() for _, v in r}
    e = pick(rng, events, lambda e: is_acked(e, "leader") and e["v"] in there)
    if not e:
        return False
    e["off"] += 3
    return True


def swap(rng, events):
    """Two records of one idempotent producer change places, for everybody and in the acknowledgements."""
    k, p = rng.randrange(PARTITIONS), rng.choice(["idempotent0.0", "idempotent1.0"])
    own = sorted((off, v) for e in polls(events, "final") for off, v in e["v"].get(str(k), []) if v.startswith(p + "-"))
    if len(own) < 2:
        return False
    i = rng.randrange(len(own) - 1)
    (off1, v1), (off2, v2) = own[i], own[i + 1]
    other = {v1: v2, v2: v1}
    everywhere(events, k, lambda records: [[off, other.get(v, v)] for off, v in records])
    for e in events:
        if is_acked(e, "idempotent") and e["v"] in other:
            e["off"] = off2 if e["v"] == v1 else off1
    return True


def skip(rng, events):
    """A consumer was not shown one record in the middle of a poll."""
    e = pick(rng, events, lambda e: e["f"] == "poll" and e["p"] != "final" and any(len(r) > 2 for r in e["v"].values()))
    if not e:
        return False
    records = rng.choice([r for r in e["v"].values() if len(r) > 2])
    del records[rng.randrange(1, len(records) - 1)]
    return True


def skip_at_the_start(rng, events):
    for i, e in enumerate(events):
        if e["f"] == "assign" and e["p"] != "final":
            after = next((x for x in events[i + 1:] if x["p"] == e["p"]), None)
            for records in after["v"].values() if after and after["f"] == "poll" else ():
                if len(records) > 1 and records[0][0] == max(e["v"]["0"], 0) == 0:
                    del records[0]
                    return True
    return False


def led_back(rng, events):
    consumer = [e for e in polls(events, "consumer")]
    e = rng.choice(consumer) if consumer else None
    if not e:
        return False
    records = rng.choice(list(e["v"].values()))
    records.append(list(rng.choice(records)))
    return True


def below_the_assignment(rng, events):
    for i, e in enumerate(events):
        if e["f"] == "assign" and e["p"] != "final":
            after = next((x for x in events[i + 1:] if x["p"] == e["p"]), None)
            for k, records in after["v"].items() if after and after["f"] == "poll" else ():
                if e["v"][k] > 0:
                    e["v"][k] = records[0][0] + 1
                    return True
    return False


def regress(rng, events):
    """A record is acknowledged before another is sent, and lies behind it."""
    e = pick(rng, events, lambda e: is_acked(e, "idempotent", "single"))
    later = [x for x in events if is_acked(x, "idempotent", "single") and x["k"] == e["k"] and x["off"] > e["off"]]
    if not later:
        return False
    other = rng.choice(later)
    invoked = next(x for x in events if x["f"] == "send" and x["type"] == "invoke" and x["v"] == e["v"])
    invoked["t"], e["t"] = other["t"] + 1, other["t"] + 2
    return True


def hole(rng, events):
    """The final read passes over an offset that nobody has ever seen filled: its record was of unknown outcome."""
    k = str(rng.randrange(PARTITIONS))
    end = next(x for x in events if x["f"] == "final")["v"][k]
    end[1] += 1
    return True


def forget(rng, events):
    """A group is told of the offset before the one that it has committed last."""
    told = pick(rng, events, lambda e: e["f"] == "committed" and e["v"]["0"] > 0)
    if not told:
        return False
    told["v"]["0"] -= 1
    return True


def no_end(rng, events):
    what = rng.choice(["end", "final"])
    events[:] = [e for e in events if e["f"] != what]
    return True


def refuse(rng, events):
    at = rng.randrange(len(events))
    events.insert(at, {"t": events[at]["t"], "p": "consumer0", "type": "info", "f": "poll", "k": 0, "next": 5, "err": "OFFSET_OUT_OF_RANGE"})
    return True


def give_up(rng, events):
    events.append({"t": events[-1]["t"], "p": "idempotent0.0", "type": "info", "f": "fatal", "err": "OUT_OF_ORDER_SEQUENCE_NUMBER"})
    return True


def stall(rng, events):
    """healed is the model's; the process's acknowledgements, or polls, after it are gone. Losing none of its records otherwise."""
    p = rng.choice(["idempotent1.0", "single0.0", "leader1.0", "consumer1"])
    invoked = {e["v"]: e["t"] for e in events if e["f"] == "send" and e["type"] == "invoke"}
    events[:] = [e for e in events if e["p"] != p or e["f"] == "open" or not (
        e["t"] > stall.healed if e["f"] != "send" else e["type"] != "invoke" and invoked[e["v"]] > stall.healed)]
    return True


MUTATIONS = [
    ("lost", lose), ("lost", lose_the_end), ("lost", lose_without_offset), ("vanished", vanish), ("inconsistent-offset", two_values),
    ("inconsistent-offset", ack_at_anothers_place), ("duplicate", duplicate), ("duplicate", duplicate_unknown), ("phantom", phantom),
    ("phantom", wrong_partition), ("failed-read", failed_appears), ("moved", leader_moved), ("reordered", swap), ("skipped", skip),
    ("skipped", skip_at_the_start), ("non-monotonic", led_back), ("non-monotonic", below_the_assignment), ("offset-regression", regress),
    ("hole", hole), ("incomplete", no_end), ("out-of-range", refuse), ("fatal", give_up), ("stalled", stall), ("forgotten", forget),
]


def main(args):
    seeds, passed, failed = int(args[0]) if args else 60, 0, 0
    missing = set(checker.KINDS) - {kind for kind, _ in MUTATIONS}
    if missing:
        print("FAILED: no mutation makes", ", ".join(sorted(missing)))
        failed += 1
    models = [Model(seed) for seed in range(seeds)]
    for seed, model in enumerate(models):
        anomalies = checker.check(copy.deepcopy(model.events), model.faults)[0]
        if anomalies:
            print(f"FAILED: the clean history of seed {seed} has {anomalies[0]}")
        passed, failed = passed + (not anomalies), failed + bool(anomalies)
    for kind, mutate in MUTATIONS:
        applied = found = 0
        for seed, model in enumerate(models):
            events, stall.healed = copy.deepcopy(model.events), model.faults[0]["t"]
            if not mutate(random.Random(seed), events):
                continue
            applied += 1
            if any(a.kind == kind for a in checker.check(events, model.faults)[0]):
                found += 1
            else:
                print(f"FAILED: {mutate.__name__} in seed {seed} was not found as {kind}")
        # A mutation that finds nothing to change in most histories would be no test.
        is_good = found == applied and applied >= seeds // 3
        if applied < seeds // 3:
            print(f"FAILED: {mutate.__name__} changed only {applied} of {seeds} histories")
        passed, failed = passed + is_good, failed + (not is_good)
    events, zombie = copy.deepcopy(models[0].events), [{"t": 1, "f": "fault", "name": "pause", "broker": 1}]
    give_up(random.Random(1), events)
    for faults, wanted in (zombie, (0, 1)), ([dict(zombie[0], name="kill")], (1, 0)):
        anomalies, excused, _ = checker.check(events, faults)
        is_good = (len(anomalies), len(excused)) == wanted
        if not is_good:
            print(f"FAILED: under {faults[0]['name']} {anomalies} and excused {excused}")
        passed, failed = passed + is_good, failed + (not is_good)
    seed = next(n for n in range(seeds) if duplicate(random.Random(n), copy.deepcopy(models[n].events)))
    events = copy.deepcopy(models[seed].events)
    duplicate(random.Random(seed), events)
    twice = next(int(a.text.split()[1].rstrip(":")) for a in checker.check(events, [])[0] if a.kind == "duplicate")
    for where in twice, (twice + 1) % PARTITIONS:
        anomalies, excused, _ = checker.check(events, [{"t": 1, "f": "forgot", "partition": where}])
        is_good = any(a.kind == "duplicate" for a in (excused if where == twice else anomalies))
        if not is_good:
            print(f"FAILED: a duplicate in partition {twice}, what was forgotten in {where}: {anomalies} and excused {excused}")
        passed, failed = passed + is_good, failed + (not is_good)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
