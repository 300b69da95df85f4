#!/usr/bin/python3
"""replay - what `verbatim replay` shows is what the read models show, now and at any moment that was; whatever else goes on."""
import csv
import io
import os
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from replays import *

engine = Engine()
client = engine.client()
replayer = Replayer(engine)


def generate(conversations, seed):
    made = engine.run("generate", *LONG_AGO, "--conversations", str(conversations), "--seed", str(seed))
    sent = engine.run("append", "-", "--wait", "--to", engine.address, input=made.stdout)
    same(sent.returncode, 0, "a history of %d conversations is in" % conversations)
    engine.settle()


def shard_of(tenant):
    return int(engine.one("select shard from verbatim.event_log where tenant_id = '%s' limit 1" % tenant))


def compare(live, what, *args, positions=None):
    wrong = []
    for (tenant, conversation), rows in sorted(live.items()):
        at = ["--at", str(positions[shard_of(tenant)])] if positions else []
        wrong += ["%s: %s" % (conversation, d) for d in
                  differences(replayer.rows("--tenant", tenant, "--conversation", conversation, *at, *args), rows)]
    same(wrong[:5], [], "%s: all rows of %d conversations, column by column" % (what, len(live)))


# ---- a story of what leads from one conversation to another, and comes late ----

maker = Maker(11)


def story():
    """Merges, a split, another customer, a policy that is written anew, a resolution of two conversations."""
    m = maker
    policy = m.uuid()
    terms = {"name": "Gold", "tier": "standard", "first_response_time_minutes": 30, "resolution_time_minutes": 240, "business_hours_only": False}
    people = [m.customer(), m.customer()]
    agent = m.uuid()
    events = [m.event("tenant.created", m.tenant, {"name": "Story"}),
              m.event("user.created", agent, {"email": "bo@shop.example", "first_name": "Bo", "last_name": "Berg", "display_name": "Bo Berg",
                                              "role": "agent"}),
              m.event("sla_policy.created", policy, dict(terms)), m.event("sla_policy.activated", policy)] + people
    talks = [m.conversation(people[i % 2]["entity_id"]) for i in range(4)]
    ids = [t["entity_id"] for t in talks]
    said = [m.received(i, "I am number %d" % n) for n, i in enumerate(ids)]
    resolution = m.uuid()
    events += talks + said
    events += [
        m.event("conversation.assigned", ids[0], {"agent_id": agent, "assigned_by": "manual"}, actor_type="user", actor_id=agent),
        m.event("resolution.created", resolution, {"conversation_id": ids[0], "issue_type": "technical", "owning_team": "infra", "priority": "P1"}),
        m.event("conversation.resolution_linked", ids[3], {"resolution_id": resolution}),
        m.event("note.added", m.uuid(), {"content": "Both have the same trouble", "resolution_id": resolution}, actor_type="user", actor_id=agent),
        m.event("sla_policy.updated", policy, dict(terms, resolution_time_minutes=60)),
        m.event("sla_policy.reapply", policy, {"conversation_ids": ids}),
        m.event("conversation.merged_into", ids[1], {"into_id": ids[0]}),
        m.event("conversation.merged", ids[0], {"from_id": ids[1]}),
        m.received(ids[1], "I write to the old address"),
        m.event("conversation.split", ids[0], {"into_id": ids[2], "message_ids": [said[0]["entity_id"]]}),
        m.event("customer.merged", people[0]["entity_id"], {"from_id": people[1]["entity_id"], "moved": {"conversation_ids": [ids[3]]}}),
        m.event("customer.merged_into", people[1]["entity_id"], {"into_id": people[0]["entity_id"]}),
        m.event("conversation.customer_changed", ids[2], {"to": people[1]["entity_id"]}),
        m.event("customer.blocked", people[0]["entity_id"], {"reason": "spam"}, conversation_id=ids[0]),
        m.event("resolution.status_changed", resolution, {"previous_status": "investigating", "new_status": "fix_in_progress"}),
        m.event("conversation.resolved", ids[3], {"by": "agent"}, actor_type="user", actor_id=agent),
        m.received(ids[3], "It is back"),
    ]
    return events, ids, agent, people, resolution


