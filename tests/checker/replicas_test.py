#!/usr/bin/env python3
"""The replica comparison's own test: equal directories give nothing, each damage to one of them is told."""
import os
import shutil
import struct
import sys
import tempfile

import replicas

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "wire"))
import kafkawire  # noqa: E402

EPOCHS = [0, 0, 1, 1, 4, 4, 4]       # of the batches, three records each
HIGH = 3 * (len(EPOCHS) - 1)         # the last batch is behind the watermark


def batches(epochs=EPOCHS):
    return [kafkawire.batch([b"%d.%d" % (i, r) for r in range(3)], 1700000000000, base_offset=3 * i, leader_epoch=e)
            for i, e in enumerate(epochs)]


def checkpoint(path, entries):
    with open(path, "w", encoding="ascii") as f:
        f.write("0\n%d\n" % len(entries) + "".join(" ".join(map(str, e)) + "\n" for e in entries))


def write(folder, data, epochs=((0, 0), (1, 6), (4, 12)), high=HIGH, cut_at=4):
    """One data directory with partition t-0: the batches in two segments, cut at a batch."""
    os.makedirs(os.path.join(folder, "t-0"))
    for first, part in ((0, data[:cut_at]), (cut_at, data[cut_at:])):
        with open(os.path.join(folder, "t-0", "%020d.log" % (3 * first)), "wb") as f:
            f.write(b"".join(part))
    checkpoint(os.path.join(folder, "t-0", "leader-epoch-checkpoint"), epochs)
    checkpoint(os.path.join(folder, "replication-offset-checkpoint"), [("t", 0, high)])


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


# (what, a sentence of the answer or None, how the third directory differs)
CASES = [
    ("equal", None, {}),
    ("segments cut elsewhere", None, {"cut_at": 2}),
    ("a shorter tail behind the watermark", None, {"data": batches()[:-1]}),
    ("another tail behind the watermark", None, {"data": batches()[:-1] + [flipped(batches()[-1], 70)]}),
    ("the leader's own epoch at the end", None, {"epochs": ((0, 0), (1, 6), (4, 12), (7, 21))}),
    ("a flipped byte", "differs", {"data": [flipped(b, 65) if i == 1 else b for i, b in enumerate(batches())]}),
    ("a missing batch", "expected 6", {"data": [b for i, b in enumerate(batches()) if i != 2]}),
    ("a batch twice", "expected 9", {"data": batches()[:3] + batches()[2:]}),
    ("another epoch in a batch", "differs", {"data": batches([0, 0, 0, 1, 4, 4, 4])}),
    ("an epoch that goes back", "after epoch", {"data": batches([0, 0, 1, 0, 4, 4, 4])}),
    ("too short", "the records end before", {"data": batches()[:3], "high": HIGH}),
    ("an epoch missing in the checkpoint", "leader-epoch-checkpoint says", {"epochs": ((0, 0), (4, 12))}),
    ("an epoch too early in the checkpoint", "leader-epoch-checkpoints differ", {"epochs": ((0, 0), (1, 5), (4, 12))}),
    ("a watermark below what clients read", "clients read up to", {"high": HIGH - 3}),
    ("no replica", "no replica", {"absent": True}),
]


def case(what, wanted, data=None, absent=False, everywhere=None, **more):
    with tempfile.TemporaryDirectory() as top:
        folders = [os.path.join(top, name) for name in "abc"]
        for folder in folders[:2]:
            write(folder, everywhere or batches())
        write(folders[2], data or everywhere or batches(), **more)
        if absent:
            shutil.rmtree(os.path.join(folders[2], "t-0"))
        wrong = replicas.compare("t", 1, folders, {0: HIGH})
    is_good = not wrong if wanted is None else any(wanted in w for w in wrong)
    if not is_good:
        print(f"FAILED: {what}: {wrong}")
    return is_good


def main():
    results = [case(what, wanted, **more) for what, wanted, more in CASES]
    bad = batches()
    bad[1] = bad[1][:17] + struct.pack(">I", 1) + bad[1][21:]
    results.append(case("the same wrong checksum everywhere", "wrong checksum", everywhere=bad))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
