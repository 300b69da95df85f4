"""
proofs - what an auditor waits for: the whole log verified or written out, one event proved, one conversation shown.

Verify and the stream are measured beside readlog: the same rows by COPY, in order, over as many connections, thrown away.
The others are whole processes from exec to exit, on a server that is warm and a log that is large; each of them journals its
use, connects twice for that, and says nothing before it is committed.  Beside them stands psql with SELECT 1: what a process
and a connection cost that ask for nothing.
"""
import json
import os
import statistics
import subprocess
import time

import biglog
from rebuilds import add

CONVERSATION = 50   # events
REPEATS = 3         # of the short ones, a round
SIGNED_WITHIN = 180 # seconds until checkpoints reach the end of a log that nobody adds to


def run(engine, *words):
    """Seconds from exec to exit, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run([engine.binary, *words, "--data", engine.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(words)}: {done.stderr.strip()}")
    return took, done.stdout


def verify(engine, jobs):
    took, out = run(engine, "verify", "--jobs", str(jobs), "--json", "--quiet")
    row = json.loads(out.splitlines()[-1])
    return {"events": row["events"], "seconds": took, "events_per_second": row["events"] / took, "findings": row["findings"]}


def stream(engine, *words):
    """The log, or a tenant's part of it, as NDJSON in a file; every event that is read counts, for each is checked."""
    file = os.path.join(engine.data, "bench-replay.ndjson")
    took, _ = run(engine, "replay", *words, "--output", file)
    with open(file, "rb") as f:
        f.seek(-2000, os.SEEK_END)
        end = json.loads(f.read().splitlines()[-1])
    size = os.path.getsize(file)
    os.remove(file)
    return {"events": end["read"], "shown": end["events"], "bytes": size, "seconds": took, "events_per_second": end["read"] / took}


def wait_for_checkpoints(engine, say):
    """Proofs lead to a checkpoint: the newest must reach the end of each shard."""
    began = time.time()
    while int(engine.sql("SELECT count(*) FROM (SELECT shard, max(last_position) AS last FROM verbatim.log_batch WHERE shard > 0 GROUP BY 1) h"
                         " WHERE NOT EXISTS (SELECT FROM verbatim.log_checkpoint c WHERE c.shard = h.shard AND c.size >= h.last)")):
        if time.time() - began > SIGNED_WITHIN:
            raise SystemExit("bench: the engine signs no checkpoint of the log's end")
        time.sleep(1)
    say(f"  signed to its end after {time.time() - began:.0f} s")


def busiest_tenant(engine):
    """(tenant, its shard) of the one with most conversations; the log itself is not read for that."""
    tenant = engine.sql("SELECT tenant_id FROM core.conversations GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    return tenant, int(engine.sql(f"SELECT shard FROM verbatim.event_log WHERE tenant_id = '{tenant}' LIMIT 1"))


def measure(engine, table, tool, keep, say, rounds):
    events = biglog.events_of(engine)
    say(f"proofs and replays in a log of {events:,} events")
    wait_for_checkpoints(engine, say)
    bulk(engine, table, tool, keep, rounds, events)
    single(engine, table, keep, rounds, events)


def bulk(engine, table, tool, keep, rounds, events):
    cores = os.cpu_count()
    tenant, shard = busiest_tenant(engine)
    reads, verified, alone, whole, part_reads, part = [], [], [], [], [], []
    for _ in range(rounds):
        reads.append(keep("readlog", tool("readlog", "--db", engine.db, "--connections", cores)))
        verified.append(keep("verify", verify(engine, cores)))
        alone.append(keep("readlog, one connection", tool("readlog", "--db", engine.db, "--connections", 1)))
        whole.append(keep("replay of the log", stream(engine)))
        part_reads.append(keep("readlog, a shard", tool("readlog", "--db", engine.db, "--connections", 1, "--shard", shard)))
        part.append(keep("replay of a tenant", stream(engine, "--tenant", tenant)))
    add(table, f"verify, {events:,} events", verified, reads, f"a raw read, {cores} connections", 0.5)
    add(table, "replay of all tenants to NDJSON in a file, each event checked", whole, alone, "a raw read, 1 connection", 0.7)
    add(table, f"replay --tenant, {part[0]['shown']:,} of its shard's {part[0]['events']:,} events", part, part_reads, "a raw read of the shard", 0.7)


def single(engine, table, keep, rounds, events):
    tenant, conversation = biglog.conversation_of(engine, CONVERSATION)
    count, event = engine.sql(f"SELECT count(*), (array_agg(event_id ORDER BY position))[count(*) / 2] FROM verbatim.event_log"
                              f" WHERE tenant_id = '{tenant}' AND conversation_id = '{conversation}'").split("|")
    bundle = os.path.join(engine.data, "bench-case.tar")
    whose = ("--conversation", conversation, "--tenant", tenant)
    asked = (
        ("prove --event", 50, ("prove", "--event", event, "--tenant", tenant)),
        (f"evidence of {count} events", 50, ("evidence", *whose, "--out", bundle, "--force")),
        (f"replay --conversation, {count} events", 20, ("replay", *whose)),
        (f"  its rows --at a position, {count} events", None, ("replay", *whose, "--at", engine.sql(
            f"SELECT max(position) FROM verbatim.event_log WHERE tenant_id = '{tenant}' AND conversation_id = '{conversation}'"))),
    )
    times = {name: [] for name, _, _ in asked}
    floor = []
    psql = os.path.join(os.path.dirname(os.readlink(f"/proc/{engine.postmaster}/exe")), "psql")  # the one in PATH may be a script that looks for it
    for _ in range(max(1, rounds) * REPEATS):
        began = time.perf_counter()
        subprocess.run([psql, "-XAtqc", "SELECT 1", engine.db], stdout=subprocess.DEVNULL, check=True)
        floor.append(1000 * (time.perf_counter() - began))
        for name, _, words in asked:
            times[name].append(1000 * run(engine, *words)[0])
    os.remove(bundle)
    for name, most, _ in asked:
        keep(name.strip(), {"ms": times[name], "psql_ms": floor, "log": events})
        table.add(f"{name}, whole process", times[name], "ms", f"{statistics.median(floor):.1f} ms, psql with SELECT 1",
                  [ours / psql for ours, psql in zip(times[name], floor)], f"<= {most} ms" if most else "",
                  statistics.median(times[name]) <= most if most else None)
