#!/usr/bin/env python3
"""Peers that send what no client should, one per function.

   bad_input.py NAME HOST:PORT

After each the broker must serve a decent client as before; bad-input.test looks at that.
"""
import json
import os
import random
import socket
import struct
import sys
import threading
import time

import wire


def peer(address, timeout=10):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout)


def receive(sock, n):
    got = b""
    while len(got) < n:
        piece = sock.recv(n - len(got))
        assert piece, "closed"
        got += piece
    return got


def ends(sock, within=5):
    """The other side closes without a byte of answer."""
    sock.settimeout(within)
    try:
        got = sock.recv(65536)
    except ConnectionResetError:
        return
    except socket.timeout:
        raise AssertionError(f"still open after {within} s")
    assert got == b"", f"answered {got[:40].hex()}"


def api_versions(client, version=3):
    started = time.monotonic()
    answer = wire.ask(client, "ApiVersions", version, {"ClientSoftwareName": "tests", "ClientSoftwareVersion": "1"})
    assert answer["ErrorCode"] == 0, answer
    return time.monotonic() - started


def refused(address, data):
    with peer(address) as sock:
        sock.sendall(data)
        ends(sock)


def header(key, version, correlation=1, client=b"bad"):
    return struct.pack(">hhih", key, version, correlation, len(client)) + client


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def sizes(address):
    for size in (-1, -2147483648, 2147483647, 104857601, 0, 1, 7):
        refused(address, struct.pack(">i", size) + b"\0" * 7)


