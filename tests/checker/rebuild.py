#!/usr/bin/env python3
"""Compares what lies beside the logs of a broker that has ended with what the logs' own bytes say.

   rebuild.py PARTITION_DIR...

Of each segment: every entry of its .index is the last offset of a batch and where that batch begins, or an earlier one that came together
with it; every entry of its .timeindex is the largest timestamp up to its offset, and the last one that of the segment. Of each .snapshot: the producers as the batches below it leave
them. Of leader-epoch-checkpoint: the first offset of each epoch in the batches; one more entry at the end of the log is a leader's that has
written nothing. Nothing can be said of what was removed: compacted logs, records deleted at the front of a segment. Prints what is wrong; exit code 0 or 1.
"""
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden", "storage"))
import decode  # noqa: E402

OVERHEAD, BATCH_BYTES_MIN = 12, 61
CONTROL, TRANSACTIONAL = 0x20, 0x10


def read(path):
    with open(path, "rb") as f:
        return f.read()


def batches_of(data):
    """The headers of a segment's batches, with "pos" and "last_offset", up to what is torn."""
    pos, found = 0, []
    while pos + BATCH_BYTES_MIN <= len(data):
        b = dict(zip(decode.NAMES, decode.HEADER.unpack_from(data, pos)))
        end = pos + OVERHEAD + b["batch_length"]
        if b["batch_length"] < BATCH_BYTES_MIN - OVERHEAD or end > len(data):
            break
        b.update(pos=pos, last_offset=b["base_offset"] + b["last_offset_delta"])
        if b["attributes"] & CONTROL:
            b["marker"] = decode.decode_batch(data, pos, "")[0]["records"][0]["marker"]
        found.append(b)
        pos = end
    return found


def offset_index(where, base, batches, entries):
    firsts, lasts = {b["pos"]: b["base_offset"] for b in batches}, {b["last_offset"] for b in batches}
    before = (-1, -1)
    for e in entries:
        now = (base + e["relative_offset"], e["position"])
        if now[0] <= before[0] or now[1] <= before[1]:
            yield f"{where}: entry {now} comes after {before}"
        if now[1] not in firsts or firsts[now[1]] > now[0]:
            yield f"{where}: entry {now}, but the batch at that position begins with offset {firsts.get(now[1])}"
        elif now[0] not in lasts:
            yield f"{where}: entry {now}, but no batch ends with that offset"
        before = now


def time_index(where, base, batches, entries):
    before = (-1, -1)
    for e in entries:
        now = (e["timestamp"], base + e["relative_offset"])
        if now[0] <= before[0] or now[1] <= before[1]:
            yield f"{where}: entry {now} comes after {before}"
        largest = max((b["max_timestamp"] for b in batches if b["base_offset"] <= now[1]), default=-1)
        if largest != now[0]:
            yield f"{where}: entry {now}, but the largest timestamp up to that offset is {largest}"
        before = now
    largest = max((b["max_timestamp"] for b in batches), default=-1)
    if before[0] != largest:
        yield f"{where}: ends with timestamp {before[0]}, the segment with {largest}"


def producers(batches):
    """{producer id: entry of a snapshot}, as these batches leave them."""
    state = {}
    for b in batches:
        if b["producer_id"] < 0:
            continue
        entry = state.get(b["producer_id"])
        if entry is None or entry["producer_epoch"] != b["producer_epoch"]:
            entry = {"producer_id": b["producer_id"], "producer_epoch": b["producer_epoch"], "last_sequence": -1, "last_offset": -1,
                     "offset_delta": 0, "timestamp": -1, "coordinator_epoch": entry["coordinator_epoch"] if entry else -1,
                     "current_txn_first_offset": entry["current_txn_first_offset"] if entry else -1}
            state[b["producer_id"]] = entry
        entry["timestamp"] = b["max_timestamp"]
        if "marker" in b:
            entry.update(coordinator_epoch=b["marker"]["coordinator_epoch"], current_txn_first_offset=-1)
            continue
        entry.update(last_sequence=(b["base_sequence"] + b["last_offset_delta"]) & 0x7fffffff, last_offset=b["last_offset"],
                     offset_delta=b["last_offset_delta"])
        if b["attributes"] & TRANSACTIONAL and entry["current_txn_first_offset"] < 0:
            entry["current_txn_first_offset"] = b["base_offset"]
    return state


def snapshot(where, offset, batches, data):
    try:
        said = decode.decode_snapshot(data)
    except (AssertionError, struct.error) as e:
        yield f"{where}: not readable: {e}"
        return
    if not said["crc_ok"]:
        yield f"{where}: wrong checksum"
    start = batches[0]["base_offset"] if batches else offset
    wanted = producers([b for b in batches if b["last_offset"] < offset])
    found = {e["producer_id"]: e for e in said["entries"]}
    for producer in sorted(set(wanted) | set(found)):
        entry, ours = found.get(producer), wanted.get(producer)
        if ours is None and entry["last_offset"] < start:
            continue        # its batches have been removed
        if ours is not None and start > 0 and entry is not None:        # so may be what came before
            ours = {**ours, "coordinator_epoch": max(ours["coordinator_epoch"], entry["coordinator_epoch"])}
        if entry != ours:
            yield f"{where}: says {entry}, the log {ours}"


def epochs(where, batches, start, said):
    firsts = {}
    for b in batches:
        firsts.setdefault(b["partition_leader_epoch"], b["base_offset"])
    end = batches[-1]["last_offset"] + 1 if batches else start
    if said and said[-1][1] == end:
        said = said[:-1]
    if said != sorted(firsts.items()):
        yield f"{where}: says {said}, the batches {sorted(firsts.items())}"


def partition(folder, is_closed=True):
    """What is wrong in one partition's directory. is_closed: its broker has stopped in order."""
    names = sorted(os.listdir(folder))
    everything, start = [], None
    for name in names:
        if not re.fullmatch(r"\d{20}\.log", name):
            continue
        base, stem = int(name[:20]), os.path.join(folder, name[:20])
        start = base if start is None else start
        batches = batches_of(read(os.path.join(folder, name)))
        everything += batches
        for ending, check in ((".index", offset_index), (".timeindex", time_index)):
            if os.path.exists(stem + ending):
                entries = decode.decode_file(stem + ending)["entries"]
                yield from check(stem + ending, base, batches, entries)
            elif batches:
                yield f"{stem}{ending}: is not there"
    end = everything[-1]["last_offset"] + 1 if everything else start
    snapshots = [n for n in names if re.fullmatch(r"\d{20}\.snapshot", n)]
    for name in snapshots:
        if int(name[:20]) > end:
            yield f"{folder}: {name}, but the log ends at {end}"
        yield from snapshot(os.path.join(folder, name), int(name[:20]), everything, read(os.path.join(folder, name)))
    if is_closed and any(b["producer_id"] >= 0 for b in everything) and "%020d.snapshot" % end not in snapshots:
        yield f"{folder}: no snapshot at the log's end {end}"
    checkpoint = os.path.join(folder, "leader-epoch-checkpoint")
    if os.path.exists(checkpoint) and start is not None:
        said = [(int(e), int(o)) for e, o in decode.decode_file(checkpoint)["entries"]]
        yield from epochs(checkpoint, everything, start, said)


def main(args):
    if not args:
        print(__doc__, file=sys.stderr)
        return 2
    wrong = [w for folder in args for w in partition(folder)]
    print("\n".join(wrong) or "all is as the logs say")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
