#!/usr/bin/env python3
"""The comparison's own test: directories of a real Kafka are as their logs say, and each damage to one of their files is told."""
import os
import shutil
import struct
import sys
import tempfile

import rebuild
from rebuild import decode

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "storage")
# Not those with compacted logs or removed records: what was removed cannot be rebuilt.
SOUND = ["codecs/codecs-0", "segments/segments-0", "segments/segtime-0", "segments/interval-0", "idempotent/idem-0", "transactions/txn-0",
         "transactions/txn-open-0", "epochs-truncation/c2-after", "follower-catch-up", "records/appendtime-0", "retention/ret-size-0", "recovery-after/idem-0",
         "recovery-after/killed-0", "consumer-offsets/__consumer_offsets-0", "transaction-state/__transaction_state-0"]


def partitions_below(name):
    top = os.path.join(GOLDEN, name)
    return sorted(root for root, _, files in os.walk(top) if any(f.endswith(".log") for f in files))


def newest(folder, ending):
    """The last file of this kind that says anything."""
    return [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(ending) and os.path.getsize(os.path.join(folder, n)) > 0][-1]


def patch(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def resealed(path, at, data):
    """A snapshot with another value, and the checksum that fits."""
    patch(path, at, data)
    patch(path, 2, struct.pack(">I", decode.crc32c(rebuild.read(path)[6:])))


def rewritten(folder, change):
    path = os.path.join(folder, "leader-epoch-checkpoint")
    said = [[int(x) for x in e] for e in decode.decode_file(path)["entries"]]
    change(said)
    with open(path, "w", encoding="ascii") as f:
        f.write("0\n%d\n" % len(said) + "".join("%d %d\n" % tuple(e) for e in said))


def cut_batch(folder):
    path = newest(folder, ".log")
    os.truncate(path, rebuild.batches_of(rebuild.read(path))[-1]["pos"])


# (what, which directory, what is done to it, a sentence of the answer)
DAMAGES = [
    ("an offset in an index", "segments/segments-0", lambda d: patch(newest(d, ".index"), 0, struct.pack(">i", 1 << 20)), "no batch ends with"),
    ("a position in an index", "segments/segments-0", lambda d: patch(newest(d, ".index"), 4, struct.pack(">i", 7)), "begins with offset None"),
    ("an index with an entry twice", "segments/interval-0",
     lambda d: patch(newest(d, ".index"), 8, rebuild.read(newest(d, ".index"))[:8]), "comes after"),
    ("a missing index", "segments/segments-0", lambda d: os.remove(newest(d, ".index")), ".index: is not there"),
    ("a timestamp in a time index", "segments/segments-0", lambda d: patch(newest(d, ".timeindex"), 7, b"\xfe"), "the largest timestamp"),
    ("a time index without its last entry", "segments/segments-0",
     lambda d: os.truncate(newest(d, ".timeindex"), os.path.getsize(newest(d, ".timeindex")) - 12), "ends with timestamp"),
    ("a byte of a snapshot", "idempotent/idem-0", lambda d: patch(newest(d, ".snapshot"), 30, b"\xee"), "wrong checksum"),
    ("a torn snapshot", "idempotent/idem-0", lambda d: os.truncate(newest(d, ".snapshot"), 40), "not readable"),
    ("a sequence in a snapshot", "idempotent/idem-0", lambda d: resealed(newest(d, ".snapshot"), 20, struct.pack(">i", 999)), "'last_sequence': 999"),
    ("an open transaction in a snapshot", "transactions/txn-open-0",
     lambda d: resealed(newest(d, ".snapshot"), 10 + 38, struct.pack(">q", 12345)), "'current_txn_first_offset': 12345"),
    ("a missing snapshot", "idempotent/idem-0", lambda d: os.remove(newest(d, ".snapshot")), "no snapshot at the log's end"),
    ("an epoch that begins elsewhere", "recovery-after/epochs-0", lambda d: rewritten(d, lambda s: s[-1].__setitem__(1, s[-1][1] - 1)), "the batches"),
    ("an epoch missing", "recovery-after/epochs-0", lambda d: rewritten(d, lambda s: s.pop(0)), "the batches"),
    ("an epoch that nothing was written in", "recovery-after/epochs-0", lambda d: rewritten(d, lambda s: s.insert(0, [-7, 0])), "the batches"),
    ("a log shorter than what lies beside it", "idempotent/idem-0", cut_batch, "but the log ends at"),
    ("a killed broker's directory", "recovery-before/killed-0", lambda d: None, "no snapshot at the log's end"),
]


def sound(name):
    folders = partitions_below(name)
    wrong = [w for folder in folders for w in rebuild.partition(folder)]
    if wrong or not folders:
        print(f"FAILED: {name}: {wrong}")
    return bool(folders) and not wrong


def damaged(what, name, damage, sentence):
    with tempfile.TemporaryDirectory() as top:
        folder = shutil.copytree(os.path.join(GOLDEN, name), os.path.join(top, "t-0"), copy_function=shutil.copyfile)
        damage(folder)
        wrong = list(rebuild.partition(folder))
    if not any(sentence in w for w in wrong):
        print(f"FAILED: {what}: {wrong}")
        return False
    return True


def main():
    results = [sound(name) for name in SOUND] + [damaged(*d) for d in DAMAGES]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
