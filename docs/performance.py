#!/usr/bin/env python3
"""Makes what is between the marks of docs/PERFORMANCE.md, and its plots, from the lines that tests/bench/compare wrote. No figure there is typed.

   performance.py [--check]     --check: changes nothing; exit code 1 when the file or a plot is not what the lines say

Of each row only lines of one group are taken: of the same revision, programs, machine and settings. It is the newest with three pairs, or else of those with most pairs the newest.

Lines: docs/performance/lines.jsonl. Marks: <!-- made: WHAT --> ... <!-- /made -->, WHAT: machine, row NAME, growth NAME, plot NAME, goals, losses. Each is on the page once: one that is missing
fails, so that no row is left out.
"""
import argparse
import importlib.machinery
import importlib.util
import json
import os
import re
import statistics
import sys

DOCS = os.path.dirname(os.path.abspath(__file__))
COMPARE = os.path.join(os.path.dirname(DOCS), "tests", "bench", "compare")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("compare", COMPARE)
compare = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
loader.exec_module(compare)

def least_and_middle(row, label, middle, limit, words):
    """Both readings of a row that is the least of three runs."""
    return (row, label, limit, f"{words}, least of three runs"), (row, middle, limit, "the middle one of them")


NAMES = {"skein": "skein", "java": "Java, defaults", "java-tuned": "Java, tuned", "java-kraft": "Java, KRaft", "null": "null broker", "loop": "bare loop"}
COLOURS = {"skein": "#1b7f5c", "java": "#b3542e", "java-tuned": "#d08a4e", "java-kraft": "#7a5195", "null": "#b8b8b8", "loop": "#808080"}
MIDDLE = "the same, the middle one of three runs"
# (row, label of its figure, at most, or (at most, of whose), in words[, at least instead])
GOALS = [
    ("small", "broker CPU", 10, "broker CPU of a request of one small record, 5 in flight, acks=1, µs"), ("small", "broker CPU", (1 / 6, "java"), "the same by Java's"),
    ("small", "broker CPU", (2, "loop"), "the same by the bare loop's"), ("small-100", "broker CPU", 8, "the same, 100 in flight, µs"),
    ("connections-100", "broker CPU", 12, "the same, 100 connections, µs"),
    *least_and_middle("batched", "broker CPU", MIDDLE, 0.6, "broker CPU, batches of 1 MB, s/GB"),
    *least_and_middle("batched", "broker CPU", MIDDLE, (1.3, "loop"), "broker CPU, batches of 1 MB, by the bare loop's"),
    *least_and_middle("batched", "broker CPU", MIDDLE, (0.5, "java"), "broker CPU, batches of 1 MB, by Java's"),
    *least_and_middle("batched-64k", "broker CPU", MIDDLE, 0.7, "broker CPU, batches of 64 KiB, s/GB"),
    *least_and_middle("lz4", "the same, per GB on the wire", "the middle one of three runs, per GB on the wire", 0.6, "broker CPU, lz4, s/GB on the wire"),
    ("fetch-1m", "the one by the other", 1.3, "hot fetch, 1 MiB, by bare sendfile"), ("fetch-1m", "broker CPU", (1, "java"), "the same by Java's"),
    ("fetch-10m", "the one by the other", 1.3, "hot fetch, 10 MiB, by bare sendfile"), ("fetch-10m", "broker CPU", (1, "java"), "the same by Java's"),
    ("start", "exec to first acknowledged record", 20, "exec to first acknowledged record, ms"), ("start", "memory", 8, "idle memory, MiB"),
    ("memory", "memory", 32, "memory after 3 GB in and 3 GB out, MiB"),
    *((row, f"end to end {p}", limit, f"end to end at {at}, {p}, µs") for row, at, limits in (("e2e", "1,000/s", (150, 500, 2000)), ("e2e-all", "1,000/s, acks=all", (150, 500, 2000)),
      ("e2e-5000", "5,000/s", (150, 500, 2000)), ("e2e-5000-all", "5,000/s, acks=all", (150, 500, 2000)), ("e2e-10000", "10,000/s", (250, 2000)))
      for limit, p in zip(limits, ("p50", "p99", "p99.9"))),
    ("fsync", "bytes acknowledged, of the least of what is without syncs and the device", 90,
     "synced before each answer: bytes, of the least of what is without syncs and the device, %", True),
    ("fsync", "the one above the other", 2000, "acknowledged at 1,000/s, p99 above the device's own, µs"),
    ("recovery", "exec to first acknowledged record", 200, "restart after kill -9, 1 GiB, ms"), ("recovery-10g", "exec to first acknowledged record", 200, "the same, 10 GiB, ms"),
    ("recovery-2000", "exec to first acknowledged record", 300, "the same, 2,000 partitions, nothing written to them, ms"),
    ("recovery-2000-written", "exec to first acknowledged record", 300, "the same, 2,000 partitions, 50 records in each, ms"),
    ("partitions", "create them", 0.5, "create 2,000 partitions, s"), ("partitions", "memory added", 64, "memory of 2,000 partitions, MiB"),
    ("partitions", "idle CPU with them", 0.2, "idle CPU with them, %"), ("topics", "create them", 0.5, "create 2,000 topics, s"),
    ("topics", "memory added", 64, "memory of 2,000 topics, MiB"), ("topics", "idle CPU with them", 0.2, "idle CPU with them, %"),
    ("partitions-10k", "create them", 3, "create 10,000 partitions, s"), ("partitions-10k", "memory added", 350, "memory of 10,000 partitions, MiB"),
    ("partitions-10k", "idle CPU with them", 0.5, "idle CPU with them, %"),
    ("idle-connections", "memory of them", 100, "memory of 10,000 idle connections, MiB"), ("idle-connections", "the same by that without them", 1.3, "cost of a request beside them, times"),
    ("fan-out", "the one by the other", 1.2, "fan-out to 50 consumers, times the sendfile floor"),
    ("cold", "acknowledged, p99, beside it by alone", 1.1, "acknowledgements' p99 beside a cold reader, times"),
]
# What stands in a table beside the figures, and is nobody's.
REFERENCES = ("hiccups", "the same through a relay", "the same by bare sendfile", "the device's own")
GROWTH = {"over": "partitions", "connections": "connections", "metadata": "topics", "fan": "consumers", "log": "GiB"}
GROWTH_TITLES = {"over": "Broker CPU of a record, over many partitions, µs", "connections": "Broker CPU of a record, from many connections with one request under way each, µs",
                 "metadata": "Broker CPU of an answer about all topics, µs", "fan": "Broker CPU of a GB delivered to many consumers, s", "log": "Broker CPU of a record at the end of a log, µs"}


