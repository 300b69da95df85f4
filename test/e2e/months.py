#!/usr/bin/python3
"""months - a month's boundary under load, on shifted clocks: gapless positions, duplicates known, readers go over it.

Twice: once into a leaf that was made ahead, once into one that somebody dropped.  Then clocks that do not agree.
"""
import calendar
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *


def boundary(months):
    """The start of the month so many months from now, in seconds."""
    now = time.gmtime()
    n = now.tm_year * 12 + now.tm_mon - 1 + months
    return calendar.timegm((n // 12, n % 12 + 1, 1, 0, 0, 0))


def leaf(months):
    return time.strftime("event_log_y%Ym%m", time.gmtime(boundary(months)))


def leaves():
    return sorted(r[0] for r in engine.sql("select inhrelid::regclass::text from pg_inherits where inhparent = 'verbatim.event_log'::regclass"))


def set_clock(seconds):
    engine.sql("create or replace function verbatim.log_now() returns timestamptz language sql volatile parallel safe"
               " as 'select clock_timestamp() + interval ''%d s'''" % seconds)


def travel(at):
    """Stops the engine, sets both clocks to `at`, starts it again; the shift."""
    shift = int(at - time.time())
    set_clock(shift)
    same(engine.stop(), 0, "the engine stops")
    engine.env["VERBATIM_CLOCK_SHIFT"] = str(shift)
    engine.start()
    return shift


engine = Engine(binary=debug_binary(), args=["--checkpoint-every", "1s"])
first, second = boundary(1), boundary(2)

# ---- into a month whose leaf was made ahead ----

shift = travel(first - 12)
same([m for m in (leaf(0), leaf(1), leaf(2)) if "verbatim." + m not in leaves()], [], "this month's leaf and the two after it are there")
load = Load(engine.unix, clients=4, shift=shift)
load.more(200)
before = dict(load.acked)
ok(time.time() + shift < first, "there were events before the boundary")
tails = {}


def tail(shard):
    """A live reader over the boundary."""
    client = engine.client(timeout=60)
    at, seen = 1, []
    while not load.ending.is_set() or at <= head:
        answer = client.call("read", at, {"shard": shard}, 500, 200)
        seen += [e["position"] for e in answer["events"]]
        at, head = answer["next"], answer["head"]
    tails[shard] = seen


readers = [threading.Thread(target=tail, args=(s,)) for s in range(1, 5)]
for r in readers:
    r.start()
wait_until(lambda: time.time() + shift > first + 1, 60)
ok(load.more(300), "events go on over the boundary")
load.finish()
for r in readers:
    r.join(60)
for shard in sorted(tails):
    same(tails[shard], list(range(1, len(tails[shard]) + 1)), "a live reader of shard %d saw every position once, in order" % shard)
counts = {r[0]: (int(r[1]), r[2], r[3]) for r in
          engine.sql("select tableoid::regclass::text, count(*), min(recorded_at), max(recorded_at) from verbatim.event_log where shard > 0 group by 1")}
ok(counts.get("verbatim." + leaf(0), (0,))[0] > 0 and counts.get("verbatim." + leaf(1), (0,))[0] > 0, "both leaves have events: %s" % counts)
same(engine.sql("select m.shard from verbatim.log_month m join (select shard, date_trunc('month', recorded_at at time zone 'UTC')::date as month,"
                " min(position) as a, max(position) as z from verbatim.event_log group by 1, 2) e using (shard, month)"
                " where m.first_position <> e.a or (m.last_position is not null and m.last_position <> e.z)"), [], "log_month tells each leaf's positions")
same(engine.one("select count(*) from verbatim.log_month where shard > 0 and last_position is null and month <> '%s'"
                % time.strftime("%Y-%m-%d", time.gmtime(first))), "0", "only the new month is open")
same(engine.one("select partdefid from pg_partitioned_table where partrelid = 'verbatim.event_log'::regclass"), "0", "there is no default partition")
client = engine.client()
wrong = []
kinds = set()
for event_id, place in list(before.items())[:200]:
    answer = client.append([load.events[event_id]])
    kinds.add(uuid.UUID(event_id).version)
    if answer["duplicates"] != [[0, place[1]]]:
        wrong.append((event_id, place, answer))
same(wrong[:3], [], "what was stored before the boundary is a duplicate after it")
same(kinds, {4, 7}, "be its id of version 4 or 7")
changed = dict(load.events[next(iter(before))])
changed["payload"] = dict(changed["payload"], **({"content": "other words"} if "content" in changed["payload"] else {"subject": "other"}
                                                 if "subject" in changed["payload"] else {"profile": {"name": "Eve"}}))
try:
    client.append([changed])
    ok(False, "other content under an id of last month is a conflict")
except RpcError as error:
    same(error.code, "conflict", "other content under an id of last month is a conflict")
talk = next(e["conversation_id"] for e in (load.events[i] for i in before) if e.get("conversation_id"))
stood = [place[1] for i, place in load.acked.items() if load.events[i].get("conversation_id") == talk]
maker = Maker(tenant=next(load.events[i]["tenant_id"] for i in before if load.events[i].get("conversation_id") == talk), seed=99)
expected = maker.received(talk)
expected["occurred_at"] = rfc3339(time.time() + shift)
try:
    client.append([expected], expect=[{"scope": "conversation", "id": talk, "after": min(stood)}])
    ok(len(stood) == 1, "an expectation looks over the boundary")
    load.events[expected["event_id"]] = expected
except RpcError as error:
    same((error.code, error.position), ("stale", max(stood)), "an expectation looks over the boundary")
check(engine, load)

# ---- into a month whose leaf is missing ----

shift = travel(second - 12)
later = Load(engine.unix, clients=4, shift=shift, seed=2)
later.more(100)
for month in (2, 3, 4):
    engine.sql("drop table if exists verbatim." + leaf(month))
ok(time.time() + shift < second, "the leaves ahead are gone before the boundary comes")
wait_until(lambda: time.time() + shift > second + 1, 60)
ok(later.more(300), "the engine makes the missing leaf and goes on")
ok("verbatim." + leaf(2) in leaves(), "it is a leaf like the others")
later.finish()
same(dict(later.refusals), {}, "no client noticed")
travel(second + 7200)
client = engine.client()
old = [i for i in before if uuid.UUID(i).version == 7][:50]
same([i for i in old if client.append([load.events[i]])["duplicates"] != [[0, before[i][1]]]], [],
     "an id of version 7 tells its age: a duplicate two months on is known")
ok(wait_until(lambda: engine.one("select to_regclass('verbatim.%s_audit_recorded')" % leaf(0)), 60), "a month that is over gets its audit indexes")
check(engine, load, later)

# ---- clocks that do not agree ----

shift = int(engine.env["VERBATIM_CLOCK_SHIFT"])
set_clock(shift - 60)
third = Load(engine.unix, clients=2, shift=shift - 60, seed=3)
ok(wait_until(lambda: third.refusals["clock"] > 3, 30), "an engine a minute off answers 'clock', to be tried again")
same(third.count(), 0, "and takes nothing")
same(client.call("status")["ready"], False, "status says so")
same(set(third.refusals), {"clock"}, "and nothing else")
set_clock(shift)
ok(third.more(100), "when the clocks agree again the same requests are stored")
third.finish()

# ---- months that this machine's clock has not come to ----

shard, place, event_id, tenant, talk = engine.sql(
    "select shard, position, event_id, tenant_id, conversation_id from verbatim.event_log where shard > 0 and conversation_id is not null"
    " and recorded_at > now() + interval '2 days' order by shard, position desc limit 1")[0]
ok(wait_until(lambda: int(engine.one("select coalesce(max(size), 0) from verbatim.log_checkpoint where shard = %s" % shard)) >= int(place), 60),
   "a checkpoint reaches the last event of shard %s" % shard)
of_talk = int(engine.one("select count(*) from verbatim.event_log where tenant_id = '%s' and conversation_id = '%s'" % (tenant, talk)))
bundle = os.path.join(engine.data, "case.tar")
for words, told in ((["prove", "--event", event_id], "tlog-proof"), (["evidence", "--conversation", talk, "--out", bundle], ": %d events, " % of_talk),
                    (["replay", "--conversation", talk], "position %s" % place)):
    result = subprocess.run([BINARY, *words, "--tenant", tenant, "--data", engine.data], capture_output=True, text=True, check=False)
    same((result.returncode, told in result.stdout), (0, True), "%s finds what was recorded a month from now: %s" % (words[0], result.stderr.strip()))
same(engine.stop(), 0, "the engine stops")
engine.start(env={"VERBATIM_CLOCK_SHIFT": str(shift - 60)})
try:
    engine.client().append([Maker(seed=8).customer(occurred_at=rfc3339(time.time()))])
    ok(False, "a head in the future of the engine's clock is refused")
except RpcError as error:
    same((error.code, error.kind), ("clock", "retry"), "a head in the future of the engine's clock is refused")
same(engine.stop(), 0, "the engine stops")
engine.start()
check(engine, load, later, third, fold=False)
same(engine.stop(), 0, "an orderly end")
done()
