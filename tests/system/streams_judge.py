#!/usr/bin/env python3
"""streams_judge.py LINES COUNTS DISTINCT [--exact] [--killed LOG]... LOG...: whether a word count is right, see streams.test.

LINES     what was written: "ID WORD..."
COUNTS    what the output topics hold, "WORD NUMBER" in order: the last line of a word counts
DISTINCT  likewise, of the sets of lines
LOG       what each life of an instance printed: "counted PARTITION OFFSET WORD"
--exact   nobody was killed: the counts are exact as well
--killed  LOG of one that was killed: what was counted twice must be in such a log. Without it and without --exact anything may have been counted twice
"""
import argparse
import collections
import re
import sys


def last_of(path: str) -> dict[str, int]:
    return {word: int(n) for word, n in (text.split() for text in open(path))}


def counted_in(path: str) -> list[tuple[int, int, str]]:
    """The last line of one that was killed may be torn; a record that it did not print it had not counted either."""
    found = (re.fullmatch(r"counted (\d+) (\d+) (\w+)\n", text) for text in open(path, errors="replace"))
    return [(int(m[1]), int(m[2]), m[3]) for m in found if m]


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("lines", "counts", "distinct"):
        parser.add_argument(name)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--killed", action="append", default=[])
    parser.add_argument("log", nargs="+")
    args = parser.parse_args()

    wanted = collections.Counter(word for text in open(args.lines) for word in text.split()[1:])
    counts, distinct = last_of(args.counts), last_of(args.distinct)
    taken = [record for path in args.log for record in counted_in(path)]
    by_word = collections.Counter(word for _, _, word in taken)
    places = collections.Counter((partition, offset) for partition, offset, _ in taken)
    by_killed = {(partition, offset) for path in args.killed for partition, offset, _ in counted_in(path)}
    wrong = []
    for word in sorted(wanted.keys() | counts.keys() | distinct.keys()):
        right, count = wanted[word], counts.get(word, 0)
        if distinct.get(word, 0) != right:
            wrong.append(f"{word}: in {right} lines, but {distinct.get(word, 0)} are known")
        if not right <= count <= (right if args.exact else by_word[word]):
            wrong.append(f"{word}: written {right} times, counted {by_word[word]} times, shown {count}")
    twice = [place for place, times in places.items() if times > 1]
    if args.exact or args.killed:
        wrong += [f"partition {p} offset {o} was counted {places[p, o]} times" for p, o in twice if (p, o) not in by_killed]
    for what in wrong[:20]:
        print(what)
    print(f"# {sum(wanted.values())} words written, {sum(counts.values())} counted; {len(twice)} places counted more than once")
    return 1 if wrong or not wanted else 0


sys.exit(main())
