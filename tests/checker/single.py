#!/usr/bin/env python3
"""A producer that asks once: one record in one request, acks=all, and whatever the answer is, that was it. No client library between.

   single.py BROKER,BROKER... TOPIC PARTITIONS SECONDS RATE SEED HISTORY

So each error code says what it says: NOT_ENOUGH_REPLICAS comes before the append, and such a record must never be seen; all else that is
not success, no answer included, leaves it open. SIGTERM ends it. Lines and values are those of workload.c.
"""
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import wire  # noqa: E402

NAME, TIMEOUT_S, NOT_ENOUGH_REPLICAS = "single0.0", 4, 19


def padded(number):
    """The value of that number, as workload.c makes and expects it."""
    name = f"{NAME}-{number} "
    return (name + chr(ord("a") + number % 26) * (60 + number * 37 % 340 - len(name))).encode()


class Producer:
    def __init__(self, brokers, topic, history):
        self.brokers, self.topic, self.history = brokers, topic, history
        self.leaders, self.clients, self.is_stopped = {}, {}, False

    def note(self, type_, what, **more):
        self.history.write(json.dumps({"t": time.clock_gettime_ns(time.CLOCK_MONOTONIC), "p": NAME, "type": type_, "f": what, **more}) + "\n")

    def client(self, address):
        if address not in self.clients:
            self.clients[address] = wire.connect(address, 1)
        return self.clients[address]

    def drop(self, address):
        if address in self.clients:
            self.clients.pop(address).close()

    def learn(self, rng):
        """The leaders, from a broker drawn. Keeps what was known when that one does not answer."""
        address = rng.choice(self.brokers)
        try:
            answer = wire.ask(self.client(address), "Metadata", 10, {"Topics": [{"Name": self.topic}], "AllowAutoTopicCreation": False}, 1)
        except OSError:
            self.drop(address)
            return
        nodes = {b["NodeId"]: f"{b['Host']}:{b['Port']}" for b in answer["Brokers"]}
        self.leaders = {p["PartitionIndex"]: nodes.get(p["LeaderId"]) for t in answer["Topics"] for p in t["Partitions"]}

    def send(self, partition, number):
        """True when the leader took it. Nothing is invoked without a connection to a leader."""
        address = self.leaders.get(partition)
        try:
            client = address and self.client(address)
        except OSError:
            client = None
        if not client:
            return False
        batch, value = wire.plain_batch([padded(number)]), f"{NAME}-{number}"
        self.note("invoke", "send", k=partition, v=value)
        try:
            error, offset = wire.produce(client, self.topic, partition, batch, timeout_ms=TIMEOUT_S * 1000 - 1000, timeout=TIMEOUT_S)
        except OSError as e:
            self.drop(address)
            self.note("info", "send", k=partition, v=value, err=type(e).__name__)
            return False
        if error == 0:
            self.note("ok", "send", k=partition, v=value, off=offset)
        else:
            self.note("fail" if error == NOT_ENOUGH_REPLICAS else "info", "send", k=partition, v=value, err=str(error))
        return error == 0


def main(args):
    brokers, topic, partitions, seconds, rate, seed = args[0].split(","), args[1], int(args[2]), float(args[3]), float(args[4]), int(args[5])
    rng = random.Random(seed)
    with open(args[6], "a", encoding="ascii") as history:
        producer = Producer(brokers, topic, history)
        signal.signal(signal.SIGTERM, lambda *_: setattr(producer, "is_stopped", True))
        producer.note("ok", "open", kind="single")
        end, number, is_good = time.monotonic() + seconds, 0, False
        while time.monotonic() < end and not producer.is_stopped:
            if not is_good or number % 50 == 0:
                producer.learn(rng)
            is_good = producer.send(rng.randrange(partitions), number)
            number += 1
            time.sleep(1 / rate)
        producer.note("ok", "close")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
