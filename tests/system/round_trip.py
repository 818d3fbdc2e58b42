#!/usr/bin/env python3
"""Records of every kind as skein produce -i ndjson takes them, and whether they are what skein consume -o ndjson or json then prints.

  round_trip.py make SEED COUNT PARTITIONS >in.ndjson
  round_trip.py judge SEED COUNT PARTITIONS <out.ndjson      exits with 1 and a sentence at the first difference
  round_trip.py same A.ndjson B.ndjson                       the same records byte by byte, but for the topic; in any order between partitions

The same seed gives the same records; bytes are compared with what was drawn, not with what was written as JSON.
"""
import base64
import json
import random
import re
import sys

SPECIAL = [None, b"", b"\0", b"\n", b"\r\n", b'"', b"\\", b"\\u0000", b"\x7f", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"null", b"{}",
           "\u2028".encode(), "\U0001f600".encode(), "\uffff".encode(), "e\u0301".encode(), b" ", b"\t", b"%s%n", b"a" * 70000, b"\xf0\x9f\x98"]


def some_bytes(rng, with_null=True):
    kind = rng.randrange(6)
    if kind == 0:
        value = rng.choice(SPECIAL)
        return b"" if value is None and not with_null else value
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(60)))
    if kind == 2:
        return "".join(chr(rng.choice([rng.randrange(0x80), rng.randrange(0xa0, 0xd800), rng.randrange(0x10000, 0x110000)])) for _ in range(rng.randrange(20))).encode()
    if kind == 3:
        return bytes(rng.randrange(32) for _ in range(rng.randrange(20)))
    return str(rng.randrange(10 ** 6)).encode()


def records(seed, count, partitions):
    """(partition, timestamp, key, value, headers)"""
    rng = random.Random(seed)
    for _ in range(count):
        headers = [(some_bytes(rng, False), some_bytes(rng)) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
        if headers and rng.randrange(3) == 0:
            headers.append((headers[0][0], some_bytes(rng)))		# a name may come twice
        yield rng.randrange(partitions), rng.choice([0, 1, 1700000000000 + rng.randrange(10 ** 9)]), some_bytes(rng), some_bytes(rng), headers


def field(rng, name, value):
    """As text where that is possible, mostly, and in either way of escaping."""
    if value is None:
        return {name: None} if rng.randrange(2) else {}
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or rng.randrange(5) == 0:
        return {name + "_base64": base64.b64encode(value).decode()}
    return {name: text}


def make(seed, count, partitions):
    rng = random.Random(seed + 1000000)
    for partition, timestamp, key, value, headers in records(seed, count, partitions):
        o = {"partition": partition, "timestamp": timestamp, **field(rng, "key", key), **field(rng, "value", value)}
        if headers or rng.randrange(2):
            o["headers"] = [{**field(rng, "key", k), **field(rng, "value", v)} for k, v in headers]
        names = list(o)
        rng.shuffle(names)
        line = json.dumps({n: o[n] for n in names}, ensure_ascii=rng.randrange(2) == 0)
        sys.stdout.buffer.write(line.encode() + b"\n")


def bytes_of(o, name):
    if name + "_base64" in o:
        assert name not in o, o
        value = base64.b64decode(o[name + "_base64"], validate=True)
        try:
            value.decode()
        except UnicodeDecodeError:
            return value
        raise AssertionError(f"{name} is text and comes in base64: {o}")
    return None if o[name] is None else o[name].encode()


def judge(seed, count, partitions):
    text = sys.stdin.buffer.read().decode()
    found = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n")[:-1]]
    per_partition = {p: [] for p in range(partitions)}
    for o in found:
        assert set(o) - {"key", "key_base64", "value", "value_base64"} == {"topic", "partition", "offset", "timestamp", "headers"}, o
        per_partition[o["partition"]].append(o)
    assert len(found) == count, f"{len(found)} records, not {count}"
    for i, (partition, timestamp, key, value, headers) in enumerate(records(seed, count, partitions)):
        o = per_partition[partition].pop(0)
        got = (o["timestamp"], bytes_of(o, "key"), bytes_of(o, "value"), [(bytes_of(h, "key"), bytes_of(h, "value")) for h in o["headers"]])
        assert got == (timestamp, key, value, headers), f"seed {seed} record {i + 1}: wanted {(timestamp, key, value, headers)}, got {got}"


def same(a, b):
    def lines(path):
        with open(path, "rb") as f:
            return sorted(re.sub(rb'^\{"topic":"[^"]*",', b"{", line) for line in f)
    assert lines(a) == lines(b), f"{a} and {b} differ"


if __name__ == "__main__":
    try:
        if sys.argv[1] == "same":
            same(*sys.argv[2:])
        else:
            {"make": make, "judge": judge}[sys.argv[1]](*map(int, sys.argv[2:]))
    except AssertionError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
