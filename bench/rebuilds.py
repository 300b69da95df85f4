"""
rebuilds - how fast read models are folded anew, beside what reading the log costs alone.

The limit is readlog: the same events by COPY, in order, over as many connections as the rebuild has jobs, thrown away.
The peers are one SQL statement that groups the log into what it can know of conversations without a state machine, and a
client that goes through the log row by row and writes each conversation as it changes.  Twice the log grows, so the figures
of the largest stand at the end.
"""
import json
import os
import statistics
import subprocess
import time

ROW_BY_ROW = 3000

GROUP_BY = """
CREATE TABLE bench_conversations AS
SELECT tenant_id, conversation_id AS id, count(*) FILTER (WHERE event_type IN ('message.received', 'message.sent')) AS message_count,
       max(occurred_at) FILTER (WHERE event_type IN ('message.received', 'message.sent')) AS last_message_at,
       min(occurred_at) AS created_at, max(occurred_at) AS updated_at, max(position) AS last_position,
       min(payload ->> 'subject') FILTER (WHERE event_type = 'conversation.created') AS subject,
       min(payload ->> 'initial_channel') FILTER (WHERE event_type = 'conversation.created') AS initial_channel
FROM verbatim.event_log WHERE conversation_id IS NOT NULL GROUP BY 1, 2;
ALTER TABLE bench_conversations ADD PRIMARY KEY (id, tenant_id);
"""


def rebuild(engine, *words):
    """The command's own summary, with its rate from beginning to end."""
    began = time.time()
    done = subprocess.run([engine.binary, "rebuild", *words, "--data", engine.data, "--json", "--quiet"], capture_output=True, text=True, check=False)
    took = time.time() - began
    if done.returncode:
        raise SystemExit(f"bench: rebuild {' '.join(words)}: {done.stderr.strip()}")
    row = json.loads(done.stdout.splitlines()[-1])
    row["seconds"] = took
    row["events_per_second"] = row["events"] / took
    drop = subprocess.run([engine.binary, "rebuild", "--drop-old", "--data", engine.data, "--quiet"], capture_output=True, text=True, check=False)
    if drop.returncode:
        raise SystemExit(f"bench: rebuild --drop-old: {drop.stderr.strip()}")
    return {key: value for key, value in row.items() if key not in ("read_models", "shards")}


def group_by(engine, events):
    engine.sql("DROP TABLE IF EXISTS bench_conversations")
    began = time.time()
    engine.sql(GROUP_BY)
    took = time.time() - began
    engine.sql("DROP TABLE bench_conversations")
    return {"seconds": took, "events_per_second": events / took}


def row_by_row(engine):
    """What most people write first: read an event, write its row, next event; here by psql, which waits for each answer."""
    engine.sql("DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows (tenant_id uuid, id uuid, message_count int, last_message_at timestamptz,"
               " PRIMARY KEY (id, tenant_id))")
    rows = engine.sql("SELECT tenant_id, conversation_id, occurred_at FROM verbatim.event_log WHERE shard = 1 AND conversation_id IS NOT NULL"
                      f" ORDER BY position LIMIT {ROW_BY_ROW}").splitlines()
    client = subprocess.Popen([engine.binary, "psql", "--data", engine.data, "--", "-XqAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    began = time.time()
    for row in rows:
        tenant, conversation, at = row.split("|")
        client.stdin.write(f"INSERT INTO bench_rows AS b VALUES ('{tenant}', '{conversation}', 1, '{at}') ON CONFLICT (id, tenant_id) DO UPDATE"
                           " SET message_count = b.message_count + 1, last_message_at = greatest(b.last_message_at, excluded.last_message_at);\n"
                           "\\echo done\n")
        client.stdin.flush()
        client.stdout.readline()
    took = time.time() - began
    client.stdin.close()
    client.wait()
    engine.sql("DROP TABLE bench_rows")
    return {"seconds": took, "events_per_second": len(rows) / took}


def grow(engine, events, tool):
    """By the load program, until the log has so many."""
    while (have := int(engine.sql("SELECT sum(last_position) FROM (SELECT max(last_position) AS last_position FROM verbatim.log_batch GROUP BY shard) h"))) < events:
        tool("load", "--to", engine.to, "--connections", 4, "--batch", 500, "--seconds", max(1, min(30, (events - have) // 40000 + 1)))
        engine.settle()
    engine.sql("VACUUM ANALYZE")
    return have


def measure(engine, table, tool, keep, say, rounds, sizes):
    cores = os.cpu_count()
    for size in sizes:
        say(f"rebuilds of {size:,} events")
        events = grow(engine, size, tool)
        reads, alone, everything, statements = [], [], [], []
        for _ in range(rounds):
            reads.append(keep("readlog", tool("readlog", "--db", engine.db, "--connections", cores)))
            alone.append(keep("rebuild conversations", rebuild(engine, "conversations", "--jobs", str(cores))))
            statements.append(keep("one SQL statement", group_by(engine, events)))
            everything.append(keep("rebuild all", rebuild(engine, "--all", "--jobs", str(cores))))
        row(table, f"rebuild of conversations alone, {events:,} events", alone, reads, "a raw read", 0.5)
        row(table, "  against one SQL statement that groups them", alone, statements, "", 1.8)
        row(table, f"rebuild of all read models, {events:,} events", everything, reads, "a raw read", 0.2)
        for name, rows in (("conversations alone", alone), ("all", everything)):
            whole = statistics.median(r["reading_us"] + r["folding_us"] + r["writing_us"] for r in rows)
            for part in ("reading", "folding", "writing"):
                table.add(f"  {name}: {part}", [100 * r[part + "_us"] / whole for r in rows], "%", "of the jobs' time", None, "", None)
        table.add("  readers held by its switch", [r["switch_us"] / 1000 for r in everything], "ms", "all views", None, "<= 100 ms",
                  statistics.median(r["switch_us"] for r in everything) <= 100000)
    slow = [keep("row by row", row_by_row(engine))]
    row(table, "rebuild of conversations against a client that goes row by row", alone, slow, "", None)
    beside(engine, table, tool, keep, say, rounds)


def row(table, figure, rows, peers, of, need):
    ratios = [r["events_per_second"] / p["events_per_second"] for r, p in zip(rows, peers)]
    table.add(figure, [r["events_per_second"] for r in rows], "/s",
              f"{statistics.median(p['events_per_second'] for p in peers):,.0f} /s {of}".strip(), ratios, f">= {need}" if need else "",
              statistics.median(ratios) >= need if need else None)


def beside(engine, table, tool, keep, say, rounds):
    """Appends and live projection go on while half the cores rebuild everything."""
    say("appends beside a rebuild")
    jobs = str(max(1, os.cpu_count() // 2))
    load = ("load", "--to", engine.to, "--connections", 1, "--batch", 100, "--seconds", 5)
    without, during = [], []
    for _ in range(rounds):
        engine.settle()
        without.append(keep("appends without a rebuild", tool(*load)))
        engine.settle()
        other = subprocess.Popen([engine.binary, "rebuild", "--all", "--no-switch", "--from-scratch", "--jobs", jobs, "--data", engine.data, "--quiet"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        during.append(keep("appends beside a rebuild", tool(*load)))
        other.terminate()
        other.wait()
    row(table, f"appends while {jobs} job{'s' if jobs != '1' else ''} rebuild everything", during, without, "without", 0.5)
