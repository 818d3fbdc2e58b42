#!/usr/bin/env python3
"""Makes what is between the marks of docs/SCALE.md from docs/scale/lines.jsonl. No figure there is typed.

   scale.py [--check]         --check: changes nothing; exit code 1 when the file is not what the lines say
   scale.py --measure BUILD   writes the lines anew: tests/sim/scale_sim of that build (the same on every machine), tests/bench/coord_bench and cluster_bench against a
                              ZooKeeper server of their own (needs java). About half an hour, of which the largest simulations take most.
   scale.py --simulate BUILD  the simulations alone, a quarter of an hour of one processor; what was measured stays
   scale.py --collect FILE... the same from outputs of these programs

Marks: <!-- made: WHAT --> ... <!-- /made -->. The model is in STORE, STATE and requests().
"""
import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile

DOCS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(DOCS)
LINES = os.path.join(DOCS, "scale", "lines.jsonl")
PAGE = os.path.join(DOCS, "SCALE.md")
# brokers, partitions, partitions per topic
RUNS = [(4, 40, 10), (4, 160, 10), (4, 640, 10), (4, 160, 2), (8, 80, 10), (8, 160, 10), (8, 160, 2), (8, 320, 10), (8, 320, 40), (12, 160, 10), (12, 160, 2), (12, 160, 40), (12, 480, 10),
        (16, 160, 10), (16, 320, 10), (16, 640, 10), (24, 160, 10), (24, 480, 10), (32, 160, 10), (32, 320, 10), (48, 160, 10), (64, 160, 10)]
FITTED = 12             # brokers: runs up to here make the coefficients, the larger ones test them
RF = 3
PER_TOPIC = 10          # partitions, in the projections
HEADER = {"LeaderAndIsr": 20, "UpdateMetadata": 20, "StopReplica": 20}      # size, key, version, correlation, client id, tags: about
GIGABIT = 125e6         # bytes per second
REQUEST_MAX = 100 << 20  # socket.request.max.bytes
REPLY_MAX = 4 << 20      # of ZooKeeper, as Kafka's clients and ours set it
ROUNDS = 5              # in which brokers hear, in the simulations, of what changes while one that came back catches up: its peers ask in two waves
ROUND_TRIP = 0.002      # seconds


# ---- small mathematics ----

