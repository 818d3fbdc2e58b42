#!/usr/bin/env python3
"""Compares the replicas of a topic in the data directories of brokers that have ended.

   replicas.py TOPIC PARTITIONS DATA_DIR DATA_DIR...

Up to the smallest high watermark that the brokers wrote down: the same bytes everywhere (how they are cut into segments may differ),
offsets without gap or overlap, epochs that never go back, sound checksums, and a leader-epoch-checkpoint that says what the batches say.
Behind it replicas may differ: nobody was told of those records. Prints what is wrong; exit code 0 or 1.
"""
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden", "storage"))
import decode  # noqa: E402

OVERHEAD, BATCH_BYTES_MIN = 12, 61      # base offset and length come before what the length counts


class Log:
    """One replica. batches: (base offset, last offset, leader epoch, bytes); start: base offset of its first segment."""

    def __init__(self, folder):
        names = sorted(n for n in os.listdir(folder) if re.fullmatch(r"\d{20}\.log", n))
        self.start = int(names[0][:20]) if names else None
        self.batches, self.rest = [], 0
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                self._segment(f.read())
        self.epochs = self._epochs(os.path.join(folder, "leader-epoch-checkpoint"))

    def _segment(self, data):
        pos = 0
        while pos + BATCH_BYTES_MIN <= len(data):
            base, length, epoch, _, _, _, delta = struct.unpack_from(">qiibIhi", data, pos)
            end = pos + OVERHEAD + length
            if length < BATCH_BYTES_MIN - OVERHEAD or end > len(data):
                break
            self.batches.append((base, base + delta, epoch, data[pos:end]))
            pos = end
        self.rest += len(data) - pos

    @staticmethod
    def _epochs(path):
        if not os.path.exists(path):        # as long as there was none to write down
            return []
        with open(path, "rb") as f:
            return [(int(epoch), int(start)) for epoch, start in decode.decode_checkpoint(f.read())["entries"]]


def high_watermarks(folder):
    """{(topic, partition): offset}"""
    with open(os.path.join(folder, "replication-offset-checkpoint"), "rb") as f:
        return {(t, int(p)): int(off) for t, p, off in decode.decode_checkpoint(f.read())["entries"]}


def one_log(where, log, high):
    """What is wrong with one replica below the watermark."""
    below = [b for b in log.batches if b[1] < high]
    expected, epoch = log.start, -1
    for base, last, e, data in below:
        if base != expected:
            yield f"{where}: a batch begins at {base}, expected {expected}"
        if e < epoch:
            yield f"{where}: epoch {e} at {base} after epoch {epoch}"
        if last < base:
            yield f"{where}: a batch of {base}..{last}"
        expected, epoch = last + 1, e
    if expected != high:
        yield f"{where}: the records end before {expected}, the high watermark is {high}"
    firsts = {}
    for base, _, e, _ in below:
        firsts.setdefault(e, base)
    said = [entry for entry in log.epochs if entry[1] < high]
    if said != sorted(firsts.items()):
        yield f"{where}: leader-epoch-checkpoint says {said}, the batches {sorted(firsts.items())}"


def one_partition(name, logs, marks):
    """logs, marks: per data directory; what is wrong with one partition."""
    high = min(marks.values())
    for where, log in logs.items():
        yield from one_log(f"{name} in {where}", log, high)
    (first, reference), *others = logs.items()
    wanted = {b[0]: b for b in reference.batches if b[1] < high}
    for where, log in others:
        found = {b[0]: b for b in log.batches if b[1] < high}
        for base in sorted(set(wanted) | set(found)):
            if wanted.get(base) != found.get(base):
                two = " against ".join("nothing" if b is None else f"{b[0]}..{b[1]} epoch {b[2]} {len(b[3])} bytes"
                                       for b in (found.get(base), wanted.get(base)))
                yield f"{name}: from offset {base} {where} differs from {first}: {two}"
                break
        if log.epochs and reference.epochs and [e for e in log.epochs if e[1] < high] != [e for e in reference.epochs if e[1] < high]:
            yield f"{name}: leader-epoch-checkpoints differ: {log.epochs} in {where}, {reference.epochs} in {first}"
    for base, _, _, data in wanted.values():
        if decode.crc32c(data[21:]) != struct.unpack_from(">I", data, 17)[0]:
            yield f"{name}: the batch at {base} has a wrong checksum"


def compare(topic, partitions, folders, read_ends=None):
    """folders: data directories. read_ends: {partition: the end that a client has seen}, which every replica must have committed."""
    wrong = []
    watermarks = {folder: high_watermarks(folder) for folder in folders}
    for k in range(partitions):
        name, marks = f"{topic}-{k}", {f: w.get((topic, k)) for f, w in watermarks.items()}
        absent = [f for f in folders if marks[f] is None or not os.path.isdir(os.path.join(f, name))]
        if absent:
            wrong.append(f"{name}: no replica, or no high watermark, in {absent}")
            continue
        if read_ends and min(marks.values()) < read_ends[k]:
            wrong.append(f"{name}: clients read up to {read_ends[k]}, the high watermarks are {marks}")
        wrong += one_partition(name, {f: Log(os.path.join(f, name)) for f in folders}, marks)
    return wrong


def main(args):
    if len(args) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    wrong = compare(args[0], int(args[1]), args[2:])
    print("\n".join(wrong) or "the replicas are equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
