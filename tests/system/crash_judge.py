#!/usr/bin/env python3
"""Compares what producers were told with what consumers get.

   crash_judge.py exact|once PARTITIONS ACKS READ [RESTARTS]

ACKS      output of rdkafka_client
READ      lines "partition offset key value" of everything in the topic, as kcat prints it
RESTARTS  one time in microseconds per line, taken before each start of the broker
exact     an idempotent producer: every record that it was given is there once, in order, at the offset it was told
once      a producer that does not try again: what was acknowledged is there at its offset; nothing is there twice or out of order
"""
import statistics
import sys


def first_acknowledgements(restarts, times):
    """Milliseconds from each start to the first acknowledgement after it."""
    times, out, i = sorted(times), [], 0
    for start in restarts:
        while i < len(times) and times[i] < start:
            i += 1
        if i < len(times):
            out.append((times[i] - start) / 1000)
    return out


def main(kind, partitions, acks_file, read_file, restarts_file=None):
    partitions = int(partitions)
    acked, lost, count = {}, 0, None
    for line in open(acks_file):
        word = line.split()
        if word[0] == "ack":
            acked[int(word[3])] = (int(word[1]), int(word[2]), int(word[4]))
        elif word[0] == "lost":
            lost += 1
        elif word[0] == "end":
            count = int(word[1])
    at, order = {}, {p: [] for p in range(partitions)}
    for line in open(read_file):
        partition, offset, _, _, i = line.split()[:5]
        at[int(partition), int(offset)] = int(i)
        order[int(partition)].append(int(i))
    wrong = []
    if count is None:
        wrong.append("the producer did not come to its end")
    for i, (partition, offset, _) in acked.items():
        if at.get((partition, offset)) != i:
            wrong.append(f"record {i} was acknowledged at {partition}:{offset}, where {at.get((partition, offset))} is")
    for partition, got in order.items():
        for before, after in zip(got, got[1:]):
            if after <= before:
                wrong.append(f"partition {partition}: record {after} after {before}")
        if kind == "exact" and got != list(range(partition, count or 0, partitions)):
            wrong.append(f"partition {partition}: {len(got)} records, the last {got[-1:]}, of {count} in all partitions")
    if kind == "exact" and (lost or len(acked) != count):
        wrong.append(f"{lost} lost, {len(acked)} of {count} acknowledged")
    if not acked:
        wrong.append("nothing was acknowledged")
    for line in wrong[:10]:
        print(line)
    print(f"# {count} records, {len(acked)} acknowledged, {lost} given up, {sum(map(len, order.values()))} read, {len(wrong)} wrong")
    if restarts_file:
        waits = first_acknowledgements([int(t) for t in open(restarts_file)], [t for _, _, t in acked.values()])
        print(f"# exec to first acknowledgement after {len(waits)} kills: median {statistics.median(waits):.0f} ms, most {max(waits):.0f} ms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