def other_protocols(address):
    refused(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    refused(address, bytes.fromhex("16030100f8010000f40303") + b"\0" * 200)


def half_frames(address):
    whole = wire.protocol.request("Metadata", 9, {"Topics": None}, "half", 1)
    for cut in (1, 3, 4, 5, len(whole) // 2, len(whole) - 1):
        with peer(address) as sock:
            sock.sendall(whole[:cut])
            sock.shutdown(socket.SHUT_WR)
            ends(sock)


def unknown_apis(address):
    for key, version in ((999, 0), (-1, 0), (32767, 0), (0, 99), (3, 99), (1, -1)):
        refused(address, frame(header(key, version) + b"\0" * 20))


def unknown_version_of_api_versions(address):
    with peer(address) as sock:
        sock.sendall(frame(header(18, 99, correlation=77) + b"\0"))
        sock.settimeout(5)
        answer = sock.recv(65536)
        assert answer[4:8] == struct.pack(">i", 77) and answer[8:10] == struct.pack(">h", 35), answer[:12].hex()


def lying_lengths(address):
    huge = 0x7FFFFFFF
    metadata = header(3, 1)
    for body in (struct.pack(">i", huge),                                    # topics
                 struct.pack(">i", 1000) + b"\0\1a",                         # more than there are bytes
                 struct.pack(">ih", 1, 32767) + b"a",                        # the name's length
                 struct.pack(">ih", 1, -5) + b"a"):
        refused(address, frame(metadata + body))
    produce = header(0, 3) + struct.pack(">hhi", -1, -1, 1000)
    for body in (struct.pack(">i", huge), struct.pack(">ihc", 1, 1, b"t") + struct.pack(">i", huge),
                 struct.pack(">ihc", 1, 1, b"t") + struct.pack(">iii", 1, 0, huge)):
        refused(address, frame(produce + body))
    # The same in the compact form: an unsigned varint of the greatest length, and one that does not end.
    for body in (b"\xff\xff\xff\xff\x0f", b"\xff" * 12):
        refused(address, frame(header(3, 12) + b"\0" + body))


def garbage(address):
    rng = random.Random(20)
    for _ in range(200):
        with peer(address) as sock:
            n = rng.randint(8, 300)
            sock.sendall(frame(header(rng.randint(-1, 70), rng.randint(-1, 15)) + rng.randbytes(n)))
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(10)
            try:
                while sock.recv(65536):
                    pass
            except ConnectionResetError:
                pass


def extreme_numbers(address):
    client = wire.connect(address)
    for offset in (-2**63, 1 - 2**63, -3, 2**63 - 1):
        for replica in (-1, 7):
            answer = wire.ask(client, "Fetch", 4, {
                "ReplicaId": replica, "MaxWaitMs": 0, "MinBytes": 2**31 - 1, "MaxBytes": 2**31 - 1, "Topics": [
                    {"Topic": "fine", "Partitions": [{"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": 2**31 - 1}]}]})
            error = answer["Responses"][0]["Partitions"][0]["ErrorCode"]
            assert error == (1 if replica < 0 else 6), f"replica {replica} from {offset}: error {error}"


def mutants(address, count=3000):
    """Requests that real brokers were asked, with a few numbers changed, lost or added."""
    requests = []
    with open(os.path.join(wire.TESTS, "golden", "wire", "probes.json")) as f:
        for probe in json.load(f):
            requests += [bytes.fromhex(s["request_hex"])[4:] for s in probe["steps"] if 24 < len(s.get("request_hex", "")) < 20000]
    assert len(requests) > 1000, len(requests)
    rng = random.Random(int(os.environ.get("SKEIN_SEED", "1")))
    edges32, edges64 = (-1, -2, 0, 1, 2**31 - 1, -2**31), (-1, -2, 0, 2**62, -2**63, 2**63 - 1)

    def mutate(request):
        request = bytearray(request)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            at = rng.randrange(8, max(len(request), 9))
            how = rng.randrange(6)
            if how == 0:
                request[at:at + 1] = bytes([rng.randrange(256)])
            elif how == 1:
                request[at:at + 4] = struct.pack(">i", rng.choice(edges32))
            elif how == 2:
                request[at:at + 8] = struct.pack(">q", rng.choice(edges64))
            elif how == 3:
                del request[at:at + rng.randrange(1, 20)]
            elif how == 4:
                other = rng.choice(requests)
                begin = rng.randrange(len(other))
                request[at:at] = other[begin:begin + rng.randrange(1, 40)]
            else:
                request[2:4] = struct.pack(">h", rng.randrange(18))
        return frame(bytes(request))

    while count > 0:
        with peer(address) as sock:
            sock.settimeout(0.05)
            try:
                for _ in range(rng.randrange(1, 12)):
                    count -= 1
                    sock.sendall(mutate(rng.choice(requests)))
                    if rng.random() < 0.7 and not sock.recv(65536):
                        break
            except (socket.timeout, ConnectionError):
                pass


def broker_named_twice(address):
    """By what looks like the controller of a lone broker. The last list is a sound one, because it stays."""
    client = wire.connect(address)
    host, port = address.rsplit(":", 1)
    broker = {"Id": 0, "Endpoints": [{"Port": int(port), "Host": host, "Listener": "PLAINTEXT", "SecurityProtocol": 0}], "Rack": None}
    for brokers in ([broker, broker], [broker] * 3 + [dict(broker, Id=1), broker], [broker]):
        errors = []
        for epoch in range(1, 10):		# each start of the broker is an election
            errors.append(wire.ask(client, "UpdateMetadata", 6, {
                "ControllerId": 0, "ControllerEpoch": epoch, "BrokerEpoch": -1, "TopicStates": [], "LiveBrokers": brokers})["ErrorCode"])
            if errors[-1] == 0:
                break
        assert errors == [11] * (len(errors) - 1) + [0], errors
        known = wire.ask(client, "Metadata", 12, {"Topics": [], "AllowAutoTopicCreation": False})["Brokers"]
        assert sorted(b["NodeId"] for b in known) == sorted({b["Id"] for b in brokers}), known


def text(s):
    return struct.pack(">h", len(s)) + s


def blob(s):
    return struct.pack(">i", len(s)) + s


def joining(group, protocol_type, protocol, metadata, session_ms=30000):
    """The body of a JoinGroup request of version 3."""
    return text(group) + struct.pack(">ii", session_ms, 30000) + text(b"") + text(protocol_type) + struct.pack(">i", 1) + text(protocol) + blob(metadata)


def member_of_everything(address, topics=60000):
    """Consumes more topics than there are, and leaves the assigning to others."""
    names = b"".join(text(b"t%06d" % i) for i in range(topics))
    with peer(address, 30) as sock:
        sock.sendall(frame(header(11, 3) + joining(b"everything", b"consumer", b"range", struct.pack(">hi", 0, topics) + names + struct.pack(">i", -1),
                                                     session_ms=2000)))
        assert receive(sock, struct.unpack(">i", receive(sock, 4))[0])[8:10] == b"\0\0"
        time.sleep(2)


def group_named_often(address, names=1000, size=300000):
    """A group whose one member says much, and requests that want to hear it again and again: such a connection is closed, or answered within reason."""
    with peer(address) as sock:
        def send(key, version, body):
            sock.sendall(frame(header(key, version) + body))

        def answer():
            return receive(sock, struct.unpack(">i", receive(sock, 4))[0])[4:]

        send(10, 0, text(b"loud"))
        assert answer()[:2] == b"\0\0"
        send(11, 3, joining(b"loud", b"talk", b"p", b"x" * size))
        joined = answer()
        assert joined[4:6] == b"\0\0", joined[:20]
        at = 10 + 2 + struct.unpack_from(">h", joined, 10)[0]
        leader = joined[at + 2:at + 2 + struct.unpack_from(">h", joined, at)[0]]
        send(14, 2, text(b"loud") + joined[6:10] + text(leader) + struct.pack(">i", 1) + text(leader) + blob(b"y" * size))
        assert answer()[4:6] == b"\0\0"
        send(15, 0, struct.pack(">i", 1) + text(b"loud"))
        assert len(answer()) > 2 * size
        with peer(address, 30) as greedy:
            greedy.sendall(frame(header(15, 0) + struct.pack(">i", names) + text(b"loud") * names))
            ends(greedy, 30)


def refused_creations(address, seconds=2):
    """Many topics with more replicas than there are brokers, and few, by turns: each is answered at once, and its memory is another request's."""
    def creations(n):
        with peer(address) as sock:
            until = time.monotonic() + seconds
            requests = [wire.protocol.request("CreateTopics", 5, {"timeoutMs": 1000, "Topics": [
                {"Name": f"refused-{i}", "NumPartitions": 1, "ReplicationFactor": 9, "Assignments": [], "Configs": []} for i in range(k)]}, "many", 1)
                for k in (1, n)]
            while time.monotonic() < until:
                for request in requests:
                    sock.sendall(request)
                    left = struct.unpack(">i", receive(sock, 4))[0]
                    receive(sock, left)

    threads = [threading.Thread(target=creations, args=(n,)) for n in (20, 40, 80, 160)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def broken_batches(address):
    client = wire.connect(address)
    wire.create_topics(client, {"broken": (1, {})})
    CORRUPT, INVALID = (2,), (87, 2)
    good = [b"value"]
    for what, batch, wanted in (
            ("checksum", wire.plain_batch(good, bad_crc=True), CORRUPT),
            ("count", wire.plain_batch(good, count=9), INVALID),
            ("last offset", wire.plain_batch(good, last_delta=5), INVALID),
            ("cut short", wire.plain_batch(good)[:-3], INVALID),
            ("header only", wire.plain_batch(good)[:30], INVALID),
            ("unknown codec", wire.plain_batch(good, codec=6), (-1,)),
            ("not gzip", wire.plain_batch(good, codec=1), (-1,)),
            ("magic", wire.plain_batch(good, magic=7), INVALID + (43,))):
        error, _ = wire.produce(client, "broken", 0, batch)
        assert error in wanted, f"{what}: error {error}"
    error, offset = wire.produce(client, "broken", 0, wire.plain_batch(good))
    assert (error, offset) == (0, 0), (error, offset)
    # The number of acknowledgements is checked before anything is stored.
    error, _ = wire.produce(client, "broken", 0, wire.plain_batch(good), acks=5)
    assert error == 21, error
    error, _ = wire.produce(client, "absent.and.b@d", 0, wire.plain_batch(good))
    assert error in (3, 17), error


def compressed_bomb(address):
    """A gzip member of 1 MB that becomes 1 GB in one record."""
    import zlib
    client = wire.connect(address)
    wire.create_topics(client, {"bomb": (1, {})})
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    size = 1 << 30
    head = wire.kafkawire.varint(size + 10)
    body = head + b"\0" + wire.kafkawire.varint(0) * 2 + wire.kafkawire.varint(-1) + wire.kafkawire.varint(size)
    parts = [packer.compress(body)]
    zeros = b"\0" * (1 << 20)
    parts += [packer.compress(zeros) for _ in range(size >> 20)]
    parts.append(packer.compress(wire.kafkawire.varint(0)))
    payload = b"".join(parts) + packer.flush()
    neighbour, slowest, stop = wire.connect(address), [0.0], threading.Event()

    def look():
        while not stop.is_set():
            slowest[0] = max(slowest[0], api_versions(neighbour))
            time.sleep(0.01)
    watcher = threading.Thread(target=look)
    watcher.start()
    error, _ = wire.produce(client, "bomb", 0, wire.plain_batch([b""], codec=1, payload=payload))
    stop.set()
    watcher.join()
    assert error == 10, error
    print(f"# error {error}; meanwhile another client waited {slowest[0] * 1000:.0f} ms at most")
    assert slowest[0] < 2, slowest


def slow_peer(address):
    """A request of one byte every 20 ms; another client does not notice."""
    whole = wire.protocol.request("ApiVersions", 3, {"ClientSoftwareName": "slow", "ClientSoftwareVersion": "1"}, "slow", 5)
    other, slowest = wire.connect(address), 0
    with peer(address) as sock:
        for i in range(len(whole)):
            sock.sendall(whole[i:i + 1])
            slowest = max(slowest, api_versions(other))
            time.sleep(0.02)
        sock.settimeout(5)
        answer = sock.recv(65536)
        assert answer[4:8] == struct.pack(">i", 5), answer[:8].hex()
    assert slowest < 1, slowest


def deaf_peer(address):
    """Peers that ask for much and read nothing; another client does not notice."""
    client = wire.connect(address)
    wire.create_topics(client, {"much": (1, {})})
    batch = wire.plain_batch([b"." * 500000])
    for _ in range(20):
        error, _ = wire.produce(client, "much", 0, batch)
        assert error == 0, error
    fetch = wire.protocol.request("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 50000000, "IsolationLevel": 0, "SessionId": 0, "SessionEpoch": -1,
        "Topics": [{"Topic": "much", "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 20000000}]}]}, "deaf", 1)
    deaf = []
    for _ in range(20):
        sock = peer(address)
        sock.setblocking(False)
        try:
            for _ in range(200):
                sock.send(fetch)
        except BlockingIOError:
            pass
        deaf.append(sock)
    time.sleep(0.5)
    slowest = max(api_versions(client) for _ in range(50))
    error, _ = wire.produce(client, "much", 0, batch)
    assert error == 0, error
    for sock in deaf:
        sock.close()
    assert slowest < 1, slowest


def hoard(address, count=190):
    """As many connections as the broker may have files (some wait to be accepted), while somebody who was there first goes on producing to partitions that need files of their own."""
    client = wire.connect(address)
    wire.create_topics(client, {"hoard": (8, {})})
    hoarders = [peer(address) for _ in range(count)]
    time.sleep(0.5)
    for partition in range(8):
        error, _ = wire.produce(client, "hoard", partition, wire.plain_batch([b"value"]))
        assert error == 0, f"partition {partition}: error {error}"
    time.sleep(0.6)
    for sock in hoarders:
        sock.close()
    wire.connect(address)


def idle_peers(address):
    """To a broker whose connections may be idle for two seconds."""
    silent, half, busy = peer(address), peer(address), wire.connect(address)
    half.sendall(b"\0\0\1\0abc")
    started = time.monotonic()
    while time.monotonic() - started < 4:
        api_versions(busy)
        time.sleep(0.2)
    ends(silent, 3)
    ends(half, 3)
    api_versions(busy)


def crowd(address):
    """Five hundred connections that come and go, half of them without a word."""
    client = wire.connect(address)
    for turn in range(5):
        peers = [peer(address) for _ in range(100)]
        for i, sock in enumerate(peers):
            if i % 2:
                sock.sendall(wire.protocol.request("ApiVersions", 0, {}, "crowd", 1))
        api_versions(client)
        for sock in peers:
            sock.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
