#!/usr/bin/python3
"""soak - mixed load at half of what the machine can, for a long time, with everything in it that people do beside it.

    soak.py [--minutes N] [--seed N] [--rate EVENTS_PER_SECOND]

Two engines. The first runs from beginning to end: what it holds of memory and descriptors is looked at. The second is
stopped and started again, in order and by kill. All the while bench/load appends at a steady rate to the first, clients
with a history (lib/history.py) to both; turn by turn read models are rebuilt, conversations replayed, the log verified,
read models checked, keys made, changed and revoked. Each turn begins with a minute's rest from all that, and it is there that engines are compared.

At the end: memory of the last third is that of the second within 5 %, descriptors are as many, the read models are not
further behind than a bound, no statement of the engine's has begun to go through a large table row by row, and
everything that chaos asks of clients' history and log (arena.py's verdict, in short).
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from lib.history import *
from lib.rebuilds import command, holds

parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float, default=60)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--rate", type=int, default=0, help="of bench/load; 0: half of what it reaches in ten seconds")
options = parser.parse_args()

LOAD = os.path.join(ROOT, BUILD, "bench", "load")
LAG_MOST_S = 15       # as pace.h promises of read models beside appends
LARGE = 20000         # rows from which on a table is not gone through
GROWTH = 1.05
WARM = 10             # minutes; in less, caches are still filling, and memory is only shown


def load_for(seconds, rate, *words):
    return subprocess.Popen([LOAD, "--to", "unix:" + steady.unix, "--connections", "16", "--batch", "10", "--outstanding", "2", "--seconds",
                             str(int(seconds)), *(["--rate", str(rate)] if rate else []), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process):
    out, err = process.communicate()
    return json.loads(out.splitlines()[-1]) if out.strip() else {"errors": -1, "events_per_second": 0, "text": err}


def descriptors(engine):
    return len(os.listdir("/proc/%d/fd" % engine.process.pid))


def behind():
    """Seconds by which the read models are behind the log, at most."""
    return float(steady.one(
        "select coalesce(max(extract(epoch from verbatim.log_now() - e.recorded_at)), 0) from (select b.shard, max(b.last_position) p"
        " from verbatim.projection_batch b join verbatim.generation g on g.group_name = b.group_name and g.generation = b.generation and g.active"
        " group by 1) c join lateral (select recorded_at from verbatim.log_batch l where l.shard = c.shard and l.first_position > c.p"
        " order by first_position limit 1) e on true"))


def gone_through():
    """Large tables, and how often they were read from end to end."""
    return {r[0]: int(r[1]) for r in steady.sql(
        "select schemaname || '.' || relname, seq_scan from pg_stat_user_tables where n_live_tup > %d and schemaname in ('verbatim', 'generations')" % LARGE)}


def sample():
    return {"at": time.monotonic(), "memory": steady.resident(), "descriptors": descriptors(steady), "behind": behind()}


def rest(seconds):
    """Load alone; what is sampled then can be compared."""
    before, samples = gone_through(), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(5, seconds / 3))
        samples.append(sample())
    after = gone_through()
    return samples, {t: n - before[t] for t, n in after.items() if t in before and n > before[t]}


def restart_in_order():
    same(second.stop(90), 0, "the second engine ends in good order")
    second.start()


def restart_by_kill():
    second.kill()
    second.start()


def rebuild():
    result = command(steady, "rebuild", "core.messages" if turn % 2 else "--all")
    ok(result.status == 0, "rebuild beside the load: %r" % result)
    command(steady, "rebuild", "--drop-old")


def replay():
    talk = steady.one("select conversation_id from verbatim.event_log where shard = 1 and conversation_id is not null order by position desc limit 1")
    result = steady.run("replay", "--data", steady.data, "--conversation", talk, "--reason", "soak")
    ok(result.returncode == 0, "replay of a conversation: %s" % result.stderr[-200:])


def verify():
    result = steady.run("verify", "--data", steady.data, "--quiet")
    ok(result.returncode == 0, "verify beside the load: %s" % result.stderr[-200:])


def check_rows():
    holds(steady, "check beside the load")


def keys():
    """A tenant's key is made, used, rotated and revoked, on both engines; each change is in the journal."""
    maker = Maker(seed=options.seed * 1000 + turn)

    def key(*words):
        result = steady.run("key", *words, "--data", steady.data)
        ok(result.returncode == 0, "key %s: %s" % (words[0], result.stderr[-200:]))
        return result.stdout.strip()

    def ended(client):
        try:
            client.append([maker.customer()])
            return False
        except (RpcError, ConnectionError, OSError):
            return True

    name = "soak-%d" % turn
    first = key("create", "--tenant", maker.tenant, "--scope", "append", "--name", name)
    old = [Client(e.unix, token=first) for e in (steady, second)]
    for client in old:
        client.append([maker.customer()])
    fresh = Client(steady.unix, token=key("rotate", name))
    fresh.append([maker.customer()])
    key("revoke", name, "--all")
    ok(wait_until(lambda: all(ended(c) for c in old + [fresh]), 30), "no connection outlives its key")
    for client in old + [fresh]:
        client.close()


