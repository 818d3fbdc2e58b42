"""Why idempotent producers took new epochs: what librdkafka says with debug=eos, and the kind of broker whose answer it was.

A producer that is answered OUT_OF_ORDER_SEQUENCE_NUMBER to a record behind one that failed (NOT_LEADER_OR_FOLLOWER, which with acks=all comes also after
the append) begins a new epoch and sends both again, under numbers by which no broker can know what it has already: each such answer may make duplicates.
"""
import collections
import json
import re
import time

LINE = re.compile(r"^%\d\|(?P<at>[\d.]+)\|(?P<what>[A-Z]+)\|(?P<client>[^|]+)\| (?P<text>.*)$")
REFUSED = re.compile(r"/(?P<broker>\d+): ProduceRequest for (?P<topic>\S+) \[(?P<partition>\d+)\] with \d+ message\(s\) failed due to "
                     r"(?:skipped sequence numbers \(.*\) caused by previous failed request \((?P<before>\w+)|sequence desynchronization)")
BUMPED = re.compile(r"Beginning partition drain in state \S+ for \S+ epoch bump for \d+ partition\(s\) with in-flight requests: (?P<why>.*)")

Bump = collections.namedtuple("Bump", "at client why refusals")        # refusals: [(broker, kind, partition, before)] that made it necessary


def kinds_then(faults, kinds, at_ns):
    """{broker: kind} at a time: kinds is how it began, "settled" among the faults what became of it."""
    now = dict(kinds)
    for f in faults:
        if f["f"] == "settled" and f["t"] <= at_ns:
            now[f["broker"]] = f["kind"]
    return now


def bumps(lines, faults, kinds):
    """Each new epoch with the refusals since the one before of that producer; of a refusal what the request before it was answered, "" if that was taken."""
    ahead_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    refused, found = collections.defaultdict(list), []
    for line in lines:
        m = LINE.match(line)
        if m is None:
            continue
        at, text = float(m["at"]), m["text"]
        refusal, bump = REFUSED.search(text), BUMPED.search(text)
        if refusal:
            broker = int(refusal["broker"])
            kind = kinds_then(faults, kinds, int(at * 1e9) - ahead_ns)[broker]
            refused[m["client"]].append((broker, kind, int(refusal["partition"]), refusal["before"] or ""))
        elif bump:
            found.append(Bump(at, m["client"], bump["why"], refused.pop(m["client"], [])))
    return found


def summary(found):
    """Who answered and what came before it: "3 new epochs (2 java after NOT_LEADER_OR_FOLLOWER, 1 timeout of a record)"."""
    of = collections.Counter(", ".join(sorted({f"{kind} after {before or 'a good answer'}" for _, kind, _, before in b.refusals})) or b.why for b in found)
    return f"{len(found)} new epochs" + (f" ({', '.join(f'{n} {what}' for what, n in of.most_common())})" if found else "")


def read(log, faults_file, kinds):
    with open(faults_file, encoding="ascii") as f:
        faults = [json.loads(line) for line in f]
    with open(log, encoding="utf-8", errors="replace") as f:
        return bumps(f, faults, kinds)
