#!/usr/bin/env python3
"""Sends the recorded requests of probes.json to a broker and compares its answers with the recorded ones.

usage: replay.py [--file probes.json] [--only REGEX] [--differences FILE] HOST:PORT

Prints a line per probe that fails or is skipped, with the differing fields, then 'N passed, N failed, N skipped'; exit
status 1 if any failed. A probe is skipped when it needs an API, or a version of one, that Kafka serves and the broker does
not advertise. Give it a fresh broker (README.md). Standard library only.

FILE lists what may differ: lines 'REGEX of a probe | REGEX of a differing field | reason', # begins a comment. With the
words 'not run' for the field the probe is skipped. In a run of all probes an entry that nothing needed is a failure too, so
that the list stays true.
"""
import argparse, json, os, re, struct, sys, time
import kafkawire

# identity of array elements
KEYS = ["Index", "Name", "TopicName", "Topic", "TopicId", "ResourceName", "PartitionIndex", "Partition", "PartitionId", "Key", "ApiKey",
        "GroupId", "MemberId", "GroupInstanceId", "NodeId", "LogDir", "ProducerId"]


def lookup(value, path):
    for part in path.split("."):
        value = value[int(part)] if part.lstrip("-").isdigit() else value[part]
    return value


def fill(value, names):
    """Replaces "$name" by what an earlier step saved under that name."""
    if isinstance(value, dict):
        return {k: fill(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, names) for v in value]
    if isinstance(value, str) and value.startswith("$") and value[1:] in names:
        return names[value[1:]]
    return value


def uses_names(value):
    return bool(re.search(r'"\$\w+"', json.dumps(value)))


def order(items):
    if not all(isinstance(i, dict) for i in items):
        return items
    return sorted(items, key=lambda i: json.dumps([i.get(k) for k in KEYS if k in i]))


def compare(want, got, path, volatile, ordered, out):
    """Appends 'path: want X got Y' lines. Elements of arrays of structs are matched by name unless ordered."""
    if path in volatile:
        return
    if isinstance(want, dict) and isinstance(got, dict):
        for k in sorted(set(want) | set(got)):
            compare(want.get(k, "(absent)"), got.get(k, "(absent)"), f"{path}.{k}", volatile, ordered, out)
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            out.append(f"{path}: want {len(want)} elements got {len(got)}: {short(got)}")
            return
        if not ordered:
            want, got = order(want), order(got)
        for w, g in zip(want, got):
            compare(w, g, path + ".*", volatile, ordered, out)
    elif want != got or isinstance(want, bool) != isinstance(got, bool):
        out.append(f"{path}: want {short(want)} got {short(got)}")


def short(value):
    text = json.dumps(value)
    return text if len(text) < 300 else text[:300] + "..."


class Runner:
    """Runs the steps of one probe. run() yields (index, step, outcome, decoded, raw, elapsed ms)."""

    def __init__(self, protocol, host, port):
        self.protocol, self.host, self.port = protocol, host, port
        self.connections, self.names = {}, {}

    def connection(self, name):
        if name not in self.connections:
            self.connections[name] = kafkawire.Client(self.host, self.port)
        return self.connections[name]

    def frame(self, step, correlation):
        if "request" not in step:
            return bytes.fromhex(step["request_hex"])
        if "request_hex" in step and not uses_names(step["request"]) and "producer" not in step:
            return bytes.fromhex(step["request_hex"])
        body = fill(step["request"], self.names)
        for t in body["TopicData"] if "producer" in step else []:
            for p in t["PartitionData"]:
                p["Records"] = kafkawire.set_producer(bytes.fromhex(p["Records"]), *fill(step["producer"], self.names)).hex()
        return self.protocol.request(step["api"], step["version"], body,
                                     step.get("client_id", "probe"), correlation)

    def once(self, index, step):
        c = self.connection(step.get("conn", "main"))
        sent = b""
        if not step.get("receive"):
            sent = self.frame(step, index + 1)
            try:
                c.send(sent)
            except OSError:
                pass                               # the peer closed already; recv() reports it
        if step.get("shut"):
            c.sock.shutdown(1)
        if step.get("later"):
            return sent, "later", None, b""
        payload = c.recv(0.6 if step.get("expect") == "none" else 20)
        if payload is None:
            return sent, "none", None, b""
        if payload == b"":
            self.connections.pop(step.get("conn", "main")).close()
            return sent, "closed", None, b""
        correlation, body = self.protocol.parse_response(step["api"], step["version"], payload)
        for name, path in step.get("save", {}).items():
            try:
                self.names[name] = lookup(body, path)
            except (KeyError, IndexError, TypeError):
                self.names[name] = None
        return sent, "response", body, payload

    def run(self, index, step):
        time.sleep(step.get("pause_ms", 0) / 1000)
        start = time.monotonic()
        until = step.get("until")
        for _ in range(step.get("repeat", 1)):
            result = self.once(index, step)
        while until and time.monotonic() < start + 15:
            try:
                if all(lookup(result[2], p) == v for p, v in until.items()):
                    break
            except (KeyError, IndexError, TypeError):
                pass
            time.sleep(0.05)
            result = self.once(index, step)
        return result + ((time.monotonic() - start) * 1000,)

    def close(self):
        for c in self.connections.values():
            c.close()


