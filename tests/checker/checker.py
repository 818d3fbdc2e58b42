#!/usr/bin/env python3
"""Finds in a history of clients what a broker cluster must never do. README.md has the history's form and the rules.

   checker.py HISTORY... [--faults FILE]

FILE is the list of faults that nemesis.py writes. Two things of it matter: the moment "healed", after which everybody must get on; and
whether a leader can have been deposed without knowing (ZOMBIES).
Prints each anomaly with the lines of the history that show it (at most 5 of a kind), then one line that counts.
Exit code: 0 no anomaly, 1 anomalies, 2 the history cannot be read.

All passes are linear but for sorting. Only what a client was told or shown counts; what is in the brokers' files is nemesis.py's matter.
"""
import collections
import json
import re
import sys

SHOWN_PER_KIND = 5

# What was promised to a kind of producer. survives: an acknowledged record stays; once: it is in the log once at most; ordered: records
# of a partition are in the order in which they were sent.
Promise = collections.namedtuple("Promise", "survives once ordered")
PROMISES = {
    "idempotent": Promise(survives=True, once=True, ordered=True),
    "retry": Promise(survives=True, once=False, ordered=False),
    "large": Promise(survives=True, once=False, ordered=False),
    "single": Promise(survives=True, once=True, ordered=False),
    "leader": Promise(survives=False, once=True, ordered=False),
}

# Why each is wrong, for whoever reads the output.
KINDS = {
    "incomplete": "the history has no end, or the final read did not reach it",
    "inconsistent-offset": "one offset, two values",
    "duplicate": "one value at two offsets, of a producer to whom this may not happen",
    "phantom": "a value that nobody sent to this partition, or damaged on the way",
    "failed-read": "a value whose sending had certainly failed",
    "lost": "acknowledged by the whole in-sync set, and not there in the end",
    "vanished": "shown to a consumer, and not there in the end",
    "moved": "acknowledged at one offset, in the end at another",
    "reordered": "an idempotent producer's records of one partition in another order than sent",
    "skipped": "a consumer was not shown a record that lies between two it was shown",
    "non-monotonic": "a consumer was led back",
    "offset-regression": "sent after another record was acknowledged, and given a lower offset",
    "hole": "an offset without a record, where nothing is compacted or aborted",
    "out-of-range": "a consumer's position, which a broker gave it, was refused",
    "fatal": "an idempotent producer that cannot go on",
    "forgotten": "a group was told of a lower offset than one it had committed",
    "stalled": "no progress although all faults were healed",
}

# A broker that is deposed but does not know goes on answering Metadata with itself as leader. librdkafka 2.0 believes the last answer, not
# the highest epoch, and goes back there: the zombie's log is behind, so it refuses sequence numbers and positions that are good ones.
# Java brokers do the same. Under faults that make zombies these kinds are therefore counted but do not condemn.
ZOMBIES = ("pause", "cut_link", "cut_one_way", "cut_from_peers", "cut_from_zookeeper", "cut_off", "deaf", "flap", "zookeeper_pause",
           "zookeeper_kill")
EXCUSED_BY_ZOMBIES = ("out-of-range", "fatal")
# A Java broker that has started knows of each producer what its snapshot holds: the newest batch. When an earlier one is sent again, because its answer was
# lost, it takes that for a gap (OUT_OF_ORDER_SEQUENCE_NUMBER); the producer then begins a new epoch and sends it as a new one. Where a Java broker's log
# says that ("forgot", which nemesis.py finds), these kinds are counted for that partition but do not condemn.
EXCUSED_BY_FORGETTING = ("duplicate", "reordered", "moved")

Anomaly = collections.namedtuple("Anomaly", "kind text evidence")


class Send:
    """One record's way: who sent it where, what became of it, and the lines that say so."""

    def __init__(self, event):
        self.process, self.key, self.value = event["p"], event["k"], event["v"]
        self.number = int(self.value.rsplit("-", 1)[1])
        self.invoked, self.ended = event, None

    @property
    def outcome(self):
        return self.ended["type"] if self.ended else "info"

    @property
    def offset(self):
        return self.ended.get("off") if self.ended and self.ended["type"] == "ok" else None


