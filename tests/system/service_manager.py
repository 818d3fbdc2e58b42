"""service_manager.py SOCKET FILE: takes what a service tells its manager ($NOTIFY_SOCKET) and writes it down, line by line, until it is ended."""
import os
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "ab", buffering=0) as out:
    while True:
        out.write(s.recv(65536) + b"\n")
