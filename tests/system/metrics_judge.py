#!/usr/bin/env python3
"""Judges what the broker's metrics listener says, with the parsers of Prometheus's own Python client.

metrics_judge.py text|openmetrics FILE METRICS.md   the page parses, no sample is there twice, histograms add up, and its families are those of the document
metrics_judge.py attack HOST:PORT                   garbage, half requests, readers that do not read, many scrapes at once; bounded
"""
import re
import socket
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client import parser as text_parser


def documented(path):
    with open(path, encoding="utf-8") as f:
        return set(re.findall(r"^\| `([a-z_]+)` \|", f.read(), re.M))


def check_page(kind, path, document):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    parse = text_parser.text_string_to_metric_families if kind == "text" else openmetrics_parser.text_string_to_metric_families
    names, seen, samples = set(), set(), 0
    for family in parse(text):
        # both parsers name a counter without its _total
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name not in names, f"{name} is there twice"
        assert family.type != "unknown" and family.documentation, f"{name} has no type or help"
        names.add(name)
        below = {}
        for s in family.samples:
            key = (s.name, tuple(sorted(s.labels.items())))
            assert key not in seen, f"{key} is there twice"
            seen.add(key)
            samples += 1
            if s.name.endswith("_bucket"):
                of = s.labels.get("request", "")
                assert s.value >= below.get(of, 0), f"{key} is below the bucket before it"
                below[of] = s.value
            if family.type == "histogram" and s.name.endswith("_count"):
                assert s.value == below[s.labels.get("request", "")], f"{key} is not its last bucket"
    assert names == documented(document), f"not as documented: {sorted(names ^ documented(document))}"
    print(f"{len(names)} families, {samples} samples")


def connect(at):
    host, port = at.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def attack(at):
    requests = [
        b"\x00" * 4096, b"GET / HTTP/9.9\r\n\r\n", b"GET /metrics HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"\r\n\r\n\r\n",
    ]
    for r in requests:
        with connect(at) as s:
            try:
                s.sendall(r)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass        # closed on us: its right
    silent = [connect(at) for _ in range(30)]
    deaf = [connect(at) for _ in range(10)]
    for s in deaf:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 20)

    def scrape(_):
        try:
            with urllib.request.urlopen(f"http://{at}/metrics", timeout=20) as r:
                return r.status == 200 and len(r.read()) > 1000
        except OSError:
            return False

    with ThreadPoolExecutor(20) as pool:
        good = sum(pool.map(scrape, range(1000)))
    print(f"{good} of 1000 scrapes beside 40 connections that do nothing")
    assert good >= 900, good
    for s in silent + deaf:
        s.close()


if sys.argv[1] == "attack":
    attack(sys.argv[2])
else:
    check_page(*sys.argv[1:4])