def solve(a, b):
    """Gauss, with pivots. None: singular."""
    n = len(b)
    m = [row[:] + [b[i]] for i, row in enumerate(a)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        if abs(m[p][i]) < 1e-9:
            return None
        m[i], m[p] = m[p], m[i]
        for r in range(n):
            if r != i:
                f = m[r][i] / m[i][i]
                m[r] = [x - f * y for x, y in zip(m[r], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit(rows, values):
    """Least squares of relative errors: a run of 4 brokers counts as much as one of 12."""
    w = [1 / max(abs(v), 1) ** 2 for v in values]
    n = len(rows[0])
    a = [[sum(w[k] * r[i] * r[j] for k, r in enumerate(rows)) for j in range(n)] for i in range(n)]
    b = [sum(w[k] * r[i] * values[k] for k, r in enumerate(rows)) for i in range(n)]
    return solve(a, b)


# ---- what an event costs ----

class Shape:
    """A cluster and an event: N brokers, P partitions in T topics, of which L were led by and H lay on the broker it is about; p: partitions of a topic that is made or removed."""
    def __init__(self, N, P, T, L, H, p=0):
        self.N, self.P, self.T, self.L, self.H, self.p = N, P, T, L, H, p

    def touched(self, n):
        """Topics of n partitions out of all, drawn at random."""
        return self.T * (1 - (1 - min(n / max(self.P, 1), 1)) ** (self.P / max(self.T, 1))) if self.T else 0

    def leaders(self, n):
        """Brokers that lead one of n partitions, drawn at random, and are not this one."""
        return (self.N - 1) * (1 - (1 - 1 / max(self.N - 1, 1)) ** n)


def of_event(e):
    return Shape(e["brokers"], e["partitions"], e["topics"], e["led"], e["hosted"])


# (event, quantity, terms in words, the terms): coefficients are fitted
STORE = [
    ("start", "calls", ("1", "N"), lambda s: [1, s.N]),
    ("create", "writes", ("1", "p"), lambda s: [1, s.p]),
    ("create", "calls", ("1", "p", "N"), lambda s: [1, s.p, s.N]),
    ("delete", "writes", ("(p + 1)",), lambda s: [s.p + 1]),
    ("stop", "writes", ("H",), lambda s: [s.H]),
    ("death", "writes", ("H",), lambda s: [s.H]),
    ("death", "calls", ("1", "N", "H"), lambda s: [1, s.N, s.H]),
    ("return", "writes", ("1", "H"), lambda s: [1, s.H]),
    ("return", "calls", ("1", "N", "T", "H"), lambda s: [1, s.N, s.T, s.H]),
    ("failover", "writes", ("1", "H", "L"), lambda s: [1, s.H, s.L]),
    ("failover", "calls", ("1", "N", "P", "T", "H"), lambda s: [1, s.N, s.P, s.T, s.H]),
]
STATE = [
    ("nodes", ("1", "N", "P", "T"), lambda s: [1, s.N, s.P, s.T]),
    ("node_bytes", ("1", "N", "P", "T"), lambda s: [1, s.N, s.P, s.T]),
    ("watches_active", ("1", "N", "T"), lambda s: [1, s.N, s.T]),
    ("watches_others", ("1", "N"), lambda s: [1, s.N]),
]


def alterations(s):
    """AlterPartition requests until a broker that came back is in all in-sync sets again: a leader that hears of it asks at once for what it knows, and then once more for the rest."""
    return min(s.H, 2 * s.leaders(s.H))


def rounds(lines, s):
    """How often each broker hears of what the AlterPartition requests changed: what waits for it is one request, so once per round trip, as long as the store writes. A round trip takes
    at least what sending to all takes: so with more brokers they hear less often."""
    u = next(line for line in lines if line.get("bytes") == "UpdateMetadata")
    trip = max(ROUND_TRIP, s.N * (HEADER["UpdateMetadata"] + u["fixed"] + s.N * u["broker"]) / (10 * GIGABIT))
    return min(alterations(s), max(ROUNDS, store_times(lines, "set, fenced", s.H)[0] / trip))


def requests(s, event, told=ROUNDS):
    """{api: (requests, entries of partitions, of these with one in-sync replica less, topics in all of them)} between brokers. From the order in which Kafka's controller tells things; but
    for `told` (see rounds) no coefficient is fitted. UpdateMetadata names the dead replica as offline instead, which is as long."""
    n, t = s.N, s.touched
    share = (n - 2) / (n - 1)       # the controller tells itself without a network
    if event == "create":
        told = min(RF * s.p, n) * (n - 1) / n
        return {"UpdateMetadata": (n - 1, (n - 1) * s.p, 0, n - 1), "LeaderAndIsr": (told, RF * s.p * (n - 1) / n, 0, told)}
    if event == "death":            # elections; then the dead replicas leave the in-sync sets
        all_, told = (n - 2) * (s.L + s.H), 2 * (s.L + s.H) * share
        return {"UpdateMetadata": (2 * (n - 2), all_, 0, (n - 2) * (t(s.L) + t(s.H))),
                "LeaderAndIsr": (min(2 * s.L, n - 2) + min(2 * s.H, n - 2), told, told, (n - 2) * (t(2 * s.L / (n - 1)) + t(2 * s.H / (n - 1))))}
    if event == "failover":         # brokers alone; all; the dead replicas; elections
        return {"UpdateMetadata": (4 * (n - 2), (n - 2) * (s.P + s.H + s.L), 0, (n - 2) * (s.T + t(s.H) + t(s.L))),
                "LeaderAndIsr": (n - 2 + min(2 * s.H, n - 2) + min(2 * s.L, n - 2), (RF * s.P + s.H + 2 * s.L) * share, 2 * (s.H + s.L) * share,
                                 (n - 2) * (t(RF * s.P / n) + t(2 * s.H / (n - 1)) + t(2 * s.L / (n - 1))))}
    if event == "return":           # brokers alone; all to the new one; its replicas; then what AlterPartition changed
        a = min(alterations(s), told)
        return {"UpdateMetadata": ((n - 1) * (a + 2), (n - 1) * 2 * s.H + s.P, n * s.H, s.T + (n - 1) * (t(s.H) + a * t(s.H / max(a, 1)))), "LeaderAndIsr": (1, s.H, s.H, t(s.H))}
    raise KeyError(event)


def request_bytes(lines, s, event, told=ROUNDS):
    """{api: (requests, bytes, bytes per request)}, by the encoders' sizes."""
    out = {}
    for api, (count, entries, short, topics) in requests(s, event, told).items():
        u = next(line for line in lines if line.get("bytes") == api)
        brokers = s.N - (event in ("death", "failover"))
        in_each = brokers if api == "UpdateMetadata" else min(brokers, entries / max(count, 1))      # LeaderAndIsr names the leaders that it speaks of
        total = count * (HEADER[api] + u["fixed"] + in_each * u["broker"]) + topics * u["topic"] + entries * u["partition"] - short * 4
        out[api] = (count, total, total / max(count, 1))
    return out


# ---- the lines ----

def events(lines, name):
    out = []
    last = None
    for line in lines:
        if "event" not in line:
            last = None if "run" in line else last
            continue
        if line["event"] == name:
            s = of_event(line)
            s.p = abs(line["partitions"] - last["partitions"]) if last else 0
            out.append((s, line))
        last = line
    return out


def coefficients(lines, name, quantity, terms):
    all_of = [(s, e["store"][quantity]) for s, e in events(lines, name)]
    return checked(all_of, terms)


def state(lines, quantity, terms):
    return checked([(Shape(e["brokers"], e["partitions"], e["topics"], 0, 0), e[quantity]) for e in lines if "state" in e], terms)


def checked(all_of, terms):
    """(coefficients, the worst error of the runs that were not fitted, those runs)"""
    few = [(s, v) for s, v in all_of if s.N <= FITTED]
    c = fit([terms(s) for s, _ in few], [v for _, v in few])
    errors = [sum(x * y for x, y in zip(c, terms(s))) / v - 1 for s, v in all_of if s.N > FITTED and v]
    return c, max(errors, key=abs) if errors else None, len(errors)


def coord(lines, what, field):
    return statistics.median(line[field] for line in lines if line.get("coord") == what)


def memory(lines):
    """Bytes per partition of the active side's copy: slope over all runs."""
    points = [(Shape(m["brokers"], m["partitions"], 0, 0, 0), m["heap_of_failover"]) for m in lines if "memory" in m]
    return fit([[1, s.P] for s, _ in points], [v for _, v in points])[1]


# ---- words ----

def number(v):
    if v is None:
        return "–"
    if v == 0:
        return "0"
    if abs(v) >= 1000:
        return f"{v:,.0f}"
    return f"{v:.3g}"


def size(v):
    for unit, by in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if v >= by:
            return f"{v / by:.3g} {unit}"
    return f"{v:.0f} B"


def seconds(v):
    return f"{v / 60:.3g} min" if v >= 120 else f"{v:.3g} s" if v >= 1 else f"{v * 1e3:.3g} ms"


def percent(v, digits=1):
    text = f"{v * 100:+.{digits}f} %"
    return "0" if float(text[:-2]) == 0 else text


def formula(c, terms):
    parts = []
    for x, t in zip(c, terms):
        if abs(x) < 0.005:
            continue
        nice = f"{abs(x):.3g}"
        text = nice if t == "1" else t if nice == "1" else f"{nice} {t}"
        parts.append(("− " if x < 0 else "+ " if parts else "") + text)
    return " ".join(parts) or "0"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|"] + ["| " + " | ".join(r) + " |" for r in rows])


# ---- what stands between the marks ----

def made_runs(lines):
    runs = [line for line in lines if "run" in line]
    return (f"{len(runs)} simulated clusters of {min(r['run'][0] for r in runs)} to {max(r['run'][0] for r in runs)} brokers with {min(r['run'][1] for r in runs)} to "
            f"{max(r['run'][1] for r in runs)} partitions; coefficients are those of up to {FITTED} brokers, *error* is the worst of the larger ones.")


def made_bytes(lines):
    rows = [[line["bytes"], f"v{line['version']}", number(line["fixed"]), number(line["broker"]), number(line["topic"]), number(line["partition"])] for line in lines if "bytes" in line]
    return table(["bytes of", "", "fixed", "a broker", "a topic (name of 12)", "a partition, RF 3"], rows)


def made_coord(lines):
    kinds = list(dict.fromkeys(line["coord"] for line in lines if "coord" in line))
    rows = []
    for k in kinds:
        rates = [line["per_second"] for line in lines if line.get("coord") == k]
        rows.append([k, f"{number(statistics.median(rates))} ({number(min(rates))} .. {number(max(rates))})", number(coord(lines, k, "own_us")), number(coord(lines, k, "server_us"))])
    loads = [line["load_1m"] for line in lines if "load_1m" in line]
    return (table(["call", "per second (least .. most)", "our CPU, µs", "the server's CPU, µs"], rows) +
            f"\n\nOne server on the same two processors, whose load was {min(loads):.0f} to {max(loads):.0f}: CPU can be trusted, rates are at least these.")


def made_store(lines):
    rows = []
    for name, quantity, words, terms in STORE:
        c, error, runs = coefficients(lines, name, quantity, terms)
        rows.append([name, quantity, formula(c, words), f"{percent(error)} ({runs})" if error is not None else "–"])
    for quantity, words, terms in STATE:
        c, error, runs = state(lines, quantity, terms)
        rows.append(["at rest", quantity.replace("_", " "), formula(c, words), f"{percent(error)} ({runs})" if error is not None else "–"])
    return table(["event", "of the store", "fitted", "error (runs)"], rows)


def made_requests(lines):
    rows = []
    for name in ("create", "death", "return", "failover"):
        for api in ("UpdateMetadata", "LeaderAndIsr"):
            counts, sizes = [], []
            for s, e in events(lines, name):
                seen = e["apis"].get(api)
                if not seen:
                    continue
                count, total, _ = request_bytes(lines, s, name)[api]
                counts.append(count / seen["requests"] - 1)
                sizes.append(total / seen["bytes"] - 1)
            rows.append([name, api, str(len(counts)), f"{percent(min(counts), 0)} .. {percent(max(counts), 0)}", percent(statistics.median(sizes)),
                         f"{percent(min(sizes), 0)} .. {percent(max(sizes), 0)}"])
    return table(["event", "request", "events", "count, model against simulation", "bytes, median", "bytes, all"], rows)


def made_metadata(lines):
    u = next(line for line in lines if line.get("bytes") == "Metadata")
    off = [(u["fixed"] + e["brokers"] * u["broker"] + e["topics"] * u["topic"] + e["partitions"] * u["partition"]) / e["metadata_bytes"] - 1 for e in lines if "state" in e]
    return f"The whole Metadata answer, by the encoders' sizes, differs from what brokers sent in the simulation by {max(map(abs, off)) * 100:.2f} % at most."


def idle_rates(lines):
    """(fetches per second of a pair of brokers that share partitions, bytes per Fetch, of its answer)"""
    got = [e for _, e in events(lines, "idle") if e["brokers"] <= 8]
    rate = statistics.median(e["apis"]["Fetch"]["requests"] / (e["ms"] / 1e3) / (e["brokers"] * (e["brokers"] - 1)) for e in got)
    fetch = [e["apis"]["Fetch"] for e in got]
    return rate, statistics.median(f["bytes"] / f["requests"] for f in fetch), statistics.median(f["answer_bytes"] / f["requests"] for f in fetch)


CASES = [(n, led) for n in (100, 1000) for led in (20, 200, 2000)]


def cases(lines):
    for n, led in CASES:
        p = n * led
        yield Shape(n, p, p / PER_TOPIC, led, RF * led)


def made_idle(lines):
    rate, ask, answer = idle_rates(lines)
    rest = [e for _, e in events(lines, "idle")]
    return (f"In {sum(e['ms'] for e in rest) / 1e3:,.0f} simulated seconds of rest, all runs together, the store was asked {sum(e['store']['calls'] for e in rest)} times (sessions' pings aside). "
            f"A Fetch without news has {ask:.0f} bytes, its answer {answer:.0f}, and each broker sends {rate:.2f} of them per second to each leader that it follows.")


def replica_bytes(lines):
    """Memory of a hosted replica: what an idle broker has more with so many than with none."""
    at = {}
    for line in lines:
        name = line.get("name", "")
        found = re.match(r"idle, (\d+) partitions", name)
        if found:
            replicas = int(found[1])
        if name.strip() == "memory of each":
            at[replicas] = line["median"]
    return (at[max(at)] - at[0]) * (1 << 20) / max(at)


def made_cluster(lines):
    rate = idle_rates(lines)[0]
    with open(os.path.join(ROOT, "tests", "bench", "counts.json"), encoding="utf-8") as f:
        fetch = json.load(f)["requests"]["fetch_empty"]
    u = next(line for line in lines if line.get("bytes") == "Metadata")
    rows = []
    for s in cases(lines):
        peers = s.leaders(s.H - s.L)
        of = {q: sum(x * y for x, y in zip(state(lines, q, terms)[0], terms(s))) for q, _, terms in STATE}
        rows.append([name_of(s), number(s.P), size(replica_bytes(lines) * s.H), number(2 * peers), number(rate * peers), f"{rate * peers * fetch['instructions'] / 1e6:.3g} M",
                     number(of["nodes"]), size(of["node_bytes"]), number(of["watches_active"]), size(s.T * (12 + 4)),
                     size(u["fixed"] + s.N * u["broker"] + s.T * u["topic"] + s.P * u["partition"])])
    return table(["brokers × led by each", "partitions", "a broker's memory for its replicas", "fetch connections per broker", "idle fetches/s served by each", "instructions/s for these", "nodes in ZooKeeper", "their bytes",
                  "watches of the controller", "list of topics, one reply", "Metadata of everything"], rows)


def store_times(lines, kind, count):
    """(as measured, if client and server have a processor each)"""
    return count / coord(lines, kind, "per_second"), count * max(coord(lines, kind, "own_us"), coord(lines, kind, "server_us")) / 1e6


def both(times):
    return f"{seconds(times[0])} ({seconds(times[1])})"


def name_of(s):
    return f"{s.N:,} × {s.L:,}"


def made_death(lines):
    u = next(line for line in lines if line.get("bytes") == "UpdateMetadata")
    rows = []
    for s in cases(lines):
        # of two: the second tells of smaller in-sync sets
        first = (s.N - 2) * (HEADER["UpdateMetadata"] + u["fixed"] + s.L * u["partition"] + s.touched(s.L) * u["topic"] + s.N * u["broker"])
        elect, wire = store_times(lines, "set, fenced", s.L), first / (10 * GIGABIT)
        rows.append([name_of(s), number(s.H), both(elect), size(first), seconds(wire), f"**{seconds(elect[0] + wire)}**", size(request_bytes(lines, s, "death")["UpdateMetadata"][1])])
    return table(["brokers × led by each", "writes in all", "elections: as measured (a processor for each)", "UpdateMetadata of the elections", "on the wire",
                  "**until all are led**", "all UpdateMetadata"], rows)


def made_failover(lines):
    u = next(line for line in lines if line.get("bytes") == "UpdateMetadata")
    rows = []
    for s in cases(lines):
        fail = request_bytes(lines, s, "failover")
        whole = HEADER["UpdateMetadata"] + u["fixed"] + s.N * u["broker"] + s.T * u["topic"] + s.P * u["partition"]
        reads, wire = store_times(lines, "get", s.P + s.T), (fail["UpdateMetadata"][1] + fail["LeaderAndIsr"][1]) / (10 * GIGABIT)
        rows.append([name_of(s), number(s.P + s.T), both(reads), size(whole) + (" (refused)" if whole > REQUEST_MAX else ""), size(fail["UpdateMetadata"][1]), size(fail["LeaderAndIsr"][1]),
                     seconds(wire), f"**{seconds(reads[0] + wire)}** ({seconds(reads[1] + wire)})", size(memory(lines) * s.P)])
    return table(["brokers × led by each", "reads", "as measured (a processor for each)", "one full UpdateMetadata", "all UpdateMetadata", "all LeaderAndIsr", "on the wire",
                  "**all together**", "the controller's copy"], rows)


def made_return(lines):
    rows = []
    for s in cases(lines):
        told = rounds(lines, s)
        count, total, each = request_bytes(lines, s, "return", told)["UpdateMetadata"]
        one_by_one = request_bytes(lines, s, "return", alterations(s))["UpdateMetadata"][1]
        rows.append([name_of(s), number(alterations(s)), number(told + 2), number(count), size(each), size(total), seconds(total / (10 * GIGABIT)),
                     f"{size(one_by_one)}, {seconds(one_by_one / (10 * GIGABIT))}"])
    return table(["brokers × led by each", "AlterPartition", "UpdateMetadata to each", "to all", "each", "all", "on the wire", "one per AlterPartition, as Java tells it"], rows)


def made_measured(lines):
    rows = [[line["name"].strip(), f"{number(line['median'])} ({number(min(line['runs']))} .. {number(max(line['runs']))})", line["unit"]] for line in lines if "runs" in line]
    return table(["three brokers on this machine", "median (least .. most)", ""], rows)


def made_bounds(lines):
    """How far each bound lets a cluster grow, everything else aside: 200 partitions led by each broker, 10 per topic."""
    def largest(holds):
        n = 4
        while n < 100000 and holds(Shape(n, n * 200, n * 200 / PER_TOPIC, 200, 600)):
            n = int(n * 1.05) + 1
        return n

    u = next(line for line in lines if line.get("bytes") == "UpdateMetadata")
    bounds = [
        ("a broker's return keeps a 10 Gbit/s controller busy for 10 s", lambda s: request_bytes(lines, s, "return", rounds(lines, s))["UpdateMetadata"][1] < 10 * 10 * GIGABIT),
        ("the same with one UpdateMetadata per AlterPartition, as Java's controller tells it",
         lambda s: request_bytes(lines, s, "return", alterations(s))["UpdateMetadata"][1] < 10 * 10 * GIGABIT),
        ("a failover sends for 10 s at 10 Gbit/s (everything to everybody)", lambda s: request_bytes(lines, s, "failover")["UpdateMetadata"][1] < 10 * 10 * GIGABIT),
        ("a failover reads ZooKeeper for 10 s", lambda s: store_times(lines, "get", s.P + s.T)[0] < 10),
        ("one UpdateMetadata is larger than socket.request.max.bytes", lambda s: s.P * u["partition"] + s.T * u["topic"] + s.N * u["broker"] < REQUEST_MAX),
        ("ZooKeeper's list of topics is larger than 4 MiB", lambda s: s.T * (12 + 4) < REPLY_MAX),
        ("the elections of a dead broker's partitions write ZooKeeper for 1 s", lambda s: store_times(lines, "set, fenced", s.L)[0] < 1),
        ("idle fetches: 20,000 a second served by each broker", lambda s: idle_rates(lines)[0] * s.leaders(s.H - s.L) < 20000),
    ]
    rows = []
    for words, holds in bounds:
        n = largest(holds)
        rows.append((n, [words, "never: it does not grow with the cluster" if n >= 100000 else f"{n:,} brokers, {n * 200:,} partitions"]))
    return table(["bound", "reached at"], [r for _, r in sorted(rows, key=lambda r: r[0])])


MADE = {"runs": made_runs, "bytes": made_bytes, "metadata": made_metadata, "coord": made_coord, "store": made_store, "requests": made_requests, "idle": made_idle, "cluster": made_cluster,
        "death": made_death, "failover": made_failover, "return": made_return, "measured": made_measured, "bounds": made_bounds}


# ---- measuring ----

def revision():
    return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()


def collect(files):
    """Lines of programs' outputs; a simulation's begin with the run."""
    out = []
    for path in files:
        with open(path, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        first = next((line for line in lines if "event" in line), None)
        if first:
            out.append({"run": [first["brokers"], next(e["partitions"] for e in lines if e.get("event") == "fill")]})
        out += lines
    return out


def run(argv, path):
    with open(path, "w", encoding="utf-8") as f:
        subprocess.run(argv, stdout=f, check=True)
    return path


def simulated(build, d):
    sim = os.path.join(build, "tests", "sim", "scale_sim")
    files = [run([sim, "--bytes"], os.path.join(d, "bytes"))]
    for n, p, k in RUNS:
        print(f"{n} brokers, {p} partitions, {k} per topic", flush=True)
        files.append(run([sim, "--idle", "20" if n < 16 else "5" if n < 32 else "2", "--per-topic", str(k), str(n), str(p)], os.path.join(d, f"{n}-{p}-{k}")))
    return files


def simulate(build):
    with open(LINES, encoding="utf-8") as f:
        measured = [line for line in map(json.loads, f) if "coord" in line or "runs" in line]
    with tempfile.TemporaryDirectory() as d:
        write(collect(simulated(build, d)) + measured)


def measure(build):
    with tempfile.TemporaryDirectory() as d:
        files = simulated(build, d)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        zookeeper, at = os.path.join(ROOT, "tests", "system", "zookeeper"), os.path.join(d, "zk")
        subprocess.run([zookeeper, "start", at, str(port)], check=True)
        try:
            with open(os.path.join(at, "pid"), encoding="utf-8") as f:
                pid = f.read().strip()
            lines = []
            for i in range(4):      # the first lets Java compile
                of = collect([run([os.path.join(build, "tests", "bench", "coord_bench"), f"127.0.0.1:{port}", "20000", pid], os.path.join(d, f"coord{i}"))])
                lines += [{**line, "load_1m": round(os.getloadavg()[0], 1)} for line in of] if i else []
        finally:
            subprocess.run([zookeeper, "stop", at], check=False)
        cluster = os.path.join(d, "cluster")
        subprocess.run([os.path.join(build, "tests", "bench", "cluster_bench"), "--dir", os.path.join(d, "brokers"), "--only", "failover,idle", "--idle", "10", "--runs", "1", "--partitions", "900",
                        "--json", cluster, "--revision", revision(), os.path.join(build, "skein"), zookeeper], check=True)
        write(collect(files) + lines + collect([cluster]))


def write(lines):
    with open(LINES, "w", encoding="utf-8") as f:
        f.write(json.dumps({"revision": revision()}) + "\n")
        for line in lines:
            f.write(json.dumps(line) + "\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--check", action="store_true")
    p.add_argument("--measure", metavar="BUILD")
    p.add_argument("--simulate", metavar="BUILD")
    p.add_argument("--collect", nargs="+", metavar="FILE")
    o = p.parse_args()
    if o.measure:
        measure(o.measure)
    if o.simulate:
        simulate(o.simulate)
    if o.collect:
        write(collect(o.collect))
    with open(LINES, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    wanted = re.sub(r"(<!-- made: (\w+) -->\n).*?(<!-- /made -->)", lambda m: m[1] + MADE[m[2]](lines) + "\n" + m[3], page, flags=re.S)
    is_stale = wanted != page
    if is_stale and not o.check:
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(wanted)
    if is_stale:
        print(("not what the lines say: " if o.check else "made: ") + os.path.relpath(PAGE))
    print(f"{0 if is_stale and o.check else 1} passed, {1 if is_stale and o.check else 0} failed")
    sys.exit(1 if o.check and is_stale else 0)


if __name__ == "__main__":
    main()
