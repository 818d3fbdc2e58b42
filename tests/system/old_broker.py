#!/usr/bin/env python3
"""Answers ApiVersions as a Java broker of an older release does, and closes the connection at anything else.

old_broker.py PORT KEY:VERSION...    the highest version of each request that it knows, as 1:13 (Fetch)
"""
import socketserver
import struct
import sys


class Broker(socketserver.StreamRequestHandler):
    def handle(self):
        while len(size := self.rfile.read(4)) == 4:
            question = self.rfile.read(struct.unpack(">i", size)[0])
            key, version, correlation = struct.unpack_from(">hhi", question)
            if (key, version) != (18, 0):
                return
            answer = struct.pack(">ihi", correlation, 0, len(spoken)) + b"".join(struct.pack(">hhh", k, 0, v) for k, v in spoken)
            self.wfile.write(struct.pack(">i", len(answer)) + answer)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
spoken = [tuple(map(int, arg.split(":"))) for arg in sys.argv[2:]]
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Broker).serve_forever()
