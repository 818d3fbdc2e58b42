#!/usr/bin/env python3
"""Judges what the broker's metrics listener says, with the parsers of Prometheus's own Python client.

metrics_judge.py text|openmetrics FILE METRICS.md   the page parses, no sample is there twice, histograms add up, and its families are those of the document
metrics_judge.py besiege HOST:PORT drip|keep        every place taken, by requests that never end or by who asks again and again: others are answered all the same
metrics_judge.py attack HOST:PORT                   garbage, half requests, readers that do not read, many scrapes at once; bounded
"""
import re
import socket
import sys
import threading
import time
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


def besiege(at, how):
    """As many connections as there are places, and half as many again, which come back when they are closed."""
    over = threading.Event()

    def drip(s):
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        while not over.wait(0.5):
            s.sendall(b"a")

    def keep(s):
        while not over.wait(0.5):
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not s.recv(4096):
                return

    def stay():
        while not over.is_set():
            try:
                with connect(at) as s:
                    {"drip": drip, "keep": keep}[how](s)
            except OSError:
                over.wait(0.2)

    crowd = [threading.Thread(target=stay) for _ in range(96)]
    for t in crowd:
        t.start()
    time.sleep(3)
    slowest = 0
    for _ in range(10):
        begun = time.monotonic()
        with urllib.request.urlopen(f"http://{at}/healthz", timeout=10) as r:
            assert r.read() == b"ok\n"
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.3)
    over.set()
    for t in crowd:
        t.join()
    print(f"# besieged by {how}: the slowest health check took {slowest:.1f} s")


if sys.argv[1] == "attack":
    attack(sys.argv[2])
elif sys.argv[1] == "besiege":
    besiege(*sys.argv[2:4])
else:
    check_page(*sys.argv[1:4])
