"""
biglog - a log of millions of real events, made once and used by all that measure on it.

The generator's traffic, as imported history (so that nothing follows from it and the log stays as long as it is), goes
through an engine like anybody's: real leaves, roots and tiles.  Meanwhile somebody else holds the workers' leases; the read
models come afterwards by one rebuild, which is several times as fast as following.

With BENCH_DATA=DIR the engine's folder stays, and the next run that names it finds the log as it was left.
"""
import os
import subprocess
import time

TENANTS = 64
EVENTS_A_CONVERSATION = 25


def events_of(engine):
    return int(engine.sql("SELECT coalesce(sum(last), 0) FROM (SELECT max(last_position) AS last FROM verbatim.log_batch WHERE shard > 0 GROUP BY shard) h"))


def grow(engine, events, say):
    """Until the tenants' shards hold so many events, give or take one in a hundred, and the read models show them; how many there are then."""
    have = events_of(engine)
    if have > 0.99 * events:
        return have
    began = time.time()
    say(f"a log of {events:,} events, {have:,} of which are there")
    engine.projections(False)
    try:
        _append(engine, events - have, seed=1 + have)
        _done(engine, "rebuild", "--all", "--jobs", str(os.cpu_count()), "--readers-wait", "3s", "--data", engine.data, "--quiet")
        _done(engine, "rebuild", "--drop-old", "--data", engine.data, "--quiet")
    finally:
        engine.projections(True)
    engine.settle()
    engine.sql("VACUUM ANALYZE")
    engine.sql("CHECKPOINT")
    say(f"  made in {time.time() - began:.0f} s")
    return events_of(engine)


def conversation_of(engine, events):
    """(tenant, conversation) of one that has as many events as that, or the next fewer, in the first shard that has any."""
    row = engine.sql("SELECT tenant_id, conversation_id FROM verbatim.event_log WHERE shard = (SELECT min(shard) FROM verbatim.log_batch WHERE shard > 0)"
                     f" AND conversation_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) <= {int(events)} ORDER BY count(*) DESC, 2 LIMIT 1")
    return row.split("|")


def _append(engine, events, seed):
    made = subprocess.Popen([engine.binary, "generate", "--silent", "--quiet", "--seed", str(seed), "--tenants", str(TENANTS), "--duplicates", "0",
                             "--conversations", str(max(1, int(events / EVENTS_A_CONVERSATION)))], stdout=subprocess.PIPE)
    sent = subprocess.run([engine.binary, "append", "-", "--to", engine.to, "--batch", "2000", "--quiet"], stdin=made.stdout, capture_output=True, text=True,
                          check=False)
    made.stdout.close()
    if made.wait() or sent.returncode:
        raise SystemExit(f"bench: the log cannot be made: {sent.stderr.strip()[-500:]}")


def _done(engine, *words):
    done = subprocess.run([engine.binary, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(words)}: {done.stderr.strip()}")