class History:
    """What follows from the events without judging them.

    sends[v]       the Send of a value
    log[k][off]    {value: an event that shows it there}, from every poll and from every acknowledgement that binds
    final[k]       {off: value} of the final read; ends[k] = (low, high), or None without a complete final read
    """

    def __init__(self, events):
        self.kind, self.sends, self.polls = {}, {}, collections.defaultdict(list)
        self.log = collections.defaultdict(lambda: collections.defaultdict(dict))
        self.final, self.ends, self.has_end = collections.defaultdict(dict), None, False
        self.fatal, self.refused, self.commits, self.told = [], [], [], []
        for e in events:
            getattr(self, "_on_" + e["f"], lambda e: None)(e)
        for s in self.sends.values():
            if s.offset is not None and self.promise(s).survives:
                self.log[s.key][s.offset].setdefault(s.value, s.ended)
        self.order = {k: sorted(log) for k, log in self.log.items()}
        self.index = {k: {off: i for i, off in enumerate(order)} for k, order in self.order.items()}

    def promise(self, send):
        return PROMISES[self.kind[send.process]]

    def _on_open(self, e):
        self.kind[e["p"]] = e["kind"]

    def _on_send(self, e):
        if e["type"] == "invoke":
            self.sends[e["v"]] = Send(e)
        else:
            self.sends[e["v"]].ended = e

    def _on_assign(self, e):
        self.polls[e["p"]].append(e)

    def _on_poll(self, e):
        if e["type"] != "ok":
            self.refused.append(e)
            return
        self.polls[e["p"]].append(e)
        for k, records in e["v"].items():
            for off, v in records:
                self.log[int(k)][off].setdefault(v, e)
                if e["p"] == "final":
                    self.final[int(k)][off] = v

    def _on_final(self, e):
        if e["type"] == "ok":
            self.ends = {int(k): tuple(span) for k, span in e["v"].items()}

    def _on_commit(self, e):
        if e["type"] == "ok":
            self.commits.append(e)

    def _on_committed(self, e):
        self.told.append(e)

    def _on_fatal(self, e):
        self.fatal.append(e)

    def _on_end(self, e):
        self.has_end = True


# ---- rules: each yields anomalies ----------------------------------------------------------------------------------------------

def incomplete(h):
    if not h.has_end:
        yield Anomaly("incomplete", "the workload did not come to its end", [])
    if h.ends is None:
        yield Anomaly("incomplete", "there is no complete final read", [])


def inconsistent_offsets(h):
    for k, log in h.log.items():
        for off, values in log.items():
            if len(values) > 1:
                yield Anomaly("inconsistent-offset", f"partition {k} offset {off}: {', '.join(values)}", list(values.values()))


def values_read(h):
    """Every (k, off, v, event) that was shown to anybody, and each pair of value and place once."""
    for k, log in h.log.items():
        for off, values in log.items():
            for v, e in values.items():
                yield k, off, v, e


def phantoms_and_failed(h):
    for k, off, v, e in values_read(h):
        s = h.sends.get(v)
        if s is None or s.key != k:
            where = f", which was sent to partition {s.key}" if s else ""
            yield Anomaly("phantom", f"partition {k} offset {off}: {v}{where}", [e])
        elif s.outcome == "fail":
            yield Anomaly("failed-read", f"partition {k} offset {off}: {v} failed with {s.ended['err']}", [s.ended, e])


def duplicates(h):
    places = collections.defaultdict(list)
    for k, off, v, e in values_read(h):
        if v in h.sends and h.promise(h.sends[v]).once:
            places[k, v].append((off, e))
    for (k, v), found in places.items():
        if len(found) > 1:
            yield Anomaly("duplicate", f"partition {k}: {v} at offsets {sorted(off for off, _ in found)}",
                          [h.sends[v].invoked] + [e for _, e in found])


def lost(h):
    if h.ends is None:
        return
    there = {k: set(read.values()) for k, read in h.final.items()}
    for s in h.sends.values():
        if s.outcome == "ok" and h.promise(s).survives and s.value not in there.get(s.key, ()):
            at = "" if s.offset is None else f" at offset {s.offset}, where {h.final[s.key].get(s.offset, 'nothing')} is"
            yield Anomaly("lost", f"partition {s.key}: {s.value} was acknowledged{at}", [s.invoked, s.ended])


