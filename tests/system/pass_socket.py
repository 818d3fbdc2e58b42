#!/usr/bin/env python3
"""pass_socket.py PORT COMMAND...: becomes the command, which gets a listening socket at 127.0.0.1:PORT as a service manager passes it."""
import os
import socket
import sys

s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
