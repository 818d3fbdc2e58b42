#!/usr/bin/env python3
"""Asks JavaTools.java to run a tool, and prints call and output in a form in which two clusters can be compared.

   java_tools.py [--spread] PORT TEXT=NAME... -- VERB CLASS ARGS...

TEXT=NAME: what differs from run to run (addresses, directories), and what is printed instead of it. Ids and times are replaced too, and
lists that have no order of their own are sorted. --spread: nothing of where the replicas lie is printed, because Kafka draws lots for it.
"""
import re
import socket
import sys


def sorted_list(match):
    separator = ", " if ", " in match[2] else ","
    return match[1] + separator.join(sorted(match[2].split(separator)))


def normalised(text, names, spread):
    for name in names:
        old, new = name.split("=", 1)
        text = text.replace(old, new)
    text = re.sub(r"^(\tat |\s*\.\.\. \d+ more).*\n", "", text, flags=re.M)
    text = re.sub(r"(TopicId: )[\w-]{22}", r"\1<id>", text)
    text = re.sub(r"(Isr: )([\d,]+)", sorted_list, text)
    text = re.sub(r"(partitions? )(\S+-\d+(?:, \S+-\d+)*)$", sorted_list, text, flags=re.M)
    text = re.sub(r"^(Connecting to .*|WATCHER::|WatchedEvent .*|)\n", "", text, flags=re.M)
    if spread:
        text = re.sub(r"(Leader: )\d+", r"\1<one>", text)
        text = re.sub(r"(Replicas: )([\d,]+)", sorted_list, text)
    return text


def ask(port, words):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(60)
        s.sendall("\t".join(words).encode() + b"\n")
        out = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                return out.decode()
            out += piece


def main(args):
    spread = args[0] == "--spread"
    args = args[spread:]
    end = args.index("--")
    verb, words = args[end + 1], args[end + 2:]
    print(normalised("$ " + " ".join([verb] + words[1:]) + "\n" + ask(int(args[0]), words), args[1:end], spread))


if __name__ == "__main__":
    main(sys.argv[1:])
