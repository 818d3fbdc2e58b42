#!/usr/bin/env python3
"""dashboard.py SERVER DASHBOARD.json   asks a Prometheus for every query of a Grafana dashboard; each panel must have an answer, but those that show what has not happened.

   dashboard.py rules SERVER            every rule of the server was evaluated without an error
"""
import json
import math
import sys
import urllib.parse
import urllib.request

# Nothing of it in a quiet broker.
MAY_BE_EMPTY = {"Warnings and errors in the log"}
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*"}


def ask(server, path, **parameters):
    url = f"http://{server}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as e:
        sys.exit(f"{parameters}: {e.read().decode()}")


def panels(server, path):
    with open(path, encoding="utf-8") as f:
        board = json.load(f)
    queries, ids = 0, set()
    for p in board["panels"]:
        assert p["id"] not in ids, f"panel {p['id']} is there twice"
        ids.add(p["id"])
        for t in p.get("targets", []):
            expr = t["expr"]
            for name, value in VARIABLES.items():
                expr = expr.replace(name, value)
            assert "$" not in expr, f"{p['title']}: a variable that nobody knows: {expr}"
            result = ask(server, "query", query=expr)["result"]
            numbers = [float(r["value"][1]) for r in result]
            assert numbers or p["title"] in MAY_BE_EMPTY, f"{p['title']}: nothing for {expr}"
            assert all(math.isfinite(n) for n in numbers) or "quantile" in expr or "/" in expr, f"{p['title']}: {numbers} for {expr}"
            queries += 1
    print(f"# {queries} queries of {sum(1 for p in board['panels'] if p['type'] != 'row')} panels")


def rules(server):
    found = [r for g in ask(server, "rules")["groups"] for r in g["rules"]]
    bad = [(r["name"], r["health"], r.get("lastError")) for r in found if r["health"] != "ok"]
    assert found and not bad, f"rules: {bad or 'none'}"
    firing = [r["name"] for r in found if r["state"] == "firing"]
    print(f"# {len(found)} rules; firing: {' '.join(firing) or 'none'}")
    assert not firing, firing


if sys.argv[1] == "rules":
    rules(sys.argv[2])
else:
    panels(*sys.argv[1:3])
