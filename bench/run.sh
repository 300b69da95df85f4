#!/bin/sh
# make bench: everything that is claimed about speed, measured in one run.  See bench/run.py.
#
#   BENCH_QUICK=1          three short rounds instead of five
#   BENCH_ONLY=folds       the folds in memory alone: no engine, half a minute
#   BENCH_ONLY=engines     two engines on one database against one, alone
#   BENCH_ONLY=tls         appends over TLS beside plain TCP, alone
#   BENCH_ONLY=keys        what keys cost, and a neighbour's flood, alone
#   BENCH_ONLY=rebuild     rebuilds alone: of 100,000 and 300,000 events
#   BENCH_ONLY=proofs      verify, prove, evidence and replay alone, on a log of BIG_EVENTS (default 5,000,000; 300,000 when quick)
#   BENCH_ONLY=big         both, up to BIG_EVENTS, which takes half an hour
#   BENCH_DATA=DIR         keep the engine's data there, and go on with it the next time
#   SNAPSHOT_MINUTES=10    how long the stranger's snapshot is held (default 1; 0.2 when quick)
set -eu
cd "$(dirname "$0")/.."
exec "${PYTHON:-/usr/bin/python3}" bench/run.py "${BUILD:-build}"
