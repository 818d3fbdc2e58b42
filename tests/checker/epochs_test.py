#!/usr/bin/env python3
"""epochs.py on lines as librdkafka 2.6.1 writes them."""
import sys
import time

import epochs

LINES = """\
%7|{0}.100|ERRSEQ|rdkafka#producer-2| [thrd:10.77.0.2:9092/bootstrap]: 10.77.0.2:9092/2: ProduceRequest for t [0] with 46 message(s) failed due to skipped \
sequence numbers (PID{{Id:2000,Epoch:0}}, base seq 3486 > next seq 0) caused by previous failed request (NOT_ENOUGH_REPLICAS, actions Retry,MsgNotPersisted, \
base seq 3486..3531, base msgid 3487, 84ms ago): recovering and retrying
%7|{0}.101|DRAIN|rdkafka#producer-2| [thrd:10.77.0.2:9092/bootstrap]: Beginning partition drain in state Assigned for PID{{Id:2000,Epoch:0}} epoch bump for 1 \
partition(s) with in-flight requests: skipped sequence numbers
%7|{0}.102|DRAIN|rdkafka#producer-2| [thrd:10.77.0.2:9092/bootstrap]: t [1] beginning partition drain: wait for outstanding requests to finish before producing
%7|{1}.100|ERRSEQ|rdkafka#producer-3| [thrd:10.77.0.2:9092/bootstrap]: 10.77.0.2:9092/2: ProduceRequest for t [2] with 1 message(s) failed due to sequence \
desynchronization with broker 2 (PID{{Id:1,Epoch:0}}, base seq 7, idemp state change 9ms ago, last partition error NO_ERROR (actions , base seq 0..0, base msgid 0)
%7|{1}.101|DRAIN|rdkafka#producer-3| [thrd:10.77.0.2:9092/bootstrap]: Beginning partition drain in state Assigned for PID{{Id:1,Epoch:0}} epoch bump for 1 \
partition(s) with in-flight requests: skipped sequence numbers
%7|{1}.102|DRAIN|rdkafka#producer-2| [thrd:main]: Beginning partition drain in state Assigned for PID{{Id:2000,Epoch:1}} epoch bump for 2 partition(s) with \
in-flight requests: message timed out
a line of something else"""


def main():
    now = int(time.time())
    changed = {"t": time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 5 * 10**9, "f": "settled", "broker": 2, "kind": "java"}
    found = epochs.bumps(LINES.format(now, now + 10).splitlines(), [{"t": 0, "f": "heal"}, changed], {1: "java", 2: "skein", 3: "java"})
    wanted = [("rdkafka#producer-2", [(2, "skein", 0, "NOT_ENOUGH_REPLICAS")]), ("rdkafka#producer-3", [(2, "java", 2, "")]), ("rdkafka#producer-2", [])]
    said = "3 new epochs (1 skein after NOT_ENOUGH_REPLICAS, 1 java after a good answer, 1 message timed out)"
    is_good = [(b.client, b.refusals) for b in found] == wanted and epochs.summary(found) == said
    if not is_good:
        print(f"FAILED: {found}: {epochs.summary(found)}")
    print(f"{int(is_good)} passed, {int(not is_good)} failed, 0 skipped")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
