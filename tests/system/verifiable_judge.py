#!/usr/bin/env python3
"""Judges what Kafka's verifiable producers were told, and what its console consumers were shown, by what lies in the topic.

   verifiable_judge.py TOPIC once=FILE... told=FILE... seen=PARTITION:FILE...

TOPIC: the whole topic, one record a line, "PARTITION OFFSET VALUE", in the order of the offsets. once, told: what a VerifiableProducer printed; of one that
is once (idempotent) every value lies in the topic exactly once, in its order, and none was given up. seen: what a console consumer printed, "Offset:N<tab>VALUE".
Prints what is wrong; then a line of figures.
"""
import json
import sys


def events(file):
    for line in open(file):
        if line.startswith("{"):
            yield json.loads(line)


def main(args):
    wrong, topic = [], {}
    for line in open(args[0]):
        partition, offset, value = line.rstrip("\n").split(" ", 2)
        topic.setdefault(int(partition), {})[int(offset)] = value
    figures = [f"{sum(map(len, topic.values()))} records"]
    for arg in args[1:]:
        kind, file = arg.split("=", 1)
        if kind == "seen":
            partition, file = file.split(":", 1)
            seen = [line.rstrip("\n")[len("Offset:"):].split("\t", 1) for line in open(file) if line.startswith("Offset:")]
            seen = [(int(offset), value) for offset, value in seen]
            there = list(topic.get(int(partition), {}).items())
            if seen != there:
                wrong.append(f"partition {partition}: {len(seen)} records were seen, {len(there)} are there; they differ first at "
                             + str(next((pair for pair in zip(seen, there) if pair[0] != pair[1]), "the end")))
            continue
        told = errors = 0
        prefix = None
        for event in events(file):
            if event["name"] == "producer_send_success":
                told += 1
                prefix = event["value"].split(".")[0] + "."
                got = topic.get(event["partition"], {}).get(event["offset"])
                if got != event["value"]:
                    wrong.append(f"{event['value']} was acknowledged at {event['partition']}/{event['offset']}, where {got} lies")
            elif event["name"] == "producer_send_error":
                errors += 1
        if told == 0:
            wrong.append(f"nothing was acknowledged: {file}")
            continue
        figures.append(f"{kind}: {told} acknowledged, {errors} not")
        if kind == "once":
            if errors:
                wrong.append(f"{errors} values were given up by the producer that tries again: {file}")
            written = [v for records in topic.values() for v in records.values() if v.startswith(prefix)]
            if len(set(written)) != len(written):
                wrong.append(f"{len(written) - len(set(written))} values lie there twice: {file}")
            for partition, records in topic.items():
                numbers = [int(v[len(prefix):]) for v in records.values() if v.startswith(prefix)]
                if numbers != sorted(numbers):
                    wrong.append(f"partition {partition}: the values are not in the order in which they were sent: {file}")
    print("\n".join(wrong[:30]) if wrong else "# " + ", ".join(figures))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
