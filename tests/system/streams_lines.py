#!/usr/bin/env python3
"""streams_lines.py FILE RATE: lines "ID WORD..." for the word count, RATE a second, until FILE.end is there or five minutes are over.

The numbers go on where the last line of FILE ends, so that each line ever written has a number of its own. The words follow from it.
"""
import os
import random
import sys
import time

WORDS = [a + b for a in ("al", "be", "co", "di", "el", "fu") for b in ("ba", "da", "fo", "ge", "ka", "lu", "mi", "no")]


def line(number: int) -> str:
    """Five different words; the first ones of the list are frequent."""
    rng = random.Random(number)
    chosen: dict[str, None] = {}
    while len(chosen) < 5:
        chosen[WORDS[min(int(rng.expovariate(0.1)), len(WORDS) - 1)]] = None
    return " ".join([str(number), *chosen])


def main() -> None:
    path, rate = sys.argv[1], int(sys.argv[2])
    number = sum(1 for _ in open(path)) if os.path.exists(path) else 0
    first, begin = number, time.monotonic()
    while not os.path.exists(path + ".end") and time.monotonic() - begin < 300:
        while number - first < (time.monotonic() - begin) * rate:
            print(line(number))
            number += 1
        sys.stdout.flush()
        time.sleep(0.02)


main()
