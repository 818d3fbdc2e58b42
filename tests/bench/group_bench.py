#!/usr/bin/env python3
"""What a group of many members costs: raw members of one group join, one more comes, one leaves; broker CPU and time of each rebalance.

   group_bench.py [--members N] SKEIN

One line per rebalance: from the request that causes it to the last member's assignment; the broker's CPU, and this program's own for comparison (the two share the
machine). Then the CPU of heartbeats, and of commits one after the other. The aim for 500 members: 150 ms of broker CPU a rebalance; 20 us a commit.
"""
import argparse
import os
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time

JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, FIND = 11, 14, 12, 13, 8, 10
VERSION = {JOIN: 5, SYNC: 3, HEARTBEAT: 3, LEAVE: 1, COMMIT: 5, FIND: 0}
MEMBER_ID_REQUIRED, REBALANCE_IN_PROGRESS = 79, 27
LIMIT_S = 60


def text(s):
    b = s.encode()
    return struct.pack(">h", len(b)) + b


def blob(b):
    return struct.pack(">i", len(b)) + b


SUBSCRIPTION = struct.pack(">hi", 1, 1) + text("orders") + struct.pack(">ii", -1, 0)
ASSIGNMENT = struct.pack(">hi", 1, 1) + text("orders") + struct.pack(">ii", 1, 7) + struct.pack(">i", -1)


class Answer:
    def __init__(self, data):
        self.data, self.at = data, 4            # behind the correlation id

    def take(self, form):
        v = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return v[0] if len(v) == 1 else v

    def text(self):
        n = self.take("h")
        if n < 0:
            return None
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def bytes(self):
        n = self.take("i")
        self.at += n
        return self.data[self.at - n:self.at]


class Member:
    def __init__(self, port, group):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.group, self.id, self.generation, self.buffer, self.asked = group, "", -1, b"", None

    def ask(self, api, body):
        head = struct.pack(">hhi", api, VERSION[api], 1) + text("bench")
        self.asked = api
        self.socket.sendall(blob(head + body))

    def join(self):
        self.ask(JOIN, text(self.group) + struct.pack(">ii", 30000, 30000) + text(self.id) + struct.pack(">h", -1) + text("consumer") +
                 struct.pack(">i", 1) + text("range") + blob(SUBSCRIPTION))

    def sync(self, members):
        self.ask(SYNC, text(self.group) + struct.pack(">i", self.generation) + text(self.id) + struct.pack(">hi", -1, len(members)) +
                 b"".join(text(m) + blob(ASSIGNMENT) for m in members))

    def heartbeat(self):
        self.ask(HEARTBEAT, text(self.group) + struct.pack(">i", self.generation) + text(self.id) + struct.pack(">h", -1))

    def leave(self):
        self.ask(LEAVE, text(self.group) + text(self.id))

    def commit(self, offset):
        self.ask(COMMIT, text(self.group) + struct.pack(">i", self.generation) + text(self.id) + struct.pack(">i", 1) + text("orders") +
                 struct.pack(">iiq", 1, 0, offset) + text(""))

    def read(self):
        """The answer, or None: not whole yet."""
        self.buffer += self.socket.recv(1 << 20)
        if len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack(">i", self.buffer[:4])[0]:
            return None
        answer, self.buffer = Answer(self.buffer[4:]), b""
        return answer

    def wait(self):
        while (answer := self.read()) is None:
            pass
        return answer


def cpu_of(pid):
    ns = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            ns += int(f.read().split()[0])
    return ns / 1e6