def vanished(h):
    if h.ends is None:
        return
    for p, events in h.polls.items():
        for e in events if p != "final" else ():
            for k, records in e["v"].items() if e["f"] == "poll" else ():
                for off, v in records:
                    if off not in h.final[int(k)]:
                        yield Anomaly("vanished", f"partition {k} offset {off}: {p} was shown {v}", [e])


def moved(h):
    at = {(k, v): off for k, read in h.final.items() for off, v in read.items()}
    for s in h.sends.values():
        if s.offset is not None and h.promise(s).once and at.get((s.key, s.value), s.offset) != s.offset:
            yield Anomaly("moved", f"partition {s.key}: {s.value} was acknowledged at offset {s.offset}, is at {at[s.key, s.value]}", [s.ended])


def reordered(h):
    by_process = collections.defaultdict(list)
    for k, off, v, e in values_read(h):
        if v in h.sends and h.promise(h.sends[v]).ordered:
            by_process[h.sends[v].process, k].append((off, h.sends[v].number, v, e))
    for (p, k), found in by_process.items():
        found.sort(key=lambda place: place[0])
        for (off1, number1, v1, e1), (off2, number2, v2, e2) in zip(found, found[1:]):
            if number2 < number1:
                yield Anomaly("reordered", f"partition {k}: {v2} at offset {off2} behind {v1} at offset {off1}",
                              [h.sends[v1].invoked, h.sends[v2].invoked, e1, e2])


def steps(h, process):
    """(k, offset before or None, offset, event before, event): each record after the one before it; the first after an assignment
    comes with the offset below the assigned one."""
    last = {}
    for e in h.polls[process]:
        for k, what in e["v"].items():
            k = int(k)
            if e["f"] == "assign":
                last[k] = (None if what < 0 else what - 1, e)
                continue
            for off, _ in what:
                before, event = last.get(k, (None, None))
                yield k, before, off, event, e
                last[k] = (off, e)


def consumers_led_astray(h):
    for p in h.polls:
        for k, before, off, event, e in steps(h, p):
            order, index = h.order[k], h.index[k]
            if before is None:
                between = index[off]
            elif off <= before:
                yield Anomaly("non-monotonic", f"{p}, partition {k}: offset {off} after {before}", [event, e])
                continue
            elif before in index:
                between = index[off] - index[before] - 1
            else:                                  # an assignment to where no record is known below
                between = sum(1 for o in order[:index[off]] if o > before)
            if between > 0:
                missed = order[index[off] - between:index[off]]
                yield Anomaly("skipped", f"{p}, partition {k}: offset {off} after {'the start' if before is None else before}, "
                              f"not {missed[:3]}", [x for x in (event, e) if x] + [next(iter(h.log[k][o].values())) for o in missed[:2]])


def offset_regressions(h):
    """In real time: invoked after another's acknowledgement means a higher offset."""
    by_key = collections.defaultdict(list)
    for s in h.sends.values():
        if s.offset is not None and h.promise(s).survives:
            by_key[s.key].append(s)
    for k, sends in by_key.items():
        ended = sorted(sends, key=lambda s: s.ended["t"])
        highest, at = None, 0
        for s in sorted(sends, key=lambda s: s.invoked["t"]):
            while at < len(ended) and ended[at].ended["t"] < s.invoked["t"]:
                if highest is None or ended[at].offset > highest.offset:
                    highest = ended[at]
                at += 1
            if highest is not None and s.offset <= highest.offset:
                yield Anomaly("offset-regression", f"partition {k}: {s.value} at {s.offset}, sent after {highest.value} was acknowledged "
                              f"at {highest.offset}", [highest.ended, s.invoked, s.ended])


def holes(h):
    for k, (low, high) in (h.ends or {}).items():
        missing = [off for off in range(low, high) if off not in h.final[k]]
        if missing:
            yield Anomaly("hole", f"partition {k}: {len(missing)} offsets of {low}..{high} have no record, the first {missing[0]}", [])


def refusals(h):
    """Without a position (-1) it was the question for one that failed: a broker that has just started knows no topic."""
    for e in h.refused:
        if e["next"] >= 0:
            yield Anomaly("out-of-range", f"{e['p']}, partition {e['k']}: {e['err']} at {e['next']}", [e])
    for e in h.fatal:
        yield Anomaly("fatal", f"{e['p']}: {e['err']}", [e])