events, ids, agent, people, resolution = story()
for e in events:
    try:
        client.append([e])
    except RpcError as refusal:
        ok(False, "the story's %s is taken: %s %s" % (e["event_type"], refusal, refusal.field))
generate(25, 5)
quiet(engine)
before, then = live_rows(engine), heads(engine)
compare(before, "the present")
request = maker.uuid()
late = maker.received(ids[2], "I have said this an hour ago", occurred_at=rfc3339(time.time() - 3600), correlation_id=request)
client.append([late, maker.sent(ids[2], agent, "We have it now."), maker.event("conversation.resolved", ids[0], {"by": "agent"})])
generate(25, 6)
story_shard = shard_of(maker.tenant)
compare(before, "a moment that was", positions=then)
quiet(engine)
sample = dict(sorted(live_rows(engine).items())[::3])
compare(sample, "the present again")

# ---- two times ----

moment = replayer.objects("--conversation", ids[2])
told = {o["event_id"]: o for o in moment if o["kind"] == "event"}
same(told[late["event_id"]]["late_seconds"] >= 3599, True, "an event that came late is marked")
for words, name in ((["--entity", late["entity_id"]], "a message"), (["--correlation", request], "a request")):
    shown = [o["event_id"] for o in replayer.objects("--tenant", maker.tenant, *words) if o["kind"] == "event"]
    same(shown, [late["event_id"]], "what %s led to is that event" % name)
changes = [c for o in replayer.objects("--tenant", maker.tenant, "--correlation", request) if o["kind"] == "event" for c in o["changes"]]
same([(c["from"], c["to"]) for c in changes if c["read_model"] == "core.conversations" and c["column"] == "message_count"], [(2, 3)],
     "with what it changed, from what")
past = rfc3339(time.time() - 1800)
happened = replayer.rows("--conversation", ids[2], "--as-happened", past)
same(["core.conversations" in happened, [r["code"] for r in happened["core.anomalies"].values()][:1]], [False, ["unknown_conversation"]],
     "as it had happened by then: a message that is said to be older than its conversation, and does not fit")
result = replayer.run("--conversation", ids[2], "--at", past)
same(result.returncode, 65, "as it was known: nothing had been recorded by then")
ok("nothing had been recorded" in result.stderr, "which is said: " + result.stderr.strip())

# ---- differences ----

changed = [o for o in replayer.objects("--conversation", ids[0], "--diff", "%d..%d" % (then[story_shard], heads(engine)[story_shard])) if o["kind"] == "difference"]
state = [o for o in changed if o["read_model"] == "core.conversations" and o["column"] == "state"]
same([(o["to"], [e["event_type"] for e in o["events"]]) for o in state], [("resolved", ["conversation.resolved"])],
     "a difference names the field and the event that did it")
words = replayer.run("--conversation", ids[0], "--diff", str(then[story_shard]), str(heads(engine)[story_shard])).stdout
ok("state: " in words and " -> resolved" in words and "by conversation.resolved" in words, "for people, too")
same([o for o in replayer.objects("--conversation", ids[0], "--diff", "%d..%d" % (then[story_shard], then[story_shard])) if o["kind"] == "difference"], [],
     "between a moment and itself nothing is different")

# ---- the same bytes, while the log grows ----

stop = threading.Event()


def go_on_talking():
    other, m = engine.client(), Maker(12, tenant=maker.tenant)
    while not stop.is_set():
        other.append([m.received(ids[0], "more and more %d" % m.random.randrange(10 ** 9)) for _ in range(5)])


talker = threading.Thread(target=go_on_talking)
talker.start()
for form in ("table", "json", "ndjson", "csv", "msgpack"):
    outputs = {subprocess.run([engine.binary, "replay", "--db", engine.conninfo(), "--conversation", ids[0], "--at", str(then[story_shard]), "--show", "both",
                               "--format", form], stdout=subprocess.PIPE).stdout for _ in range(3)}
    same(len(outputs), 1, "--format %s: the same position gives the same bytes while events come in" % form)
