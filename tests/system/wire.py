"""What the system tests ask of a broker without any client library: requests from the schemas, and a connection for each command.

   wire.py create HOST:PORT TOPIC PARTITIONS [key=value...]   creates a topic
   wire.py topics HOST:PORT                                   one line per topic: name, id, number of partitions
   wire.py znodes HOST:PORT                                   commands for ZooKeeper's shell that make another cluster of this one
   wire.py changes HOST:PORT                                  makes and deletes topics, for a client whose quota allows 11 partitions at
                                                              once, one a second; fails where an answer is not as Kafka's
   wire.py transaction HOST:PORT TOPIC                        offsets within transactions that end as its coordinator would end them; fails
                                                              where an answer is not as Kafka's
   wire.py produce HOST:PORT TOPIC PARTITION BYTES COUNT      that many records, one per request, acks=all; stops at the first
                                                              error; prints "OFFSET_OF_LAST ERROR" (-1 none, 0 none)
   wire.py numbered HOST:PORT TOPIC PARTITION BYTES SEQUENCE...
                                                              a record for each sequence number of one idempotent producer, one after the
                                                              other, acks=all; prints the errors
   wire.py producer_id HOST:PORT                              prints a new one
   wire.py commit HOST:PORT TOPIC GROUP...                    commits offset 0 of partition 0 for each group; names are any bytes
   wire.py stored_offset HOST:PORT GROUP TOPIC [OFFSET]       commits for partition 0 into the store, as the oldest clients do; prints what stands there
"""
import os
import sys
import time

TESTS = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
os.environ.setdefault("KAFKA_MESSAGES", os.path.join(TESTS, "golden", "messages"))
sys.path.insert(0, os.path.join(TESTS, "golden", "wire"))
import kafkawire  # noqa: E402

protocol = kafkawire.Protocol()


def connect(address, timeout=15):
    host, port = address.rsplit(":", 1)
    return kafkawire.Client(host, int(port), timeout)


def ask(client, api, version, body, timeout=15):
    """The answer, or ConnectionError: b'' and None both mean that it is not known what happened."""
    answer = client.call(protocol, api, version, body, timeout=timeout)
    if not answer:
        raise ConnectionError("no answer")
    return answer


def create_topics(client, topics, timeout_ms=10000, replicas=1):
    """topics: {name: (partitions, {config: value})}. Returns {name: error code}."""
    body = {"timeoutMs": timeout_ms, "Topics": [
        {"Name": name, "NumPartitions": n, "ReplicationFactor": replicas, "Assignments": [],
         "Configs": [{"Name": k, "Value": v} for k, v in configs.items()]} for name, (n, configs) in topics.items()]}
    return {t["Name"]: t["ErrorCode"] for t in ask(client, "CreateTopics", 7, body)["Topics"]}


def delete_topics(client, names, timeout_ms=10000):
    body = {"TimeoutMs": timeout_ms, "Topics": [{"Name": name} for name in names]}
    return {t["Name"]: t["ErrorCode"] for t in ask(client, "DeleteTopics", 6, body)["Responses"]}


