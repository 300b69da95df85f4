#!/usr/bin/python3
"""newcomer - what the README says to who comes new, done: the demonstration, the Python client, a policy, the questions."""
import os
import re
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.desk import *

README = open(os.path.join(ROOT, "README.md"), encoding="utf-8").read()


def block(language, what):
    """The one block of the README in this language that holds the text."""
    blocks = [b for b in re.findall(r"```%s\n(.*?)```" % language, README, re.S) if what in b]
    same(len(blocks), 1, "the README has one block of %s with %r" % (language, what))
    return blocks[0]


# ---- the demonstration ----

engine = Engine()
shown = engine.run("demo", "--once", "--conversations", "150", "--listen", engine.address, *engine.where())
same(shown.returncode, 0, "the demonstration ends in good order")
for heading in ("Conversations (core.conversations)", "The agent queue (core.v_agent_queue)", "Promises (core.sla_clocks)", "One conversation"):
    ok(heading in shown.stdout, "it shows: " + heading)
promises = shown.stdout.split("Promises (core.sla_clocks)")[1].split("\n\n")[1]
ok(re.search(r"^first_response +[\d,]+ +[\d,]+ +[\d,]+ +[1-9][\d,]* +\d+ %", promises, re.M), "promises that were kept and that were not")
ok("unbounded" not in shown.stdout, "and no anomaly of the engine's own making")

# ---- the client: what the demonstration prints is the README's ----

client = block("python", "msgpack.Unpacker")
printed = textwrap.dedent(shown.stdout.split("apt install python3-msgpack, then\n\n")[1].split("\n\nTry next")[0].split("\n\nThen try")[0])
there = re.search(r"create_connection\(\(.*\)\)", printed).group(0)
same(printed.strip().splitlines(), client.replace('create_connection(("127.0.0.1", 7411))', there).replace("var/local.key", engine.key_file()).strip().splitlines(),
     "the client that the demonstration prints is the README's, but for the address and the key's file")
host, port = engine.address.rsplit(":", 1)
ours = client.replace('("127.0.0.1", 7411)', '("%s", %s)' % (host, port)).replace("var/local.key", engine.key_file())
same(subprocess.run([sys.executable, "-c", ours], stderr=subprocess.STDOUT).returncode, 0, "and runs as it stands")
same(engine.one("select state || ' ' || message_count from core.conversations order by created_at desc limit 1"), "open 1", "its conversation is shown")

# ---- a policy, whole ----

policy = json.loads(block("json", "first_response_time_minutes"))
desk = Desk(engine, 11)
desk.client.wait(desk.client.append([desk.event("sla_policy.created", desk.uuid(), policy)]))
same(engine.sql("select code, text from core.anomalies where tenant_id = '%s'" % desk.tenant), [], "the README's policy fits, to the last field")

# ---- the questions ----

questions = [q for b in re.findall(r"```sql\n(.*?)```", README, re.S) for q in re.sub(r"^--.*$", "", b, flags=re.M).split(";") if q.strip()]
ok(len(questions) > 10, "the README asks %d questions" % len(questions))
for q in questions:
    rows = engine.sql(q.replace("'…'", "'%s'" % desk.uuid()), check=False)
    ok(not str(rows).startswith("ERROR"), "answered: " + " ".join(q.split())[:100])
same(engine.stop(), 0, "the engine ends in good order")
done()