def settle(members, begin):
    """Runs the protocol until every member has an assignment of one generation. begin: those that join now; the others hear of it by a heartbeat."""
    selector, done = selectors.DefaultSelector(), set()
    for m in members:
        selector.register(m.socket, selectors.EVENT_READ, m)
        if m in begin:
            m.join()
        else:
            m.heartbeat()
    end = time.monotonic() + LIMIT_S
    while len(done) < len(members):
        if time.monotonic() > end:
            sys.exit(f"only {len(done)} of {len(members)} members have an assignment")
        for key, _ in selector.select(1):
            m = key.data
            answer = m.read()
            if answer is None:
                continue
            if m.asked == HEARTBEAT:
                _, error = answer.take("ih")
                m.join() if error == REBALANCE_IN_PROGRESS else m.heartbeat()
            elif m.asked == JOIN:
                _, error, generation = answer.take("ihi")
                _, leader, m.id = answer.text(), answer.text(), answer.text()
                if error == MEMBER_ID_REQUIRED:
                    m.join()
                    continue
                if error:
                    sys.exit(f"JoinGroup: error {error}")
                m.generation, ids = generation, []
                for _ in range(answer.take("i")):
                    ids.append(answer.text())
                    answer.text()
                    answer.bytes()
                m.sync(ids if leader == m.id else [])
            elif m.asked == SYNC:
                _, error = answer.take("ih")
                if error == REBALANCE_IN_PROGRESS:
                    m.join()
                elif error or not answer.bytes():
                    sys.exit(f"SyncGroup: error {error}")
                else:
                    done.add(m)
    if len({m.generation for m in members}) != 1:
        sys.exit("the members are not of one generation")


def measure(pid, what, count, work):
    before, own, begun = cpu_of(pid), time.process_time(), time.monotonic()
    work()
    ms = (time.monotonic() - begun) * 1000
    cpu = cpu_of(pid) - before
    print(f"{what:44} {ms:9.1f} ms  broker {cpu:8.1f} ms CPU ({cpu * 1000 / count:6.1f} us each)  bench {(time.process_time() - own) * 1000:8.1f} ms", flush=True)


def start(skein, folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config = os.path.join(folder, "server.properties")
    with open(config, "w", encoding="ascii") as f:
        f.write(f"listeners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={folder}/data\ngroup.initial.rebalance.delay.ms=0\n")
    with open(os.path.join(folder, "log"), "w", encoding="ascii") as log:
        process = subprocess.Popen([skein, "serve", config], stdout=log, stderr=log)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.01)
    process.kill()
    sys.exit("the broker does not come up")


def run(o, pid, port):
    subprocess.run([o.skein, "topic", "create", "orders", "-b", f"127.0.0.1:{port}", "-p", "1"], check=True, stdout=subprocess.DEVNULL)
    finder = Member(port, "g")
    begun = time.monotonic()
    finder.ask(FIND, text("g"))
    if finder.wait().take("h"):
        sys.exit("no coordinator")
    print(f"{'the topic for group state is made':44} {(time.monotonic() - begun) * 1000:9.1f} ms")
    members = [Member(port, "g") for _ in range(o.members)]
    measure(pid, f"{o.members} members join", o.members, lambda: settle(members, members))
    measure(pid, f"{o.members} members join again, all at once", o.members, lambda: settle(members, members))
    members.append(Member(port, "g"))
    measure(pid, "one more comes", len(members), lambda: settle(members, members[-1:]))
    gone = members.pop()
    gone.leave()
    gone.wait()
    measure(pid, "and leaves", len(members), lambda: settle(members, []))

    def beat():
        for m in members:
            m.heartbeat()
        for m in members:
            if m.wait().take("ih")[1]:
                sys.exit("Heartbeat: an error")

    def commit():
        for i in range(o.commits):
            members[0].commit(i)
            members[0].wait()

    def commit_together():
        for m in members:
            m.commit(0)
        for m in members:
            m.wait()
    measure(pid, f"{len(members)} heartbeats", len(members), beat)
    measure(pid, f"{len(members)} commits, of all members at once", len(members), commit_together)
    measure(pid, f"{o.commits} commits, one after the other", o.commits, commit)


def main():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--members", type=int, default=500)
    a.add_argument("--commits", type=int, default=2000)
    a.add_argument("skein")
    o = a.parse_args()
    with tempfile.TemporaryDirectory(prefix="skein-group-bench.") as folder:
        process, port = start(o.skein, folder)
        try:
            run(o, process.pid, port)
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    main()