TURNS = (restart_in_order, replay, rebuild, keys, restart_by_kill, verify, check_rows)

steady = Engine()
second = Engine(db=steady.conninfo())
rate = options.rate or int(outcome(load_for(10, 0))["events_per_second"] / 2)
note("%d events a second, for %g minutes" % (rate, options.minutes))
history = Load(steady.unix, second.unix, clients=2, tenants=2, seed=options.seed, pause=0.5, timeout=60)
begun = time.monotonic()
end = begun + options.minutes * 60
traffic = load_for(options.minutes * 60, rate)
samples, scans, turn = [], {}, 0
while time.monotonic() < end - 5:
    more, through = rest(min(60, options.minutes * 60 / 12))
    samples += more
    for table, n in through.items():
        scans[table] = scans.get(table, 0) + n
    if time.monotonic() < end - 30:
        name = TURNS[turn % len(TURNS)]
        began = time.monotonic()
        name()
        turn += 1
        s = samples[-1]
        note("%5.0f s  %-16s %4.0f s   %.1f MiB, %d descriptors, %.1f s behind" % (
            time.monotonic() - begun, name.__name__, time.monotonic() - began, s["memory"] / 2**20, s["descriptors"], s["behind"]))
sent = outcome(traffic)
note("%s events acked at %.0f a second; p50 %.1f ms, p99 %.1f ms" % (sent.get("events"), sent["events_per_second"],
                                                                    sent["latency_ms"]["p50"], sent["latency_ms"]["p99"]))
same(sent["errors"], 0, "no append of the load was refused for good")
history.finish(120)
third = len(samples) // 3
middle, last = samples[third:2 * third], samples[2 * third:]
memory = [statistics.median(s["memory"] for s in part) for part in (middle, last)]
ok(memory[1] <= memory[0] * GROWTH or options.minutes < WARM, "memory is flat: %.1f MiB in the second third, %.1f MiB in the last" % (memory[0] / 2**20, memory[1] / 2**20))
counts = [max(s["descriptors"] for s in part) for part in (middle, last)]
ok(counts[1] <= counts[0] + 2, "so are descriptors: %d and %d" % tuple(counts))
most = max(s["behind"] for s in samples)
ok(most <= LAG_MOST_S, "the read models were %.1f s behind at most" % most)
same(scans, {}, "no large table is gone through from end to end")
ok(steady.settle(300), "the read models come to the head of the log")
tenants = ", ".join("'%s'" % t.tenant for w in history.writers for t in w.tellers)
log = {r[0]: (int(r[1]), int(r[2])) for r in steady.sql("select event_id, shard, position from verbatim.event_log where tenant_id in (%s)" % tenants)}
lost = [i for i, place in history.acked.items() if log.get(i) != place]
same(lost[:5], [], "every acked event of the history stands at its position, once (%d)" % history.count())
same(history.wrong[:5], [], "no answer contradicted another")
holds(steady, "verbatim check: every row of every read model equals a fresh fold of the log")
same(steady.run("verify", "--data", steady.data, "--quiet").returncode, 0, "verbatim verify: leaves, roots and tiles hold")
same([second.stop(90), steady.stop(90)], [0, 0], "both engines end in good order")
done()
