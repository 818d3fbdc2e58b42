#!/usr/bin/env python3
"""An idempotent producer that has not got its answers: it sends its batches again, and only their old offsets may come back.

   duplicates.py send HOST:PORT TOPIC STATE COUNT   COUNT batches of three records; what was answered goes to STATE
   duplicates.py again HOST:PORT TOPIC STATE        sends the last five again, then an older one, then a gap, then the next
"""
import json
import sys

import wire

DUPLICATE_SEQUENCE, OUT_OF_ORDER = 46, 45
RECORDS = 3


def batch(producer, number):
    values = [b"%d.%d" % (number, i) for i in range(RECORDS)]
    return wire.plain_batch(values, pid=producer, epoch=0, seq=number * RECORDS)


def send(address, topic, state, count):
    client = wire.connect(address)
    answer = wire.ask(client, "InitProducerId", 4, {"TransactionalId": None, "TransactionTimeoutMs": 60000, "ProducerId": -1, "ProducerEpoch": -1})
    if answer["ErrorCode"] or answer["ProducerEpoch"] != 0:
        print("InitProducerId:", answer)
        return 1
    producer = answer["ProducerId"]
    offsets = []
    for number in range(int(count)):
        error, offset = wire.produce(client, topic, 0, batch(producer, number))
        if error:
            print(f"batch {number}: error {error}")
            return 1
        offsets.append(offset)
    json.dump({"producer": producer, "offsets": offsets}, open(state, "w"))
    return 0


def again(address, topic, state):
    told = json.load(open(state))
    producer, offsets = told["producer"], told["offsets"]
    n, client, wrong = len(offsets), wire.connect(address), 0

    def expect(what, number, *wanted):
        nonlocal wrong
        got = wire.produce(client, topic, 0, batch(producer, number))
        if got not in wanted:
            print(f"{what}: wanted {wanted}, got {got}")
            wrong += 1

    for number in range(n - 5, n):
        expect(f"batch {number} again", number, (0, offsets[number]))
    expect("a batch older than the last five", n - 6, (DUPLICATE_SEQUENCE, -1), (OUT_OF_ORDER, -1))
    expect("a gap", n + 1, (OUT_OF_ORDER, -1))
    expect("the next", n, (0, offsets[-1] + RECORDS))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"send": send, "again": again}[sys.argv[1]](*sys.argv[2:]))
