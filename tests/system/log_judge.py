#!/usr/bin/env python3
"""Judges skein log against Kafka's own files and an independent decoder's view of them (golden/storage/*/expected.json).

   log_judge.py golden SKEIN GOLDEN       everything that skein log dump -o json says of every file is what the decoder says
   log_judge.py round-trip SKEIN GOLDEN   the records as lines of JSON are the records
   log_judge.py dump-log OURS KAFKAS      what skein log dump -r -o json and Kafka's DumpLogSegments --deep-iteration print of the same files is the same
   log_judge.py hurt GOLDEN DIR COUNT     copies of segments below DIR, one byte of each changed
   log_judge.py rubble SKEIN GOLDEN DIR   whatever bytes: no crash, and JSON is JSON
   log_judge.py page SKEIN PAGE DIR       the blocks of the page behind "<!-- files -->" are what the commands in them print in DIR; SKEIN_WRITE_DOCS=1 writes them
   log_judge.py same-damage OURS KAFKAS   both see the damage of those in the same places
"""
import base64, json, os, random, re, subprocess, sys

BATCH = ["position", "size", "base_offset", "partition_leader_epoch", "crc", "crc_ok", "codec", "log_append_time", "transactional", "control",
         "delete_horizon", "base_timestamp", "max_timestamp", "producer_id", "producer_epoch", "base_sequence", "record_count", "last_offset", "magic"]
KIND = re.compile(r"(\d{20}\.(log|index|timeindex|txnindex|snapshot)|leader-epoch-checkpoint|[a-z-]+-offset-checkpoint|partition\.metadata|meta\.properties)(\.(deleted|cleaned|swap))?$")


