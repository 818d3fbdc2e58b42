#!/usr/bin/env python3
"""Judges partition directories that skein wrote, with the decoder of tests/golden/storage/decode.py.

   judge.py DECODER WRITER SCRATCH FIRST_SEED COUNT

Per seed WRITER makes a directory. Every file must decode; then: the batches are those that were appended, every index entry names
a batch, and every snapshot and transaction index says what a walk over the batches says.
"""
import importlib.util, os, shutil, subprocess, sys

def load(path):
    spec = importlib.util.spec_from_file_location("decode", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def same(what, got, want):
    assert got == want, "%s: %r, should be %r" % (what, got, want)

class Segment:
    def __init__(self, files, base):
        name = "t-0/%020d" % base
        self.base, self.log = base, files[name + ".log"]
        self.batches = self.log["batches"]
        self.index = files.get(name + ".index")
        self.times = files.get(name + ".timeindex")
        self.txns = files.get(name + ".txnindex", {"entries": []})["entries"]

def check_log(s, written):
    same("bytes behind the batches of %d" % s.base, s.log["file_bytes"] - s.log["valid_bytes"], 0)
    for b in s.batches:
        assert b["crc_ok"], "CRC at %d" % b["base_offset"]
        assert isinstance(b["records"], list) or b["records"] == "zstd not available", b["records"]
        if isinstance(b["records"], list):
            same("records", len(b["records"]), b["record_count"])
        same("batch", [b["base_offset"], b["last_offset"]], written.pop(0))

def check_indexes(s, is_trimmed):
    places = {b["position"]: b for b in s.batches}
    last = 0
    for e in s.index["entries"] if s.index else []:
        assert e["relative_offset"] > last and e["position"] in places, "offset entry %r" % e
        same("offset entry", s.base + e["relative_offset"], places[e["position"]]["last_offset"])
        last = e["relative_offset"]
    largest, newest = {}, -1
    for b in s.batches:
        if b["max_timestamp"] > newest:
            newest = b["max_timestamp"]
            largest[newest] = b["last_offset"]
    stamps = [e["timestamp"] for e in s.times["entries"]] if s.times else []
    assert stamps == sorted(set(stamps)), "time entries"
    for e in s.times["entries"] if s.times else []:
        same("time entry", s.base + e["relative_offset"], largest.get(e["timestamp"]))
    if is_trimmed:
        assert s.index is not None and s.times is not None, "an index of %d is missing" % s.base
        same("zeros behind the index", [s.index["trailing_zero_entries"], s.times["trailing_zero_entries"]], [0, 0])
        same("last time entry", stamps[-1] if stamps else -1, newest)

class Producers:
    """What the batches say, one after the other."""
    def __init__(self):
        self.entries, self.open, self.aborted = {}, {}, []

    def take(self, b):
        pid = b["producer_id"]
        if pid < 0:
            return
        e = self.entries.setdefault(pid, {"producer_id": pid, "coordinator_epoch": -1})
        e["producer_epoch"], e["timestamp"] = b["producer_epoch"], b["max_timestamp"]
        if b["control"]:
            m = b["records"][0]["marker"]
            first = self.open.pop(pid)
            e["coordinator_epoch"] = m["coordinator_epoch"]
            if m["type"] == "ABORT":
                stable = min(list(self.open.values()) + [b["last_offset"] + 1])
                self.aborted.append({"version": 0, "producer_id": pid, "first_offset": first, "last_offset": b["last_offset"],
                                     "last_stable_offset": stable})
        else:
            delta = b["last_offset"] - b["base_offset"]
            e.update(last_sequence=b["base_sequence"] + delta, last_offset=b["last_offset"], offset_delta=delta)
            if b["transactional"]:
                self.open.setdefault(pid, b["base_offset"])
        e["current_txn_first_offset"] = self.open.get(pid, -1)

def check_snapshot(name, snapshot, batches):
    offset, p = int(os.path.basename(name)[:20]), Producers()
    assert snapshot["crc_ok"], name
    for b in batches:
        if b["last_offset"] < offset:
            p.take(b)
    same(name, {e["producer_id"]: e for e in snapshot["entries"]}, p.entries)

def check_epochs(entries, batches):
    entries = [(int(e), int(start)) for e, start in entries]
    same("epochs", entries, sorted(entries))
    for b in batches:
        same("epoch of %d" % b["base_offset"], [e for e, start in entries if start <= b["base_offset"]][-1:], [b["partition_leader_epoch"]])

def judge(decode, directory):
    lines = open(os.path.join(directory, "written")).read().split("\n")[:-1]
    os.unlink(os.path.join(directory, "written"))
    how, end, mark_base, *mark_entries = lines[0].split()
    end, is_clean = int(end), how == "clean"
    written = [[int(x) for x in l.split()] for l in lines[1:]]
    for f in os.listdir(os.path.join(directory, "t-0")):     # ours alone, and what waits to be deleted
        if f.endswith((".skein-batches", ".deleted")):
            os.unlink(os.path.join(directory, "t-0", f))
    files = decode.decode_case(directory)
    segments = [Segment(files, int(os.path.basename(n)[:20])) for n in sorted(files) if n.endswith(".log")]
    if not is_clean:     # behind the entries that count lie those of batches that were truncated away, as in Kafka
        counts = mark_entries if int(mark_base) == segments[-1].base else ["0", "0"]
        for index, n in zip((segments[-1].index, segments[-1].times), counts):
            if index is not None:
                assert len(index["entries"]) >= int(n), "entries that count are missing"
                del index["entries"][int(n):]
    for s in segments:
        check_log(s, written)
        check_indexes(s, is_clean or s is not segments[-1])
    same("batches that are missing", written, [])
    batches, p = [b for s in segments for b in s.batches], Producers()
    for s in segments:
        before = len(p.aborted)
        for b in s.batches:
            p.take(b)
        same("aborted transactions of %d" % s.base, s.txns, p.aborted[before:])
    for name in files:
        if name.endswith(".snapshot"):
            check_snapshot(name, files[name], batches)
    if is_clean:
        check_epochs(files["t-0/leader-epoch-checkpoint"]["entries"], batches)
        assert end == 0 or "t-0/%020d.snapshot" % end in files, "no snapshot at the end"
        same("recovery point", files["recovery-point-offset-checkpoint"]["entries"], [["t", "0", str(end)]])
    same("metadata", files["t-0/partition.metadata"]["text"], "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA")
    return len(batches), len(segments)

def main(decoder, writer, scratch, first, count):
    decode, batches, segments = load(decoder), 0, 0
    for seed in range(int(first), int(first) + int(count)):
        directory = os.path.join(scratch, str(seed))
        os.mkdir(directory)
        subprocess.run([writer, directory, str(seed)], check=True, stderr=subprocess.DEVNULL)
        try:
            b, s = judge(decode, directory)
        except AssertionError as e:
            print("seed %d: %s" % (seed, e))
            return 1
        batches, segments = batches + b, segments + s
        shutil.rmtree(directory)
    print("%s directories, %d segments, %d batches" % (count, segments, batches))
    return 0

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
