#!/usr/bin/env python3
"""Creates and deletes topics until the broker is killed, and judges afterwards whether store and directories agree.

   topic_churn.py churn HOST:PORT STATE SEED     until the connection is lost; what must hold then is written to STATE
   topic_churn.py judge HOST:PORT STATE DATA...  after the restart: topics, answers and directories below DATA agree

STATE maps each name to "there", "gone" or "unknown" (the request had no answer).
"""
import json
import os
import random
import re
import sys
import time

import wire

NAMES = [f"churn.{i}" for i in range(12)]
NOT_OURS = re.compile(r".*(-delete|-stray)$")


def churn(address, state_file, seed):
    rng = random.Random(int(seed))
    state = json.load(open(state_file)) if os.path.exists(state_file) else {}
    client = wire.connect(address)
    open(state_file + ".begun", "w").close()
    done = 0
    try:
        while True:
            names = rng.sample(NAMES, rng.randint(1, 3))
            create = rng.random() < 0.5
            old = {name: state.get(name, "gone") for name in names}
            state.update((name, "unknown") for name in names)
            if create:
                errors = wire.create_topics(client, {name: (rng.randint(1, 4), {}) for name in names})
            else:
                errors = wire.delete_topics(client, names)
            for name, error in errors.items():
                if error == 0:
                    state[name] = "there" if create else "gone"
                elif (create and error == 36 and old[name] == "there") or (not create and error == 3 and old[name] == "gone"):
                    state[name] = old[name]
                else:
                    print(f"{'create' if create else 'delete'} {name} ({old[name]}): error {error}")
                    return 1
            done += len(names)
    except OSError:
        pass
    json.dump(state, open(state_file, "w"))
    print(f"{done} topics created or deleted")
    return 0


def directories(roots):
    """{(topic, partition): topic id in partition.metadata, or None where it is not written yet: with the first record}"""
    out = {}
    for root in roots:
        for entry in os.listdir(root):
            path = os.path.join(root, entry)
            if not os.path.isdir(path) or NOT_OURS.match(entry):
                continue
            topic, partition = entry.rsplit("-", 1)
            topic_id = None
            try:
                with open(os.path.join(path, "partition.metadata")) as f:
                    topic_id = re.search(r"^topic_id: (\S+)$", f.read(), re.M).group(1)
            except (OSError, AttributeError):
                if any(f.endswith(".log") and os.path.getsize(os.path.join(path, f)) for f in os.listdir(path)):
                    topic_id = "(none, beside records)"
            out[topic, int(partition)] = topic_id
    return out


def differences(client, state, roots):
    out = []
    topics = wire.topics(client)
    for name, fact in state.items():
        if (fact == "there" and name not in topics) or (fact == "gone" and name in topics):
            out.append(f"{name} must be {fact}, and is {'there' if name in topics else 'gone'}")
    listed = {(name, p): topic_id for name, (topic_id, partitions) in topics.items() for p in partitions}
    found = directories(roots)
    for name, partition in sorted(listed.keys() - found.keys()):
        out.append(f"{name}-{partition} has no directory")
    for name, partition in sorted(found.keys() - listed.keys()):
        out.append(f"directory {name}-{partition} belongs to no topic")
    for key in sorted(listed.keys() & found.keys()):
        if found[key] is not None and listed[key] != found[key]:
            out.append(f"{key}: topic id {listed[key]} in the store, {found[key]} in the directory")
    for name, (_, partitions) in topics.items():
        for partition, (error, leader) in partitions.items():
            if error or leader < 0:
                out.append(f"{name}-{partition}: error {error}, leader {leader}")
    return out


def judge(address, state_file, *roots):
    state = json.load(open(state_file))
    client = wire.connect(address)
    for _ in range(100):
        wrong = differences(client, state, roots)
        if not wrong:
            break
        time.sleep(0.05)
    topics = wire.topics(client)
    for name, (_, partitions) in topics.items():
        for partition in partitions:
            error, _ = wire.produce(client, name, partition, wire.plain_batch([b"still here"]))
            if error:
                wrong.append(f"{name}-{partition}: error {error} to a record")
    for line in wrong[:10]:
        print(line)
    json.dump({name: "there" if name in topics else "gone" for name in state}, open(state_file, "w"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"churn": churn, "judge": judge}[sys.argv[1]](*sys.argv[2:]))
