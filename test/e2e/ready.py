#!/usr/bin/python3
"""ready - an engine says that it is ready, listens and is called ready by /readyz and systemd once it knows its log and its keys, not before."""
import os
import socket
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

home = Engine()
A = Maker(seed=181)
token = home.run("key", "create", "--name", "shop", "--scope", "append", "--tenant", A.tenant, *home.where()).stdout.strip()
same(len(token), 109, "there is a key")
notify = os.path.join(home.folder, "notify")
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(notify)
heard.settimeout(60)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]


def readyz():
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % port, timeout=30) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except OSError:
        return None, ""


def told():
    """What systemd was told until now."""
    seen = []
    heard.setblocking(False)
    try:
        while True:
            seen.append(heard.recv(4096).decode())
    except BlockingIOError:
        return "\n".join(seen)


# ---- the log is known, the keys are not: somebody holds their tables ----

holder = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", home.conninfo()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
holder.stdin.write("begin; lock table verbatim.tenant_limit in access exclusive mode; select 'held';\n")
holder.stdin.flush()
same(holder.stdout.readline().strip(), "held", "the tables of keys are held")
second = Engine(db=home.conninfo(), args=["--http", "127.0.0.1:%d" % port], env={"NOTIFY_SOCKET": notify}, start=False)
second.start(wait=False)
ok(wait_until(lambda: "API keys" in readyz()[1], 60), "the log is known, the keys are waited for")
same(readyz(), (503, "the API keys are not read yet"), "/readyz says so")
ok(not second.wait_ready(1), "it does not say that it is ready")
ok(not os.path.exists(second.unix), "and nothing listens")
ok("READY=1" not in told(), "nor is systemd told so")
holder.stdin.write("rollback;\n")
holder.stdin.close()
ok(second.wait_ready(60), "when they are let go it is ready")
same(Client(second.address, token=token).append([A.customer()])["duplicates"], [], "and knows every key from its first connection on")
same(wait_until(lambda: readyz()[0] == 200, 60), True, "/readyz agrees")
ok("READY=1" in told(), "and so does what systemd is told")
holder.wait(60)
same(second.stop(), 0, "it ends in good order")

# ---- keys that cannot be read at all ----

home.sql("revoke select on verbatim.tenant_limit from verbatim_engine")
third = Engine(db=home.conninfo(), start=False)
third.start(wait=False)
status = third.wait_exit(120)
ok(status not in (0, None), "an engine whose login may not read the keys ends, with %s" % status)
ok("the API keys cannot be read: " in third.tail(), "and says why: " + third.tail(1).strip())
home.sql("grant select on verbatim.tenant_limit to verbatim_engine")
third.start()
same(third.stop(), 0, "when it may, it starts and ends in good order")
same(home.stop(), 0, "so does the first one")
done()