def run(skein, *arguments):
    p = subprocess.run([skein, "log", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    if p.returncode not in (0, 8):
        sys.exit(f"skein log {' '.join(arguments)}: {p.returncode} {p.stderr.decode()}")
    return p.returncode, p.stdout.decode()


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}\n  skein:   {json.dumps(got)[:2000]}\n  decoder: {json.dumps(want)[:2000]}")


def octets(record, name):
    """What skein's JSON says of bytes, as bytes."""
    if name in record:
        return None if record[name] is None else record[name].encode()
    return base64.b64decode(record[name + "_base64"])


def shown(got, want):
    """Bytes as the decoder shows them: of many only their number."""
    return {"length": len(got), "crc32c": want["crc32c"]} if isinstance(want, dict) and got is not None else got


def wanted(text):
    if text is None or isinstance(text, dict):
        return text
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()


def check_record(where, got, want):
    same(where + " offset", [got["offset"], got["timestamp"]], [want["offset"], want["timestamp"]])
    for name in "key", "value":
        mine = shown(octets(got, name), want[name])
        if mine != wanted(want[name]):
            sys.exit(f"{where}: {name} {mine!r}, not {want[name]!r}")
    headers = [(octets(h, "key"), octets(h, "value")) for h in got["headers"]]
    if headers != [(wanted(k), wanted(v)) for k, v in want["headers"]]:
        sys.exit(f"{where}: headers {headers}, not {want['headers']}")


def check_log(where, got, want):
    for mine, theirs in zip(got["batches"], want["batches"]):
        at = f"{where} at {theirs['position']}"
        same(at, {k: mine.get(k) for k in BATCH}, {k: theirs.get(k) for k in BATCH})
        if not mine["crc_ok"]:
            same(at + " records", "records" in mine, False)
            continue
        if mine["control"]:
            for a, b in zip(mine["records"], theirs["records"]):
                same(at, [a["offset"], a["control"].upper(), a["coordinator_epoch"]],
                     [b["offset"], b["marker"]["type"], b["marker"]["coordinator_epoch"]])
        else:
            for a, b in zip(mine["records"], theirs["records"]):
                check_record(at, a, b)
        same(at + " records", len(mine["records"]), len(theirs["records"]))
    same(where + " batches", len(got["batches"]), len(want["batches"]))
    valid, size = want.get("valid_bytes"), want.get("file_bytes")
    if valid is not None and valid != size:
        same(where + " damage", [d["position"] for d in got["damage"]][:1], [valid])
    return len(got["batches"])


def check_small(where, name, got, want):
    entries = got["entries"]
    if "timeindex" in name:
        base = int(name.split("/")[-1][:20])
        same(where, entries, [{"timestamp": e["timestamp"], "offset": base + e["relative_offset"]} for e in want["entries"]])
    elif ".txnindex" in name:
        same(where, entries, [{k: v for k, v in e.items() if k != "version"} for e in want["entries"]])
    elif ".index" in name:
        base = int(name.split("/")[-1][:20])
        same(where, entries, [{"offset": base + e["relative_offset"], "position": e["position"]} for e in want["entries"]])
    elif ".snapshot" in name:
        same(where, entries, want["entries"])
    elif "leader-epoch" in name:
        same(where, [[str(e["epoch"]), str(e["start_offset"])] for e in entries], want["entries"])
    elif "-checkpoint" in name:
        same(where, [[e["topic"], str(e["partition"]), str(e["offset"])] for e in entries], want.get("entries", []))
    elif name.endswith("partition.metadata"):
        same(where, entries[0]["topic_id"], want["text"].split("topic_id: ")[1].strip())
    elif name.endswith("meta.properties"):
        same(where, str(entries[0]["broker_id"]), re.search(r"broker.id=(\d+)", want["text"]).group(1))


def golden(skein, top):
    files = batches = 0
    for folder in sorted(os.listdir(top)):
        try:
            expected = json.load(open(f"{top}/{folder}/expected.json"))
        except OSError:
            continue
        names = [n for n in expected if KIND.search(n)]
        code, text = run(skein, "dump", "-r", "-o", "json", *(f"{top}/{folder}/{n}" for n in names))
        got = json.loads(text)
        same(folder, [g["file"] for g in got], [f"{top}/{folder}/{n}" for n in names])
        for g, name in zip(got, names):
            where = f"{folder}/{name}"
            files += 1
            if re.search(r"\.log(\.\w+)?$", name):
                batches += check_log(where, g, expected[name])
            else:
                check_small(where, name, g, expected[name])
        damaged = any(c.get("valid_bytes", 0) != c.get("file_bytes", 0) or not all(b["crc_ok"] for b in c["batches"])
                      for c in expected.values() if isinstance(c, dict) and "batches" in c)
        same(folder + " exit code", code == 8, damaged)
    if files < 300 or batches < 500:
        sys.exit(f"only {files} files with {batches} batches were compared")
    print(f"{files} files, {batches} batches")


def round_trip(skein, top):
    lines = 0
    for folder in "records", "codecs", "idempotent":
        expected = json.load(open(f"{top}/{folder}/expected.json"))
        for name, content in expected.items():
            if not name.endswith(".log"):
                continue
            code, text = run(skein, "dump", "-o", "ndjson", f"{top}/{folder}/{name}")
            got = [json.loads(line) for line in text.splitlines()]
            want = [r for b in content["batches"] for r in b["records"]]
            same(name, [code, len(got)], [0, len(want)])
            for a, b in zip(got, want):
                check_record(name, a, b)
                same(name, f"{a['topic']}-{a['partition']}", name.split("/")[0])
                lines += 1
    print(f"{lines} records")


def kafkas(path):
    """What DumpLogSegments printed: {file: {"batches": [...], "left": bytes at the end that it took for no batch, "broke": it ended with an exception}}"""
    files, now = {}, None
    for line in open(path):
        line = line.rstrip()
        if "Exception" in line and now is not None:
            now["broke"] = True
        if line.startswith("Dumping "):
            now = files[line[8:]] = {"batches": [], "left": 0, "broke": False}
        elif line.startswith("Found "):
            now["left"] = int(line.split()[1])
        elif line.startswith("baseOffset: "):
            now["batches"].append({"records": [], **dict(re.findall(r"(\w+): (\S+)", line))})
        elif line.startswith("| offset: "):
            record = dict(re.findall(r"(\w+): (\S+)", line))
            record["headerKeys"] = re.search(r"headerKeys: \[(.*?)\](?= |$)", line).group(1)
            now["batches"][-1]["records"].append(record)
    return files


def dump_log(ours, theirs):
    kafka, records = kafkas(theirs), 0
    for mine in json.load(open(ours)):
        want = kafka[mine["file"]]
        same(mine["file"], len(mine["batches"]), len(want["batches"]))
        for b, k in zip(mine["batches"], want["batches"]):
            where = f"{mine['file']} at {b['position']}"
            got = [b["position"], b["size"], b["base_offset"], b["last_offset"], b["record_count"], b["base_sequence"], b["producer_id"], b["producer_epoch"],
                   b["partition_leader_epoch"], b["max_timestamp"], b["magic"], b["crc"]]
            same(where, [str(x) for x in got], [k["position"], k["size"], k["baseOffset"], k["lastOffset"], k["count"], k["baseSequence"], k["producerId"],
                                                k["producerEpoch"], k["partitionLeaderEpoch"], k.get("CreateTime") or k["LogAppendTime"], k["magic"], k["crc"]])
            same(where, [b["codec"], b["crc_ok"], b["transactional"], b["control"], b["delete_horizon"], b["log_append_time"]],
                 [k["compresscodec"], k["isvalid"] == "true", k["isTransactional"] == "true", k["isControl"] == "true", k["deleteHorizonMs"] != "OptionalLong.empty",
                  "LogAppendTime" in k])
            same(where, len(b["records"]), len(k["records"]))
            for r, q in zip(b["records"], k["records"]):
                records += 1
                same(where, [str(r["offset"]), str(r["timestamp"])], [q["offset"], q.get("CreateTime") or q["LogAppendTime"]])
                if b["control"]:
                    same(where, [r["control"].upper(), str(r["coordinator_epoch"])], [q["endTxnMarker"], q["coordinatorEpoch"]])
                    continue
                size = lambda name: -1 if octets(r, name) is None else len(octets(r, name))
                same(where, [size("key"), size("value")], [int(q["keySize"]), int(q["valueSize"])])
                same(where, ",".join(octets(h, "key").decode() for h in r["headers"]), q["headerKeys"])
    if records < 150:
        sys.exit(f"only {records} records were compared")


def hurt(top, out, count):
    draw = random.Random(int(os.environ.get("SKEIN_SEED", "1")))
    folders = ["codecs/codecs-0", "records/records-0", "idempotent/idem-0", "transactions/txn-0", "segments/segments-0"]
    for i in range(int(count)):
        folder = draw.choice(folders)
        name = draw.choice([n for n in sorted(os.listdir(f"{top}/{folder}")) if n.endswith(".log")])
        data = bytearray(open(f"{top}/{folder}/{name}", "rb").read())
        starts = [0]
        while starts[-1] < len(data):
            starts.append(starts[-1] + 12 + int.from_bytes(data[starts[-1] + 8:starts[-1] + 12], "big"))
        while True:
            at, change = draw.randrange(len(data)), draw.randrange(1, 256)
            start = max(s for s in starts if s <= at)
            length = bytearray(data[start + 8:start + 12])
            if 0 <= at - start - 8 < 4:
                length[at - start - 8] ^= change
            # At other formats, codecs that are none and lengths that cannot be, Kafka's tool ends, or prints what has no places.
            if at - start not in (16, 22) and int.from_bytes(length, "big", signed=True) >= 49:
                break
        data[at] ^= change
        os.makedirs(f"{out}/t-{i}")
        open(f"{out}/t-{i}/{name}", "wb").write(data)


def rubble(skein, top, out):
    draw = random.Random(int(os.environ.get("SKEIN_SEED", "1")))
    folders = ["codecs/codecs-0", "records/records-0", "transactions/txn-0", "segments/interval-0", "consumer-offsets/__consumer_offsets-0",
               "transaction-state/__transaction_state-1", "directory-clean"]
    paths = []
    for i in range(60):
        folder = draw.choice(folders)
        os.makedirs(f"{out}/t-{i}")
        for name in os.listdir(f"{top}/{folder}"):
            if not KIND.search(name):
                continue
            data = bytearray(open(f"{top}/{folder}/{name}", "rb").read())
            for _ in range(draw.randrange(1, 6)):
                if data:
                    at = draw.randrange(len(data))
                    if draw.randrange(3):
                        data[at] = draw.randrange(256)
                    else:
                        data[at:at + draw.randrange(30)] = draw.randbytes(draw.randrange(30))
            open(f"{out}/t-{i}/{name}", "wb").write(data)
        paths.append(f"{out}/t-{i}")
    for kind in "offsets", "transactions":
        code, text = run(skein, "dump", "--with-damaged", "--decode", kind, "-o", "json", *paths)
        same("exit code", code, 8)
        json.loads(text)
        code, text = run(skein, "dump", "--with-damaged", "--decode", kind, "-o", "ndjson", *paths)
        for line in text.splitlines():
            json.loads(line)
    run(skein, "dump", "--with-damaged", *paths)
    logs = [p for p in paths if any(n.endswith(".log") for n in os.listdir(p))]
    json.loads(run(skein, "verify", "--notes", "-o", "json", *logs)[1])
    for what in ("--offset", "7"), ("--time", "1700000000003"), ("--key", "k"):
        for p in logs[:20]:
            subprocess.run([skein, "log", "find", *what, p], capture_output=True, timeout=60).returncode in (0, 3, 8) or sys.exit(f"find {what} {p}")


def page(skein, path, top):
    text = open(path).read()

    def block(match):
        out = []
        for command in re.findall(r"^\$ skein (.*)$", match.group(2), re.M):
            p = subprocess.run(["sh", "-c", f'"$0" {command} 2>&1', skein], cwd=top, capture_output=True, timeout=60)
            said = re.sub(r"[0-9.]+ [KMGT]?B free", "212.4 GB free", p.stdout.decode())
            out.append(f"$ skein {command}\n{said}")
        return match.group(1) + "\n".join(out) + "```\n"

    made = re.sub(r"(<!-- files -->\n```\n)(.*?)```\n", block, text, flags=re.S)
    if os.environ.get("SKEIN_WRITE_DOCS"):
        open(path, "w").write(made)
    elif made != text:
        sys.exit("the page is not what the command prints; SKEIN_WRITE_DOCS=1 writes it anew:\n" + "\n".join(
            f"page {a}\nis   {b}" for a, b in zip(text.splitlines(), made.splitlines()) if a != b)[:3000])
    if made.count("<!-- files -->") < 3:
        sys.exit("the page has lost its blocks")


def same_damage(ours, theirs):
    kafka, seen = kafkas(theirs), 0
    for mine in json.load(open(ours)):
        want = kafka.get(mine["file"])
        if want is None or want["broke"]:
            continue
        bad = []
        for b in want["batches"]:
            if "position" not in b:
                break		# what follows a length that leads into the midst of a batch
            # The format's byte is not under the CRC; Kafka's tool takes every one above 1 for format 2.
            if b.get("isvalid") != "true" or int(b["magic"]) > 2:
                bad.append(int(b["position"]))
        if want["left"]:
            bad.append(os.path.getsize(mine["file"]) - want["left"])
        # Numbers outside the CRC: Kafka's tool does not look whether they ascend.
        sure = [d["position"] for d in mine["damage"] if not re.search("ascend|descend|segment's first|offsets cannot", d["damage"])]
        same(mine["file"] + " damage that only skein sees", [] if bad else sure, [])
        same(mine["file"] + " first damage", bad[:1] == [] or min(d["position"] for d in mine["damage"]) == bad[0], True)
        seen += bool(bad)
    if seen < 15:
        sys.exit(f"only {seen} places were compared")
    print(f"{seen} places")


if __name__ == "__main__":
    {"golden": golden, "round-trip": round_trip, "dump-log": dump_log, "hurt": hurt, "rubble": rubble, "page": page, "same-damage": same_damage}[sys.argv[1]](*sys.argv[2:])
