"""
keys - what keys cost, and whether one tenant's flood is felt by another.

Keys on and off: the same load over the same Unix socket, by the engine's own user without a key, and with a key that has
limits (which it never reaches), so that each request is looked up and counted.

The neighbour: a tenant sends single events at a steady pace, alone, and then beside another tenant's flood of large
requests over many connections, which does not care for what it is told; without limits, and with one for the flooding tenant.
"""
import os
import statistics
import subprocess

import rebuilds

STEADY = ("--connections", 2, "--tenants", 1, "--batch", 1, "--rate", 200)
FLOOD = ("--connections", 16, "--tenants", 1, "--batch", 100, "--outstanding", 16)
LIMIT = "events=2000/s"


def make_key(engine, name, *options):
    made = subprocess.run([engine.binary, "key", "create", "--data", engine.data, "--name", name, *options], capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"bench: key create: {made.stderr.strip()}")
    return made.stdout.strip()


def with_key(key, run, *arguments):
    before = os.environ["VERBATIM_API_KEY"]
    os.environ["VERBATIM_API_KEY"] = key
    try:
        return run(*arguments)
    finally:
        os.environ["VERBATIM_API_KEY"] = before


def measure(engine, table, tool, keep, say, rounds, seconds):
    say("keys")
    bounded = make_key(engine, "bench", "--scope", "append,read", "--all-tenants", "--limit", "events=10000000/s,bytes=10G/s,connections=100000,inflight=1G")
    for name, load in (("requests of 100", ("--connections", 1, "--batch", 100)), ("one event a request", ("--connections", 64, "--batch", 1))):
        off, on = [], []
        for _ in range(rounds):
            engine.settle()
            off.append(keep("keys off", with_key("", tool, "load", "--to", engine.to, *load, "--seconds", seconds)))
            engine.settle()
            on.append(keep("keys on", with_key(bounded, tool, "load", "--to", engine.to, *load, "--seconds", seconds)))
        rebuilds.add(table, f"append with a key and its limits, {name}", on, off, "without", 0.95)
    neighbour(engine, table, tool, keep, say, rounds, seconds)


def neighbour(engine, table, tool, keep, say, rounds, seconds):
    say("a neighbour's flood")
    steady = ("load", "--to", engine.to, *STEADY, "--seconds", seconds)
    limited = make_key(engine, "flood", "--scope", "append", "--all-tenants", "--limit", LIMIT)
    for name, key, need in (("without limits", "", None), (f"of a key with {LIMIT}", limited, 2.0)):
        alone, beside = [], []
        for _ in range(rounds):
            engine.settle()
            alone.append(keep("neighbour alone", tool(*steady)))
            command = [os.path.join(os.path.dirname(engine.binary), "bench", "load"), "--to", engine.to, *map(str, FLOOD), "--seconds", str(seconds + 2)]
            flood = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, VERBATIM_API_KEY=key))
            beside.append(keep("neighbour beside a flood " + name, tool(*steady)))
            flood.wait()
        for part in ("p50", "p99"):
            values = [row["latency_ms"][part] for row in beside]
            ratios = [b["latency_ms"][part] / a["latency_ms"][part] for b, a in zip(beside, alone)]
            table.add(f"acknowledgement beside a flood {name}, {part}", values, "ms",
                      f"{statistics.median(row['latency_ms'][part] for row in alone):.1f} ms alone", ratios, f"<= {need}" if need else "",
                      statistics.median(ratios) <= need if need else None)
