"""
rebuilds - how fast read models are folded anew, beside what reading the log costs alone.

The limit is readlog: the same events by COPY, in order, over as many connections as the rebuild has jobs, thrown away.
The peers are one SQL statement that groups the log into what it can know of conversations without a state machine, and a
client of Node.js that goes through the log row by row and writes each conversation as it changes.

CPU is of client and PostgreSQL together, per event: on a machine that others use as well its ratio tells more than that of
the seconds.  A backend's time goes to the postmaster when it ends, which is where it is counted.
"""
import json
import os
import resource
import shutil
import statistics
import subprocess
import time

import biglog

ROW_BY_ROW = 3000
MEMORY = "2G"
HERE = os.path.dirname(os.path.abspath(__file__))
TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")

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


def _postgres_us(engine):
    """All that the server has spent: the postmaster, its children, and those of them that have ended."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    fields = [int(x) for x in f.read().rpartition(")")[2].split()[1:15]]
            except (OSError, ValueError):
                continue
            if int(name) == engine.postmaster:
                total += sum(fields[10:14])
            elif fields[0] == engine.postmaster:
                total += sum(fields[10:12])
    return total * TICK_US


def _timed(engine, events, what):
    """(its answer, seconds and CPU an event)."""
    own, server, began = resource.getrusage(resource.RUSAGE_CHILDREN), _postgres_us(engine), time.time()
    answer = what()
    took, server, after = time.time() - began, _postgres_us(engine) - server, resource.getrusage(resource.RUSAGE_CHILDREN)
    client = (after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime) * 1e6
    return answer, {"seconds": took, "events_per_second": events / took, "client_cpu_us_per_event": client / events,
                    "postgres_cpu_us_per_event": server / events}


def _command(engine, *words):
    done = subprocess.run([engine.binary, *words, "--data", engine.data, "--quiet"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def readlog(engine, events, tool, cores):
    answer, row = _timed(engine, events, lambda: tool("readlog", "--db", engine.db, "--connections", cores))
    return {**row, "seconds": answer["seconds"], "events_per_second": answer["events_per_second"]}


def rebuild(engine, events, *words):
    """The command's own summary, with its rate from beginning to end."""
    out, row = _timed(engine, events, lambda: _command(engine, "rebuild", *words, "--memory", MEMORY, "--readers-wait", "3s", "--json"))
    _command(engine, "rebuild", "--drop-old")
    return {**{key: value for key, value in json.loads(out.splitlines()[-1]).items() if key not in ("read_models", "shards")}, **row}


def group_by(engine, events):
    engine.sql("DROP TABLE IF EXISTS bench_conversations")
    row = _timed(engine, events, lambda: engine.sql(GROUP_BY))[1]
    engine.sql("DROP TABLE bench_conversations")
    return row


def row_by_row(engine):
    """What most people write first: read an event, write its row, wait, next event (rowbyrow.js)."""
    engine.sql("DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows (tenant_id uuid, id uuid, message_count int, last_message_at timestamptz,"
               " PRIMARY KEY (id, tenant_id))")
    done = subprocess.run(["node", os.path.join(HERE, "rowbyrow.js"), engine.db, str(ROW_BY_ROW)], capture_output=True, text=True, check=False)
    engine.sql("DROP TABLE bench_rows")
    if done.returncode:
        raise SystemExit(f"bench: rowbyrow.js: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(engine, table, tool, keep, say, rounds, sizes):
    cores = os.cpu_count()
    for size in sizes:
        events = biglog.grow(engine, size, say)
        say(f"rebuilds of {events:,} events")
        reads, alone, everything, statements = [], [], [], []
        for _ in range(rounds if size < 1000000 else min(rounds, 3)):
            reads.append(keep("readlog", readlog(engine, events, tool, cores)))
            alone.append(keep("rebuild conversations", rebuild(engine, events, "conversations", "--jobs", str(cores))))
            statements.append(keep("one SQL statement", group_by(engine, events)))
            everything.append(keep("rebuild all", rebuild(engine, events, "--all", "--jobs", str(cores))))
        add(table, f"rebuild of conversations alone, {events:,} events", alone, reads, "a raw read", 0.5)
        add(table, "  against one SQL statement that groups them", alone, statements, "", 1.8)
        add(table, f"rebuild of all read models, {events:,} events", everything, reads, "a raw read", 0.2)
        for name, rows in (("conversations alone", alone), ("all", everything)):
            shares(table, name, rows)
            add_cpu(table, name, rows, reads)
        held = [r["switch_us"] / 1000 for r in everything]
        table.add("  readers held by its switch", held, "ms", "all views", None, "<= 100 ms", max(held) <= 100)
    if shutil.which("node"):
        slow = [keep("row by row", row_by_row(engine)) for _ in range(3)]
        add(table, "rebuild of conversations against a Node.js client that goes row by row", alone[-1:] * 3, slow, "", None)
    else:
        say("no node: no client that goes row by row")
    beside(engine, table, tool, keep, say, rounds)


def shares(table, name, rows):
    """Of the jobs' threads; the first rows and those of the index wait for PostgreSQL."""
    for part in ("reading", "parsing", "folding", "writing"):
        table.add(f"  {name}: {part}", [100 * r[part + "_us"] / sum(r[p + "_us"] for p in ("reading", "parsing", "folding", "writing")) for r in rows], "%",
                  "of the jobs' time", None, "", None)
    table.add(f"  {name}: indexes and statistics", [100 * r["index_us"] / 1e6 / r["seconds"] for r in rows], "%", "of the whole time", None, "", None)


def add_cpu(table, name, rows, reads):
    def cpu(row):
        return row["client_cpu_us_per_event"] + row["postgres_cpu_us_per_event"]
    table.add(f"  {name}: CPU", [cpu(r) for r in rows], "µs/event", f"{statistics.median(cpu(r) for r in reads):.1f} µs a raw read",
              [cpu(p) / cpu(r) for r, p in zip(rows, reads)], "", None,
              f"{statistics.median(r['client_cpu_us_per_event'] for r in rows):.1f} + {statistics.median(r['postgres_cpu_us_per_event'] for r in rows):.1f}")


def add(table, figure, rows, peers, of, need):
    ratios = [r["events_per_second"] / p["events_per_second"] for r, p in zip(rows, peers)]
    table.add(figure, [r["events_per_second"] for r in rows], "/s",
              f"{statistics.median(p['events_per_second'] for p in peers):,.0f} /s {of}".strip(), ratios, f">= {need}" if need else "",
              statistics.median(ratios) >= need if need else None)


def beside(engine, table, tool, keep, say, rounds):
    """Appends and live projection go on while half the cores rebuild everything."""
    say("appends beside a rebuild")
    jobs = str(max(1, os.cpu_count() // 2))
    load = ("load", "--to", engine.to, "--connections", 1, "--batch", 100, "--seconds", 3)
    without, during = [], []
    for _ in range(rounds):
        engine.settle()
        without.append(keep("appends without a rebuild", tool(*load)))
        engine.settle()
        other = subprocess.Popen([engine.binary, "rebuild", "--all", "--no-switch", "--from-scratch", "--jobs", jobs, "--data", engine.data, "--quiet"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        during.append(keep("appends beside a rebuild", {**tool(*load), "rebuild_lasted": other.poll() is None}))
        other.terminate()
        other.wait()
    add(table, f"appends while {jobs} job{'s' if jobs != '1' else ''} rebuild everything", during, without, "without", 0.5)
    if not all(r["rebuild_lasted"] for r in during):
        say("  a rebuild ended before the appends did")
