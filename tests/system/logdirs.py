"""Log directories, asked of a broker without any client library.

   logdirs.py list HOST:PORT                                one line per replica: DIR TOPIC PARTITION SIZE LAG current|future; per
                                                            directory: DIR error CODE, DIR total BYTES usable BYTES
   logdirs.py move HOST:PORT TOPIC PARTITIONS DIR           asks for the move; prints "PARTITION ERROR" lines. PARTITIONS: 0,1,...
   logdirs.py throttle HOST:PORT BYTES                      so many bytes per second for all moves; "" takes the limit away
   logdirs.py wait HOST:PORT TOPIC PARTITION DIR SECONDS    until the replica lies there and nothing of it elsewhere
"""
import sys
import time

import wire


def describe(client, topics=None):
    answer = wire.ask(client, "DescribeLogDirs", 4, {"Topics": topics})
    assert answer["ErrorCode"] == 0, answer
    return answer["Results"]


def places(client, topic, partition):
    """[(directory, is it a copy under way)]"""
    return [(d["LogDir"], p["IsFutureKey"]) for d in describe(client, [{"Topic": topic, "Partitions": [partition]}])
            for t in d["Topics"] for p in t["Partitions"]]


def move(client, topic, partitions, directory):
    """{partition: error}"""
    answer = wire.ask(client, "AlterReplicaLogDirs", 2, {"Dirs": [{"Path": directory, "Topics": [{"Name": topic, "Partitions": partitions}]}]})
    return {p["PartitionIndex"]: p["ErrorCode"] for r in answer["Results"] for p in r["Partitions"]}


def wait(client, topic, partition, directory, seconds):
    until = time.monotonic() + seconds
    while places(client, topic, partition) != [(directory, False)]:
        if time.monotonic() > until:
            raise SystemExit("%s-%d is not in %s after %s s but in %s" % (topic, partition, directory, seconds, places(client, topic, partition)))
        time.sleep(0.02)


def throttle(client, rate):
    change = {"Name": "replica.alter.log.dirs.io.max.bytes.per.second", "ConfigOperation": 0 if rate else 1, "Value": rate or None}
    answer = wire.ask(client, "IncrementalAlterConfigs", 1, {"Resources": [{"ResourceType": 4, "ResourceName": "", "Configs": [change]}],
                                                             "ValidateOnly": False})
    assert [r["ErrorCode"] for r in answer["Responses"]] == [0], answer


def main():
    verb, address, args = sys.argv[1], sys.argv[2], sys.argv[3:]
    client = wire.connect(address)
    if verb == "list":
        for d in describe(client):
            print(d["LogDir"], "error", d["ErrorCode"])
            print(d["LogDir"], "total", d["TotalBytes"], "usable", d["UsableBytes"])
            for t in d["Topics"]:
                for p in t["Partitions"]:
                    print(d["LogDir"], t["Name"], p["PartitionIndex"], p["PartitionSize"], p["OffsetLag"], "future" if p["IsFutureKey"] else "current")
    elif verb == "move":
        for partition, error in sorted(move(client, args[0], [int(p) for p in args[1].split(",")], args[2]).items()):
            print(partition, error)
    elif verb == "throttle":
        throttle(client, args[0])
    elif verb == "wait":
        wait(client, args[0], int(args[1]), args[2], float(args[3]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