def all_kinds(row):
    java = () if row in compare.WITHOUT_JAVA else compare.ALL_JAVA if row in compare.HEADLINE else ("java",)
    return ("skein", *java, *compare.ROWS[row][1])


def figure(row, label):
    for name, _, of in compare.ROWS[row][3] if row in compare.ROWS else ():
        if name == label:
            return of
    sys.exit(f"performance.py: there is no figure '{label}' in a row {row} of tests/bench/compare")


def counted(lines, row):
    n = compare.pairs(lines, row)
    return f"{n} pair{'' if n == 1 else 's'}" if len(all_kinds(row)) > 1 else f"{n} run{'' if n == 1 else 's'}"


def made_at(lines, rows):
    """Of which revision, and on which machine, rows are: what not all lines have in common, for small print."""
    differ = [k for k in compare.WHERE if len({line.get(k) for line in lines}) > 1]
    groups = sorted({tuple(str(line[k]) if k == "revision" else f"{k} {line[k]}" for k in differ if k in line) for line in lines if line["row"] in rows})
    return "; of " + " and of ".join(", ".join(g) for g in groups) if differ and groups else ""


def present(lines, row):
    return [k for k in all_kinds(row) if compare.newest(lines, row, k)]


def median(lines, row, kind, of):
    values = [v for v in compare.figures(lines, row, kind, of).values() if v is not None]
    return statistics.median(values) if values else None


def ratio(lines, row, kind, of):
    theirs, ours = compare.figures(lines, row, kind, of), compare.figures(lines, row, "skein", of)
    both = sorted(set(theirs) & set(ours))
    return compare.brokers.ratio([theirs[p] for p in both], [ours[p] for p in both])


