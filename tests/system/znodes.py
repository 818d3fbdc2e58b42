#!/usr/bin/env python3
"""A ZooKeeper client of our own for the tests: it tells null data from empty data, and starts faster than a Java machine.

   znodes.py get HOST:PORT PATH                  prints the data ("null" when there are none)
   znodes.py create HOST:PORT PATH [DATA]        PATH ending in _ : a sequence node; its name is printed
   znodes.py delete HOST:PORT PATH
   znodes.py script HOST:PORT                    lines "create PATH [DATA]" from stdin
   znodes.py record HOST:PORT                    prints the tree as "like" wants it
   znodes.py like HOST:PORT GOLDEN [EXCEPT...]   is the tree as the recorded one? EXCEPT: lines that need not be printed
"""
import json
import socket
import struct
import sys
import time

CREATE, DELETE, GET, CHILDREN = 1, 2, 4, 8
EVERYBODY = struct.pack(">ii", 1, 31) + b"".join(struct.pack(">i", len(s)) + s for s in (b"world", b"anyone"))


class NodeError(Exception):
    pass


def text(s):
    return struct.pack(">i", len(s.encode())) + s.encode()


def blob(b):
    return struct.pack(">i", -1) if b is None else struct.pack(">i", len(b)) + b


class ZooKeeper:
    def __init__(self, address):
        # A server that has just come up answers "imok" and still closes the first sessions.
        for tries in range(50):
            try:
                self._connect(address)
                return
            except ConnectionError:
                if tries == 49:
                    raise
                time.sleep(0.1)

    def _connect(self, address):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 10)
        self.xid = 0
        self._send(struct.pack(">iqiq", 0, 0, 10000, 0) + blob(b"\0" * 16) + b"\0")
        self._receive()

    def _send(self, payload):
        self.sock.sendall(struct.pack(">i", len(payload)) + payload)

    def _take(self, n):
        out = b""
        while len(out) < n:
            piece = self.sock.recv(n - len(out))
            if not piece:
                raise ConnectionError("closed by ZooKeeper")
            out += piece
        return out

    def _receive(self):
        return self._take(struct.unpack(">i", self._take(4))[0])

    def _ask(self, op, body):
        self.xid += 1
        self._send(struct.pack(">ii", self.xid, op) + body)
        while True:
            answer = self._receive()
            xid, _, error = struct.unpack(">iqi", answer[:16])
            if xid == self.xid:
                if error:
                    raise NodeError(f"ZooKeeper error {error}")
                return answer[16:]

    def create(self, path, data, flags=0):
        answer = self._ask(CREATE, text(path) + blob(data) + EVERYBODY + struct.pack(">i", flags))
        return answer[4:].decode()

    def delete(self, path):
        self._ask(DELETE, text(path) + struct.pack(">i", -1))

    def get(self, path):
        """(data or None, {version, cversion, ephemeral})"""
        answer = self._ask(GET, text(path) + b"\0")
        n = struct.unpack(">i", answer[:4])[0]
        data = None if n < 0 else answer[4:4 + n]
        stat = struct.unpack(">qqqqiiiqiiq", answer[4 + max(n, 0):][:68])
        return data, {"version": stat[4], "cversion": stat[5], "ephemeral": stat[7] != 0}

    def children(self, path):
        answer = self._ask(CHILDREN, text(path) + b"\0")
        names, at = [], 4
        for _ in range(struct.unpack(">i", answer[:4])[0]):
            n = struct.unpack(">i", answer[at:at + 4])[0]
            names.append(answer[at + 4:at + 4 + n].decode())
            at += 4 + n
        return sorted(names)

    def tree(self, path="/"):
        data, stat = self.get(path)
        out = {path: (data, stat)}
        for name in self.children(path):
            if path + name != "/zookeeper":
                out.update(self.tree(path.rstrip("/") + "/" + name))
        return out


def shape(value):
    """What must be the same in two JSON texts: keys and types; of lists the type of what is in them."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def form(data):
    if data is None:
        return None
    try:
        return shape(json.loads(data))
    except ValueError:
        return "text"


# "skein" marks our registrations, for who looks at the tree; Java passes over it.
# Keys whose own keys are data: partition numbers, listener and config names.
FREE = ("partitions", "listener_security_protocol_map", "config", "endpoints", "features", "adding_replicas", "removing_replicas")


def comparable(data):
    value = form(data)
    if isinstance(value, dict):
        value = {key: "free" if key in FREE else item for key, item in sorted(value.items()) if key != "skein"}
    return value


def like(zk, golden, excepted):
    wrong = []
    wanted = {n["path"]: n for n in json.load(open(golden)) if n["path"] != "/"}
    got = zk.tree()
    del got["/"]
    for path in sorted(wanted.keys() | got.keys()):
        if path not in got:
            wrong.append(f"{path} is missing")
        elif path not in wanted:
            wrong.append(f"{path} is not in the recording")
        else:
            data, stat = got[path]
            old = wanted[path]
            for what, a, b in (("data", comparable(old["data"]), comparable(data)), ("ephemeral", old["ephemeral"], stat["ephemeral"]),
                               ("version", old["version"], stat["version"])):
                if a != b:
                    wrong.append(f"{path}: {what} {a} in the recording, {b} here")
    wrong = [line for line in wrong if not any(line.startswith(e) for e in excepted)]
    print("\n".join(wrong))
    return 1 if wrong else 0


def main(args):
    verb, zk, rest = args[0], ZooKeeper(args[1]), args[2:]
    if verb == "get":
        data = zk.get(rest[0])[0]
        print("null" if data is None else data.decode())
    elif verb == "create":
        print(zk.create(rest[0], rest[1].encode() if len(rest) > 1 else None, 2 if rest[0].endswith("_") else 0))
    elif verb == "delete":
        zk.delete(rest[0])
    elif verb == "script":
        for line in sys.stdin:
            word = line.split(None, 2)
            zk.create(word[1], word[2].strip().encode() if len(word) > 2 else None)
    elif verb == "record":
        nodes = [{"path": path, "data": None if data is None else data.decode(), "version": stat["version"], "ephemeral": stat["ephemeral"]}
                 for path, (data, stat) in sorted(zk.tree().items())]
        print("[" + ",\n ".join(json.dumps(n) for n in nodes) + "]")
    elif verb == "like":
        return like(zk, rest[0], rest[1:])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NodeError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
