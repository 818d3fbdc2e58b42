#!/usr/bin/env python3
"""A member of a group. consume.py confluent|kafka-python BOOTSTRAP GROUP TOPIC

Prints "assigned P..." for each assignment and "P OFFSET VALUE" for each record, commits what it has printed, ends at SIGTERM and leaves the group. confluent prints
"uncommitted P OFFSET" for each record whose commit was refused: librdkafka sends one behind its JoinGroup, where it waits, and has the old generation when it is looked at. It prints
"committed P OFFSET" when a later commit has made up for that, as it does for partitions that it has kept.
"""
import signal
import sys

goes_on = True


def stop(*_):
    global goes_on
    goes_on = False


def say(*words):
    print(*words, flush=True)


def confluent(bootstrap, group, topic):
    from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "partition.assignment.strategy": "cooperative-sticky"})
    consumer.subscribe([topic])
    mine, is_uncommitted, printed, refused = None, False, [], set()
    while goes_on:
        messages = consumer.consume(100, 0.2)
        now = sorted(p.partition for p in consumer.assignment())
        if now != mine and (now or mine):
            say("assigned", *now)
            mine = now
        refused = {r for r in refused if r[0] in now}
        for m in messages:
            if m.error():
                raise KafkaException(m.error())
            say(m.partition(), m.offset(), m.value().decode())
            printed.append((m.partition(), m.offset()))
            refused.discard(printed[-1])    # read again: it had lost the partition for a moment
        if messages or is_uncommitted:
            try:
                consumer.commit(asynchronous=False)
                is_uncommitted, printed = False, []
                for p in consumer.committed([TopicPartition(topic, n) for n in {n for n, _ in refused}]) if refused else ():
                    for record in sorted(r for r in refused if r[0] == p.partition and r[1] < p.offset):
                        say("committed", *record)
                        refused.discard(record)
            except KafkaException as e:     # a rebalance is on its way: with the next one, or by who reads it next
                if e.args[0].code() not in (KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS, KafkaError._ASSIGNMENT_LOST, KafkaError._NO_OFFSET):
                    raise
                for record in printed:
                    say("uncommitted", *record)
                refused.update(printed)
                printed = []
                is_uncommitted = e.args[0].code() != KafkaError._NO_OFFSET
    consumer.close()


def kafka_python(bootstrap, group, topic):
    from kafka import ConsumerRebalanceListener, KafkaConsumer

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            pass

        def on_partitions_assigned(self, assigned):
            say("assigned", *sorted(p.partition for p in assigned))

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                             session_timeout_ms=6000, heartbeat_interval_ms=500)
    consumer.subscribe([topic], listener=Listener())
    while goes_on:
        batches = consumer.poll(200)
        for records in batches.values():
            for r in records:
                say(r.partition, r.offset, r.value.decode())
        if batches:
            consumer.commit()
    consumer.close(autocommit=False)


signal.signal(signal.SIGTERM, stop)
{"confluent": confluent, "kafka-python": kafka_python}[sys.argv[1]](*sys.argv[2:])