def check(protocol, host, port, probe):
    """-> list of differences."""
    runner, out = Runner(protocol, host, port), []
    try:
        for index, step in enumerate(probe["steps"]):
            try:
                _, outcome, body, _, elapsed = runner.run(index, step)
            except kafkawire.WireError as e:
                return out + [f"step {index} {step.get('api')}: response does not decode: {e}"]
            if step.get("later"):
                continue
            if outcome != step["expect"]:
                return out + [f"step {index} {step.get('api', 'raw')}: want {step['expect']} got {outcome} {short(body)}"]
            if outcome == "response":
                want = fill(step["response"], runner.names)
                compare(want, body, str(index), set(probe.get("volatile", [])), probe.get("ordered", False), out)
            low, high = step.get("elapsed_ms", [0, 1e9])
            if not low <= elapsed <= high:
                out.append(f"step {index}: took {elapsed:.0f} ms, want {low}..{high}")
    except OSError as e:
        out.append(f"connection: {e}")
    finally:
        runner.close()
    return out


class Differences:
    """The list of what may differ."""

    def __init__(self, path):
        self.entries, self.used = [], set()
        for number, line in enumerate(open(path, encoding="utf-8") if path else [], 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = [p.strip() for p in line.split(" | ")]
            if len(parts) != 3 or not all(parts):
                sys.exit(f"{path}:{number}: want 'probe | difference | reason'")
            self.entries.append((number, re.compile(parts[0]), re.compile(parts[1])))

    def unexpected(self, probe, diffs):
        rest = []
        for d in diffs:
            matching = [n for n, p, f in self.entries if p.search(probe["name"]) and f.search(d)]
            self.used.update(matching)
            if not matching:
                rest.append(d)
        return rest

    def forbids(self, probe):
        numbers = [n for n, p, f in self.entries if f.pattern == "not run" and p.search(probe["name"])]
        self.used.update(numbers)
        return bool(numbers)

    def unused(self):
        return [n for n, _, _ in self.entries if n not in self.used]


def api_of(step, keys):
    """(key, version) that a step asks for; None for frames that are none."""
    if "api" in step and "request" in step:
        return keys[step["api"]], step["version"]
    raw = bytes.fromhex(step.get("request_hex", ""))
    return struct.unpack(">hh", raw[4:8]) if len(raw) >= 8 else None


def ranges(body):
    return {a["ApiKey"]: (a["MinVersion"], a["MaxVersion"]) for a in body["ApiKeys"]}


def is_within(span, version):
    return span is not None and span[0] <= version <= span[1]


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("bootstrap")
    p.add_argument("--file", default=os.path.join(kafkawire.HERE, "probes.json"))
    p.add_argument("--only", default="")
    p.add_argument("--differences", default="")
    a = p.parse_args()
    host, port = a.bootstrap.rsplit(":", 1)
    with open(a.file, encoding="utf-8") as f:
        probes = json.load(f)
    protocol, differences = kafkawire.Protocol(), Differences(a.differences)
    keys = {name: s.key for name, s in protocol.requests.items()}
    client = kafkawire.Client(host, int(port))
    ours = ranges(client.call(protocol, "ApiVersions", 0, {}))
    client.close()
    kafkas = ranges(next(s["response"] for x in probes if x["name"] == "ApiVersions/v0" for s in x["steps"]))
    passed = failed = skipped = 0
    for probe in probes:
        if not re.search(a.only, probe["name"]):
            continue
        asked = [api_of(s, keys) for s in probe["steps"]]
        is_served = not any(is_within(kafkas.get(k[0]), k[1]) and not is_within(ours.get(k[0]), k[1]) for k in asked if k)
        if not is_served or differences.forbids(probe):
            skipped += 1
            continue
        diff = differences.unexpected(probe, check(protocol, host, int(port), probe))
        passed, failed = passed + (not diff), failed + bool(diff)
        if diff:
            print("FAIL " + probe["name"])
        for line in diff[:20]:
            print("     " + line)
        sys.stdout.flush()
    for number in differences.unused() if not a.only else []:
        failed += 1
        print(f"FAIL {a.differences}:{number}: nothing differs like this any more")
    if skipped:
        print(f"skipped: {skipped} probes of what is not served, or named in the list of differences")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