def forgotten(h):
    """In real time: asked after a commit was acknowledged means to be told of it, or of a later one."""
    commits, at, highest = sorted(h.commits, key=lambda e: e["t"]), 0, {}
    for told in sorted(h.told, key=lambda e: e["t0"]):
        while at < len(commits) and commits[at]["t"] < told["t0"]:
            for k, off in commits[at]["v"].items():
                if k not in highest or off > highest[k]["v"][k]:
                    highest[k] = commits[at]
            at += 1
        for k, off in told["v"].items():
            if k in highest and off < highest[k]["v"][k]:
                yield Anomaly("forgotten", f"partition {k}: {told['p']} was told {off}, {highest[k]['p']} had committed {highest[k]['v'][k]}",
                              [highest[k], told])


def stalled(h, healed):
    """Each producer must get an acknowledgement of something it sent after the healing, each consumer see something."""
    if healed is None:
        return
    moving = {s.process.split(".")[0] for s in h.sends.values() if s.outcome == "ok" and s.invoked["t"] > healed}
    moving |= {p.split(".")[0] for p, events in h.polls.items() if any(e["f"] == "poll" and e["t"] > healed for e in events)}
    for p in sorted({p.split(".")[0] for p in h.kind} - moving - {"final"}):
        yield Anomaly("stalled", f"{p} got nothing done after the healing", [])


RULES = (incomplete, inconsistent_offsets, phantoms_and_failed, duplicates, lost, vanished, moved, reordered, consumers_led_astray,
         offset_regressions, holes, forgotten, refusals)


def check(events, faults=()):
    """events, faults: the objects of both files, in their order. (anomalies, excused ones, the History)"""
    h = History(events)
    healed = next((f["t"] for f in faults if f["f"] == "healed"), None)
    found = [a for rule in RULES for a in rule(h)] + list(stalled(h, healed))
    has_zombies = any(f["f"] == "fault" and f["name"] in ZOMBIES for f in faults)
    forgot = {f["partition"] for f in faults if f["f"] == "forgot"}

    def is_excused(a):
        return (has_zombies and a.kind in EXCUSED_BY_ZOMBIES
                or a.kind in EXCUSED_BY_FORGETTING and int(re.match(r"partition (\d+)", a.text)[1]) in forgot)
    return [a for a in found if not is_excused(a)], [a for a in found if is_excused(a)], h


def read_lines(*paths):
    """The objects of several files, one after the other: only the order within a process matters."""
    events = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            events += [json.loads(line) for line in f]
    return events


def brief(event):
    """A line of the history; of a poll, which may be long, only the ranges of offsets."""
    if event["f"] == "poll" and event["type"] == "ok":
        event = dict(event, v={k: f"{records[0][0]}..{records[-1][0]}" for k, records in event["v"].items()})
    return json.dumps(event, separators=(",", ":"))


def report(anomalies):
    counts = collections.Counter(a.kind for a in anomalies)
    for kind, count in counts.items():
        print(f"ANOMALY {kind}: {KINDS[kind]} ({count})")
        for a in [a for a in anomalies if a.kind == kind][:SHOWN_PER_KIND]:
            print("  " + a.text)
            for e in a.evidence:
                print("    " + brief(e))


def summary(h, anomalies, excused):
    outcomes = collections.Counter(s.outcome for s in h.sends.values())
    polled = sum(len(r) for events in h.polls.values() for e in events if e["f"] == "poll" for r in e["v"].values())
    return (f"# {len(h.sends)} sends ({outcomes['ok']} ok, {outcomes['fail']} failed, {outcomes['info']} unknown), {polled} records polled, "
            f"{sum(len(read) for read in h.final.values())} in the final read, {len(anomalies)} anomalies"
            + "".join(f", {n} {what}" for n, what in ((sum(a.kind in EXCUSED_BY_ZOMBIES for a in excused), "refusals by zombies"),
                                                      (sum(a.kind in EXCUSED_BY_FORGETTING for a in excused), "of what Java forgot")) if n))


def main(args):
    faults = []
    if len(args) > 2 and args[-2] == "--faults":
        faults, args = [args[-1]], args[:-2]
    if not args or args[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        anomalies, excused, h = check(read_lines(*args), read_lines(*faults))
    except (OSError, ValueError, KeyError, AttributeError) as e:
        print(f"the history cannot be read: {e!r}", file=sys.stderr)
        return 2
    report(anomalies)
    print(summary(h, anomalies, excused))
    return 1 if anomalies else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