stop.set()
talker.join()
head = replayer.objects("--conversation", ids[0], "--at", str(then[story_shard]))[0]
same(int(head["position"]), then[story_shard], "the head names the position that was asked for")
leaves = [bytes.fromhex(r[0]) for r in engine.sql("select encode(leaf_hash, 'hex') from verbatim.event_log where shard = %d and position <= %d order by position"
                                                  % (story_shard, then[story_shard]))]
same(head["root"], merkle_root(leaves).hex(), "and the root over what stands up to it")
middle = then[story_shard] - 3
same(replayer.objects("--conversation", ids[0], "--at", str(middle))[0]["root"], merkle_root(leaves[:middle]).hex(), "amid a batch or a tile as well")

# ---- forms ----

rows = list(csv.DictReader(io.StringIO(replayer.run("--conversation", ids[0], "--format", "csv", "--at", str(then[story_shard]), "--show", "timeline").stdout)))
same([int(r["position"]) for r in rows], sorted(int(r["position"]) for r in rows), "csv is in order of position")
ok(any(r["words"] == "I am number 0" for r in rows), "with what was said")
packed = subprocess.run([engine.binary, "replay", "--db", engine.conninfo(), "--conversation", ids[0], "--format", "msgpack"], stdout=subprocess.PIPE).stdout
unpacked = list(msgpack.Unpacker(io.BytesIO(packed), raw=False))
same([unpacked[0]["kind"], unpacked[-1]["kind"]], ["replay", "end"], "msgpack is read by another's library")
table = replayer.run("--conversation", ids[3]).stdout
ok("-> resolved (conversation.resolved)" in table and "It is back" in table and "Bo Berg" in table and "sla: " in table,
   "a timeline tells who, what was said, what became of it, and the clocks")
steps = replayer.run("--conversation", ids[3], "--step").stdout
ok("message_count: 0 -> 1" in steps and "clock resolution 1: " in steps, "step by step shows every column and the clocks")
person = replayer.rows("--customer", people[0]["entity_id"])
same(sorted(person["core.conversations"]), sorted(c for (t, c), r in live_rows(engine).items() if t == maker.tenant and
     r["core.conversations"][c]["customer_id"] == people[0]["entity_id"]), "a customer's conversations are those that are the customer's now")
live_person = loads(engine.one("select row_to_json(c)::text from core.customers c where id = '%s'" % people[0]["entity_id"]))
shown = person["core.customers"][people[0]["entity_id"]]
same([k for k in live_person if value(live_person[k]) != shown.get(k)], [], "a customer's row is the live one")
live_agent = loads(engine.one("select row_to_json(u)::text from core.users u where id = '%s'" % agent))
shown = replayer.rows("--agent", agent)["core.users"][agent]
same([k for k in live_agent if value(live_agent[k]) != shown.get(k)], [], "an agent's row, too")
live_resolution = loads(engine.one("select row_to_json(u)::text from core.resolutions u where id = '%s'" % resolution))
shown = replayer.rows("--resolution", resolution)["core.resolutions"][resolution]
same([k for k in live_resolution if value(live_resolution[k]) != shown.get(k)], [], "a resolution's row, too")

# ---- the log itself ----

log = [loads(l) for l in replayer.run("--tenant", maker.tenant, "--type", "message.*").stdout.splitlines()]
want = [r[0] for r in engine.sql("select event_id from verbatim.event_log where tenant_id = '%s' and event_type like 'message.%%' order by position" % maker.tenant)]
same([e["event_id"] for e in log[1:-1]], want, "a tenant's messages come from the log in order, all of them")
same(log[-1]["verified"]["gapless"], True, "and no position was missing")
part = [loads(l) for l in replayer.run("--tenant", maker.tenant, "--from", "3", "--until", "7").stdout.splitlines()][1:-1]
ok(all(3 <= e["position"] <= 7 for e in part), "from one position to another")
whole = [loads(l) for l in replayer.run().stdout.splitlines()]
same([len(whole) - 2, sorted(int(s["shard"]) for s in whole[0]["shards"])], [int(sum(s["last"] for s in whole[0]["shards"])), [0, 1, 2, 3, 4]],
     "without a tenant it is the whole log")

