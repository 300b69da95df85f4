#!/usr/bin/python3
"""chaos - faults at random on real engines, a real PostgreSQL, real sockets and disks; the clients' history is the oracle.

    chaos.py [--minutes N] [--seed N] [--only FAULT]

Time is spent in rounds of a few minutes, each with a seed and a log of its own.  A seed gives the faults, their order
and how long they last; what they hit is up to the machine.  After each fault clients must be answered again by
themselves; at the end of a round arena.py gives its verdict.  A failing round prints the line that repeats it.
"""
import argparse
import collections
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire import alone

parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float, default=2)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--only", action="append", default=[], help="no other fault than this (may be repeated)")
options = parser.parse_args()
has_network = alone()

import faults
from arena import *

ROUND = 4  # minutes at most: the verdict looks at each event
tally = collections.Counter()
acked = 0


def run(arena, random, fault):
    time.sleep(random.uniform(0, 1.5))
    begun = time.monotonic()
    try:
        fault(arena, random)
    except Exception as error:  # a fault that cannot be made is a mistake of the test
        arena.failed("%s: %s: %s" % (fault.__name__, type(error).__name__, error))
    tally[fault.__name__] += 1
    note("  %-18s %5.1f s" % (fault.__name__, time.monotonic() - begun))


def round_of(seed, minutes):
    """Faults for so long; then the verdict."""
    global acked
    note("seed %d for %.1f minutes" % (seed, minutes))
    random_ = random.Random(seed)
    arena = Arena(seed, has_network)
    for missing in {"disks", "network"} - arena.has:
        note("%s of its own cannot be had here: those faults are left out" % missing)
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end and not arena.wrong:
        chosen = faults.choose(random_, arena.has)
        if options.only:
            chosen = [f for f, _, _, _ in faults.FAULTS if f.__name__ in options.only]
        threads = [threading.Thread(target=run, args=(arena, random.Random(random_.getrandbits(64)), f)) for f in chosen]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        arena.goes_on()
    arena.verdict()
    acked += arena.load.count() + sum(len(c.taken) for c in arena.claims)
    end_engines()
    arena.server.down("immediate", check=False)


begun = time.monotonic()
rounds = 0
while rounds == 0 or time.monotonic() - begun < options.minutes * 60 - 30:
    before = failures()
    left = options.minutes - (time.monotonic() - begun) / 60
    minutes = min(ROUND, max(left, 0.5))
    round_of(options.seed + rounds, minutes)
    if failures() > before:
        note("repeat it: make chaos MINUTES=%g SEED=%d" % (minutes, options.seed + rounds))
        break
    rounds += 1
note("%d faults: %s" % (sum(tally.values()), ", ".join("%s %d" % (name, n) for name, n in sorted(tally.items()))))
note("%d events acked meanwhile" % acked)
done()
