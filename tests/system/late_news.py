#!/usr/bin/env python3
"""Stands before a broker that advertises this address, and makes it one that hears late of new topics: on every connection the
first questions for topics whose names begin so are asked, and answered, for names that do not exist.

late_news.py PORT BROKER-PORT BEGINNING [QUESTIONS, default 2]
"""
import socket
import socketserver
import struct
import sys
import threading

METADATA = 3


def frames(stream):
    while len(size := stream.read(4)) == 4:
        yield stream.read(struct.unpack(">i", size)[0])


class Proxy(socketserver.StreamRequestHandler):
    def handle(self):
        broker = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
        left, asked = questions, set()

        def answers():
            for answer in frames(broker.makefile("rb")):
                if struct.unpack_from(">i", answer)[0] in asked:
                    answer = answer.replace(unknown, begin)
                self.wfile.write(struct.pack(">i", len(answer)) + answer)
            self.connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=answers, daemon=True).start()
        for question in frames(self.rfile):
            key, _, correlation = struct.unpack_from(">hhi", question)
            if key == METADATA and left > 0 and begin in question:
                left -= 1
                asked.add(correlation)
                question = question.replace(begin, unknown)
            broker.sendall(struct.pack(">i", len(question)) + question)
        broker.close()


begin = sys.argv[3].encode()
unknown = begin[::-1]
questions = int(sys.argv[4]) if len(sys.argv) > 4 else 2
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Proxy).serve_forever()