# ---- more events than leaves are looked for ----

LEAVES_MOST = 16384
talker = Maker(23)
talk = talker.conversation(talker.uuid())
client.append([talker.event("tenant.created", talker.tenant, {"name": "Talker"}), talk])
for n in range(17):
    client.append([talker.received(talk["entity_id"], "%d" % i) for i in range(1000)])
shown = replayer.run("--conversation", talk["entity_id"], "--tenant", talker.tenant)
same(shown.returncode, 0, "a conversation of 17,001 events is shown")
ok("%d leaves stand in the tree's tiles" % LEAVES_MOST in shown.stdout, "the leaves of its first %d events are looked for in their tiles" % LEAVES_MOST)
ok("whether %d leaves, of no full tile or beyond the first events, are in the tree" % (17002 - LEAVES_MOST) in shown.stdout, "and how many were not is told")
ok("17002 of 17002 events give their leaf hashes" in shown.stdout, "each event was hashed")

# ---- into a file ----

with tempfile.TemporaryDirectory() as folder:
    file = os.path.join(folder, "log.ndjson")
    same(replayer.run("--tenant", maker.tenant, "--output", file).returncode, 0, "the log goes into a file")
    was = open(file, encoding="utf-8").read()
    for words in (["--tenant", maker.tenant, "--from", "3"], ["--conversation", ids[0]]):
        uses = engine.one("select count(*) from audit.access")
        result = replayer.run(*words, "--output", file)
        ok(result.returncode == 73 and "--force" in result.stderr, "not over one that is there: " + result.stderr.strip())
        same([open(file, encoding="utf-8").read() == was, engine.one("select count(*) from audit.access")], [True, uses],
             "it stays, and nothing was read or journaled for that")
    same(replayer.run("--tenant", maker.tenant, "--from", "3", "--output", file, "--force").returncode, 0, "--force writes over it")
    ok(len(open(file, encoding="utf-8").read()) < len(was), "and nothing is left of what was there")
same(replayer.run("--conversation", ids[0], "--output", "/dev/null").returncode, 0, "what is no file can be written to as ever")

# ---- what cannot be ----

for args, status, words in ((["--conversation", "x"], 64, "not a uuid"), (["--conversation", ids[0], "--customer", ids[0]], 64, "one thing at a time"),
                            (["--conversation", ids[0], "--at", "yesterday"], 64, "neither a position nor a time"),
                            (["--conversation", ids[0], "--at", "99999999"], 65, "behind the end"),
                            (["--conversation", ids[0], "--diff", "5"], 64, "--diff 1040..1052"), (["--at", "5"], 64, "say of what"),
                            (["--conversation", maker.uuid()], 65, "no event of any tenant"),
                            (["--conversation", ids[0], "--limit", "2"], 65, "--limit")):
    result = replayer.run(*args)
    same([result.returncode, words in result.stderr, result.stdout], [status, True, ""], "replay %s: %s" % (" ".join(args), result.stderr.strip()))
twin = Maker(13)
client.append([twin.customer(), twin.event("conversation.created", ids[0], {"customer_id": twin.uuid(), "initial_channel": "email"})])
result = replayer.run("--conversation", ids[0])
ok(result.returncode == 64 and twin.tenant in result.stderr and maker.tenant in result.stderr, "an id of two tenants: which one? " + result.stderr.strip())
same(len([o for o in replayer.objects("--conversation", ids[0], "--tenant", twin.tenant) if o["kind"] == "event"]), 1, "each tenant's is its own")
done()