# ---- text ----

def made_machine(lines):
    def of(key):
        return ", ".join(sorted({str(line[key]) for line in lines if key in line}))
    quiet = [line["machine"] for line in lines if "machine" in line]
    loads = [line["load_1m"] for line in lines]
    build = f" (programs {of('build')})" if of("build") else ""
    return (f"Measured at revision {of('revision')}{build}, kernel {of('kernel')}, {of('processors')} processors ({of('cpu')}), settings {of('config')}. "
            f"The load of the machine was {min(loads):.0f} to {max(loads):.0f}; {quiet.count('quiet')} of {len(quiet)} runs met a quiet machine.")


def made_row(lines, row):
    what, _, _, columns = compare.ROWS[row]
    kinds = present(lines, row)
    if "skein" not in kinds:
        return f"*{what}*: not measured yet."
    out = [f"*{what}*; {counted(lines, row)}{made_at(lines, [row])}; `tests/bench/compare --rows {row} BUILD`", "",
           "| | " + " | ".join(NAMES[k] for k in kinds) + " | " + " | ".join(f"{NAMES[k]} / skein" for k in kinds[1:]) + " |", "|---" * (2 * len(kinds)) + "|"]
    for name, unit, of in columns:
        cells = [compare.number(median(lines, row, k, of)) for k in kinds]
        for k in kinds[1:]:
            r = ratio(lines, row, k, of)
            cells.append(f"**{r[0]:.2f}** {compare.brokers.interval(r)}" if r else "–")
        out.append(f"| {name}, {unit} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def told_apart(v, limit):
    """With as many digits as tell it from its goal."""
    if v is None or v == limit or compare.number(v) != compare.number(limit):
        return compare.number(v)
    return next(s for s in (f"{v:,.{digits}f}" for digits in range(1, 20)) if float(s.replace(",", "")) != limit)


def made_goals(lines):
    out = ["| | goal | skein | |", "|---|---|---|---|"]
    for row, label, limit, words, *at_least in GOALS:
        of = figure(row, label)
        if isinstance(limit, tuple):
            limit, kind = limit
            r = ratio(lines, row, kind, of)
            v = 1 / r[0] if r else None
        else:
            v = median(lines, row, "skein", of)
        reached = v is not None and (v >= limit if at_least else v <= limit)
        out.append(f"| {words} | {'at least ' if at_least else ''}{compare.number(limit)} | {told_apart(v, limit)} | {'not measured' if v is None else 'reached' if reached else 'missed'} |")
    return "As measured, on the machines above and beside what else they did:\n\n" + "\n".join(out)


def growth_rows(what):
    """{n: row}: a fan of 50 is the row fan-out."""
    return {**{n: f"{what}-{n}" for n in compare.GROWTH[what]}, **({50: "fan-out"} if what == "fan" else {})}


def growth(lines, what):
    """{kind: [(n, cost)]}"""
    series = {}
    for n, row in growth_rows(what).items():
        for kind in present(lines, row):
            v = median(lines, row, kind, compare.ROWS[row][3][0][2])
            if v is not None:
                series.setdefault(kind, []).append((n, v))
    return series


def made_growth(lines, what):
    series = growth(lines, what)
    sizes = sorted({n for s in series.values() for n, _ in s})
    if not sizes:
        return f"*{GROWTH_TITLES[what]}*: not measured yet."
    rows = growth_rows(what)
    made = {made_at(lines, [rows[n]]) for n in sizes}
    out = [f"*{GROWTH_TITLES[what]}*{made.pop() if len(made) == 1 else ''}; `tests/bench/compare --rows {','.join(f'{what}-{n}' for n in compare.GROWTH[what])} BUILD`", "",
           f"| {GROWTH[what]} | " + " | ".join(f"{n:,}" for n in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for kind, points in series.items():
        out.append(f"| {NAMES[kind]} | " + " | ".join(compare.number(dict(points).get(n)) for n in sizes) + " |")
    out.append("| pairs | " + " | ".join(str(compare.pairs(lines, rows[n])) for n in sizes) + " |")
    if made:
        out.append("| | " + " | ".join(made_at(lines, [rows[n]]).removeprefix("; ") for n in sizes) + " |")
    return "\n".join(out)


def made_losses(lines):
    lost, open_ = [], []
    for row, (what, _, _, columns) in compare.ROWS.items():
        for name, unit, of in columns:
            for kind in compare.ALL_JAVA:
                r = ratio(lines, row, kind, of)
                if not r or name.startswith(REFERENCES):
                    continue
                told = f"{r[0]:.2f} {compare.brokers.interval(r)}"
                if unit == "MB/s" or name.startswith("bytes acknowledged"):     # the more, the better
                    r = (1 / r[0], *(None if x is None else 1 / x for x in (r[2], r[1])))
                if r[2] is not None and r[2] < 1:
                    lost.append(f"- {what}: {name}: {NAMES[kind]} has {told} of ours")
                elif (r[0] if r[1] is None else r[1]) < 1:
                    open_.append(f"- {what}: {name}: {NAMES[kind]} {told}")
    return ("Java is better, and the interval says so:\n\n" + ("\n".join(lost) or "- nothing") +
            "\n\nThe interval holds 1, or there is but one pair, in which Java was better: nobody has won:\n\n" + ("\n".join(open_) or "- nothing"))


# ---- plots: SVG, by hand ----

def svg(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n")


def text(x, y, s, anchor="start", extra=""):
    s = s.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{s}</text>'


def bars(title, values):
    """values: [(kind, figure)]"""
    top, step, left, width = 40, 28, 130, 420
    most = max(v for _, v in values)
    body = [text(10, 22, title, extra=' font-weight="bold"')]
    for i, (kind, v) in enumerate(values):
        y = top + i * step
        body += [text(left - 8, y + 14, NAMES[kind], "end"), f'<rect x="{left}" y="{y}" width="{max(v / most * width, 1):.1f}" height="20" fill="{COLOURS[kind]}"/>',
                 text(left + v / most * width + 6, y + 14, compare.number(v))]
    return svg(left + width + 80, top + len(values) * step + 10, body)


def nice_ticks(least, most):
    ticks, t = [], 1e-6
    while t <= most * 10:
        if t >= least / 10:
            ticks.append(t)
        t *= 10
    return [t for t in ticks if least <= t * 1.0001 and t <= most * 1.0001]


def curves(title, series, xlabel, ylabel, xnames=None):
    """series: {kind: [(x, y)]}, both axes by powers of ten."""
    import math
    left, top, width, height = 70, 40, 460, 260
    xs, ys = [x for s in series.values() for x, _ in s], [y for s in series.values() for _, y in s if y > 0]
    x0, x1 = math.log10(min(xs)), math.log10(max(xs))
    y0, y1 = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 1e-9)

    def at(x, y):
        return left + (math.log10(x) - x0) / ((x1 - x0) or 1) * width, top + height - (math.log10(y) - y0) / ((y1 - y0) or 1) * height
    body = [text(10, 22, title, extra=' font-weight="bold"'), f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#888"/>']
    for t in nice_ticks(10 ** y0, 10 ** y1):
        y = at(10 ** x0, t)[1]
        body += [f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>', text(left - 6, y + 4, f"{t:g}", "end")]
    for x in sorted(set(xs)):
        px = at(x, 10 ** y0)[0]
        body += [f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{top}" y2="{top + height}" stroke="#eee"/>', text(px, top + height + 16, (xnames or {}).get(x, f"{x:g}"), "middle")]
    for i, (kind, points) in enumerate(series.items()):
        path = " ".join(f"{at(x, y)[0]:.1f},{at(x, y)[1]:.1f}" for x, y in points if y > 0)
        body += [f'<polyline points="{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>', f'<rect x="{left + width + 12}" y="{top + i * 20}" width="14" height="4" fill="{COLOURS[kind]}"/>',
                 text(left + width + 32, top + 6 + i * 20, NAMES[kind])]
    body += [text(left + width / 2, top + height + 36, xlabel, "middle"), text(14, top - 6, ylabel)]
    return svg(left + width + 150, top + height + 50, body)


def plots(lines):
    out = {}
    for row, title in (("small", "Broker CPU of a request of one small record, µs"), ("batched", "Broker CPU of batches of 1 MB, s/GB")):
        of = compare.ROWS[row][3][0][2]
        values = [(k, median(lines, row, k, of)) for k in present(lines, row)]
        if values:
            out[f"{row}.svg"] = bars(title, [(k, v) for k, v in values if v is not None])
    series, names = {}, {2: "p50", 10: "p90", 100: "p99", 1000: "p99.9"}
    for kind in present(lines, "e2e"):
        series[kind] = [(x, median(lines, "e2e", kind, lambda t, p=p: t["end_to_end_us"][p])) for x, p in ((2, "p50"), (10, "p90"), (100, "p99"), (1000, "p99_9"))]
    if series:
        out["latency.svg"] = curves("End to end, 1,000 records a second", series, "share of records", "µs", names)
    for what, words in GROWTH.items():
        series = growth(lines, what)
        if any(len(points) > 1 for points in series.values()):
            out[f"{what}.svg"] = curves(GROWTH_TITLES[what], series, words, "")
    return out


MARK = r"<!-- made: ([a-z0-9 -]+?) -->"


def wrong_marks(page):
    """In words: marks that are not there, or twice, or unknown, or without an end. A row of a growth table needs none of its own."""
    of_growth = {f"{what}-{n}" for what, sizes in compare.GROWTH.items() for n in sizes}
    known = {"machine", "goals", "losses", *(f"plot {name}" for name in ("small", "batched", "latency", *GROWTH)), *(f"growth {what}" for what in GROWTH),
             *(f"row {row}" for row in compare.ROWS if row not in of_growth)}
    there = re.findall(MARK, page)
    wrong = [f"the mark made: {mark} is missing" for mark in sorted(known - set(there))]
    wrong += [f"the mark made: {mark} is there {there.count(mark)} times" for mark in sorted(set(there)) if there.count(mark) > 1]
    wrong += [f"the mark made: {mark} is unknown" for mark in sorted(set(there) - known - {f"row {row}" for row in of_growth})]
    order = re.findall(r"<!-- (made: |/made -->)", page)
    if order != ["made: ", "/made -->"] * (len(order) // 2):
        wrong.append("a mark made: has no <!-- /made -->, or the other way round")
    return wrong


def main():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--check", action="store_true")
    o = a.parse_args()
    with open(os.path.join(DOCS, "performance", "lines.jsonl"), encoding="utf-8") as f:
        lines = compare.one_group_a_row([json.loads(line) for line in f])
    page = os.path.join(DOCS, "PERFORMANCE.md")
    with open(page, encoding="utf-8") as f:
        before = f.read()
    wrong = wrong_marks(before)
    for words in wrong:
        print(f"{os.path.relpath(page)}: {words}")
    if wrong:
        print(f"0 passed, {len(wrong)} failed")
        sys.exit(1)
    drawn = plots(lines)
    makers = {"machine": made_machine, "goals": made_goals, "losses": made_losses}

    def made(m):
        what, _, argument = m.group(1).partition(" ")
        if what == "plot":
            body = f"![{argument}](performance/{argument}.svg)" if f"{argument}.svg" in drawn else f"*{argument}: not measured yet.*"
        else:
            body = made_row(lines, argument) if what == "row" else made_growth(lines, argument) if what == "growth" else makers[what](lines)
        return f"<!-- made: {m.group(1)} -->\n{body}\n<!-- /made -->"
    wanted = {page: re.sub(MARK + r"\n.*?<!-- /made -->", made, before, flags=re.S)}
    wanted.update({os.path.join(DOCS, "performance", name): body for name, body in drawn.items()})
    stale = []
    for path, body in wanted.items():
        try:
            with open(path, encoding="utf-8") as f:
                is_same = f.read() == body
        except FileNotFoundError:
            is_same = False
        if not is_same:
            stale.append(os.path.relpath(path))
            if not o.check:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(body)
    for path in stale:
        print(("not what the lines say: " if o.check else "made: ") + path)
    print(f"{len(wanted) - len(stale) if o.check else len(wanted)} passed, {len(stale) if o.check else 0} failed")
    sys.exit(1 if o.check and stale else 0)


if __name__ == "__main__":
    main()
