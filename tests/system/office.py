#!/usr/bin/env python3
"""Hands the office of the controller to a broker: the others stand still while it is free, as briefly as can be, so that no session ends.

   office.py HOST:PORT ID PID...     HOST:PORT ZooKeeper's; PID of each broker that stands still. "-PID": it still does afterwards.
"""
import json
import os
import signal
import sys
import time

from znodes import NodeError, ZooKeeper


def in_office(zk):
    try:
        return json.loads(zk.get("/controller")[0])["brokerid"]
    except NodeError:
        return None


def stands_still(pid):
    """All its threads do: the signal has been sent, but they may still be running."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as f:
                if f.read().rpartition(")")[2].split()[0] not in "TtZ":
                    return False
    except FileNotFoundError:                            # a thread that was just ending
        return False
    return True


def main():
    address, wanted, pids = sys.argv[1], int(sys.argv[2]), [int(p) for p in sys.argv[3:]]
    zk, end = ZooKeeper(address), time.monotonic() + 5
    for pid in pids:
        os.kill(abs(pid), signal.SIGSTOP)
    try:
        while not all(stands_still(abs(pid)) for pid in pids) and time.monotonic() < end:
            time.sleep(0.001)
        zk.delete("/controller")
        while in_office(zk) != wanted:
            if time.monotonic() > end:
                sys.exit(f"broker {wanted} does not take the office")
            time.sleep(0.005)
    finally:
        for pid in pids:
            if pid > 0:
                os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