def changes(address):
    """Strict versions refuse what is over the quota, older ones carry it out; both say how long to wait, and the connection is not read for so long."""
    def new(client, version, name, partitions, validate=False):
        answer = ask(client, "CreateTopics", version, {"timeoutMs": 10000, "validateOnly": validate, "Topics": [
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Assignments": [], "Configs": []}]})
        return answer["Topics"][0]["ErrorCode"], answer["ThrottleTimeMs"]

    def expect(what, got, code, low, high):
        assert got[0] == code and low <= got[1] <= high, (what, got)

    expect("the first", new(connect(address), 7, "q-first", 13), 0, 0, 0)
    expect("validated only", new(connect(address), 7, "q-second", 5, True), 0, 0, 0)
    answer = ask(connect(address), "Metadata", 12, {"Topics": [{"Name": f"q-auto-{i}"} for i in range(3)], "AllowAutoTopicCreation": True})
    assert answer["ThrottleTimeMs"] == 0 and all(t["ErrorCode"] in (0, 5) for t in answer["Topics"]), answer
    strict = connect(address)
    expect("over the quota, of which topics made on demand took their part", new(strict, 7, "q-second", 1), 89, 2500, 5000)
    start = time.monotonic()
    assert ask(strict, "Metadata", 12, {"Topics": [{"Name": "q-second"}], "AllowAutoTopicCreation": False})["Topics"][0]["ErrorCode"] == 3
    assert time.monotonic() - start > 0.4, "the connection was read"
    expect("an old version", new(connect(address), 5, "q-third", 2), 0, 500, 5000)
    answer = ask(connect(address), "CreatePartitions", 3, {"TimeoutMs": 10000, "ValidateOnly": False, "Topics": [
        {"Name": "q-third", "Count": 3, "Assignments": None}]})
    expect("more partitions", (answer["Results"][0]["ErrorCode"], answer["ThrottleTimeMs"]), 89, 500, 5000)
    answer = ask(connect(address), "DeleteTopics", 5, {"TimeoutMs": 10000, "TopicNames": ["q-third"]})
    expect("deletion", (answer["Responses"][0]["ErrorCode"], answer["ThrottleTimeMs"]), 89, 500, 5000)
    answer = ask(connect(address), "DeleteTopics", 4, {"TimeoutMs": 10000, "TopicNames": ["q-third", "q-first"]})
    assert [r["ErrorCode"] for r in answer["Responses"]] == [0, 0] and answer["ThrottleTimeMs"] > 10000, answer


def transaction(address, topic):
    """Offsets wait for the marker, for those who ask for stable ones; a commit shows them, an abort drops them; a zombie is fenced."""
    client, group = connect(address), "in-transactions"
    while True:
        answer = ask(client, "FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})["Coordinators"][0]
        if answer["ErrorCode"] != 15:
            break
        time.sleep(0.1)
    offsets = len([p for p in topics(client)["__consumer_offsets"][1]])
    h = 0
    for c in group:
        h = (h * 31 + ord(c)) & 0xffffffff
    home = (h & 0x7fffffff) % offsets
    producer = ask(client, "InitProducerId", 4, {"TransactionalId": None, "TransactionTimeoutMs": 60000})["ProducerId"]

    def commit(version, offset, epoch=0, partition=0, name=topic, **caller):
        answer = ask(client, "TxnOffsetCommit", version, {
            "TransactionalId": "t", "GroupId": group, "ProducerId": producer, "ProducerEpoch": epoch, **caller,
            "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": partition, "CommittedOffset": offset, "CommittedMetadata": "m"}]}]})
        return answer["Topics"][0]["Partitions"][0]["ErrorCode"]

    def fetch(stable):
        answer = ask(client, "OffsetFetch", 7, {"GroupId": group, "Topics": [{"Name": topic, "PartitionIndexes": [0]}], "RequireStable": stable})
        p = answer["Topics"][0]["Partitions"][0]
        return p["ErrorCode"], p["CommittedOffset"]

    def end(commits):
        answer = ask(client, "WriteTxnMarkers", 1, {"Markers": [
            {"ProducerId": producer, "ProducerEpoch": 0, "TransactionResult": commits, "CoordinatorEpoch": 0,
             "Topics": [{"Name": "__consumer_offsets", "PartitionIndexes": [home]}]}]})
        return answer["Markers"][0]["Topics"][0]["Partitions"][0]["ErrorCode"]

    def write(seq):
        batch = plain_batch([b"v"], attributes=16, pid=producer, epoch=0, seq=seq).hex()
        answer = ask(client, "Produce", 9, {"TransactionalId": "t", "Acks": -1, "TimeoutMs": 10000,
                                            "TopicData": [{"Name": topic, "PartitionData": [{"Index": 0, "Records": batch}]}]})
        return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]

    def expect(got, wanted):
        assert got == wanted, (got, wanted)

    expect(write(0), 48)
    expect(commit(4, 1), 48)        # nobody coordinates transactions: none can have begun
    expect(fetch(True), (0, -1))
    expect(create_topics(client, {"__transaction_state": (1, {})}), {"__transaction_state": 0})
    expect(write(0), 0)
    expect(write(1), 0)
    expect(write(3), 45)
    for version in range(5):
        before, offset = fetch(False)[1], 10 + version
        expect(commit(version, offset), 0)
        expect(fetch(True), (88, -1))
        expect(fetch(False), (0, before))
        expect(end(version % 2 == 0), 0)
        expect(fetch(True), (0, offset if version % 2 == 0 else before))
    expect(commit(4, 1, partition=99), 3)
    expect(commit(4, 1, name="nowhere"), 3)
    expect(commit(4, 1, GenerationId=3), 25)
    expect(commit(4, 1, GenerationId=-1, MemberId="nobody"), 0)
    expect(end(False), 0)
    expect(commit(4, 1, epoch=-1), 47)
    expect(fetch(True), (0, 14))
    client = connect(address)
    expect(ask(client, "TxnOffsetCommit", 3, {"TransactionalId": "t", "GroupId": "", "ProducerId": producer, "ProducerEpoch": 0, "Topics": [
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": None}]}]})
           ["Topics"][0]["Partitions"][0]["ErrorCode"], 24)


def topics(client):
    """{name: (topic id, {partition: (error code, leader)})}"""
    answer = ask(client, "Metadata", 12, {"Topics": None, "AllowAutoTopicCreation": False})
    return {t["Name"]: (t["TopicId"], {p["PartitionIndex"]: (p["ErrorCode"], p["LeaderId"]) for p in t["Partitions"]})
            for t in answer["Topics"]}


def znodes(client):
    """The znodes that say what this broker's metadata say: cluster id, topics with their ids, leaders with their epochs."""
    answer = ask(client, "Metadata", 10, {"Topics": None, "AllowAutoTopicCreation": False})
    lines = ["create /cluster", 'create /cluster/id {"version":"1","id":"%s"}' % answer["ClusterId"], "create /brokers", "create /brokers/topics"]
    for t in answer["Topics"]:
        path = "/brokers/topics/" + t["Name"]
        partitions = ",".join('"%d":[%s]' % (p["PartitionIndex"], ",".join(map(str, p["ReplicaNodes"]))) for p in t["Partitions"])
        lines.append('create %s {"version":3,"topic_id":"%s","partitions":{%s},"adding_replicas":{},"removing_replicas":{}}'
                     % (path, t["TopicId"], partitions))
        lines.append(f"create {path}/partitions")
        for p in t["Partitions"]:
            lines.append(f"create {path}/partitions/{p['PartitionIndex']}")
            lines.append('create %s/partitions/%d/state {"controller_epoch":1,"leader":%d,"version":1,"leader_epoch":%d,"isr":[%s]}'
                         % (path, p["PartitionIndex"], p["LeaderId"], p["LeaderEpoch"], ",".join(map(str, p["IsrNodes"]))))
    return lines


def produce(client, topic, partition, batch, acks=-1, timeout_ms=10000, timeout=15):
    """(error code, base offset) of one batch."""
    body = {"Acks": acks, "TimeoutMs": timeout_ms,
            "TopicData": [{"Name": topic, "PartitionData": [{"Index": partition, "Records": batch.hex()}]}]}
    answer = ask(client, "Produce", 9, body, timeout)["Responses"][0]["PartitionResponses"][0]
    return answer["ErrorCode"], answer["BaseOffset"]


def plain_batch(values, **options):
    return kafkawire.batch(values, int(time.time() * 1000), **options)


def main(args):
    verb, client = args[0], connect(args[1])
    if verb == "create":
        name, partitions, configs = args[2], int(args[3]), dict(c.split("=", 1) for c in args[4:])
        error = create_topics(client, {name: (partitions, configs)})[name]
        if error:
            print(f"creating {name}: error {error}", file=sys.stderr)
        return 1 if error else 0
    if verb == "changes":
        changes(args[1])
        return 0
    if verb == "transaction":
        transaction(args[1], args[2])
        return 0
    if verb == "topics":
        for name, (topic_id, partitions) in sorted(topics(client).items()):
            print(name, topic_id, len(partitions))
        return 0
    if verb == "znodes":
        print("\n".join(znodes(client)))
        return 0
    if verb == "produce":
        topic, partition, size, count = args[2], int(args[3]), int(args[4]), int(args[5])
        last, error = -1, 0
        batch = plain_batch([b"." * size])
        for _ in range(count):
            error, offset = produce(client, topic, partition, batch)
            if error:
                break
            last = offset
        print(last, error)
        return 0
    if verb == "numbered":
        topic, partition, size = args[2], int(args[3]), int(args[4])
        print(*[produce(client, topic, partition, plain_batch([b"." * size], pid=1, epoch=0, seq=int(n)))[0] for n in args[5:]])
        return 0
    if verb == "producer_id":
        answer = ask(client, "InitProducerId", 1, {"TransactionalId": None, "TransactionTimeoutMs": 1000})
        print(answer["ProducerId"])
        return answer["ErrorCode"]
    if verb == "commit":
        for group in args[3:]:
            body = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": -1, "Topics": [{"Name": args[2], "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": 0, "CommittedMetadata": ""}]}]}
            for _ in range(100):
                error = ask(client, "OffsetCommit", 2, body)["Topics"][0]["Partitions"][0]["ErrorCode"]
                if error not in (14, 15, 16):
                    break
                time.sleep(0.1)
            assert error == 0, error
        return 0
    if verb == "stored_offset":
        group, topic = args[2], args[3]
        if len(args) > 4:
            ask(client, "OffsetCommit", 0, {"GroupId": group, "Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": int(args[4]), "CommittedMetadata": ""}]}]})
        answer = ask(client, "OffsetFetch", 0, {"GroupId": group, "Topics": [{"Name": topic, "PartitionIndexes": [0]}]})
        print(answer["Topics"][0]["Partitions"][0]["CommittedOffset"])
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
