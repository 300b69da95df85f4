#!/usr/bin/python3
"""metrics - what monitoring reads over HTTP: figures that agree with what happened, health, readiness with a reason, bounds."""
import http.client
import re
import socket
import subprocess
import sys
import os

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.history import Session
from lib.rebuilds import command, finish

LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="[^"\\]*",?)*)\})? (-?[0-9]+(?:\.[0-9]+)?)$')

engine = Engine(args=["--http", "127.0.0.1:0", "--checkpoint-every", "1s", "--check-every", "2s"])
with open(os.path.join(engine.data, "engine.json")) as f:
    port = next(int(a.rsplit(":", 1)[1]) for a in json.load(f)["addresses"] if a.startswith("http "))


def get(path, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request(method, path)
    answer = c.getresponse()
    body = answer.read().decode()
    c.close()
    return answer.status, body, answer.getheader("Content-Type")


def scrape():
    """{name: {labels: value}}, and every line must be of the format."""
    status, body, kind = get("/metrics")
    values, wrong, types = {}, [], {}
    for line in body.splitlines():
        if line.startswith("# TYPE "):
            types[line.split()[2]] = line.split()[3]
            continue
        if line.startswith("# HELP "):
            continue
        m = LINE.match(line)
        if not m:
            wrong.append(line)
            continue
        values.setdefault(m.group(1), {})[m.group(2) or ""] = float(m.group(3))
    return values, wrong, types, status, kind


def total(values, name):
    return sum(values.get(name, {}).values())


maker = Maker()
client = Client(engine.address)
_, wrong, types, status, kind = scrape()
same(status, 200, "/metrics is answered")
same(kind, "text/plain; version=0.0.4; charset=utf-8", "as Prometheus' text format")
same(wrong, [], "every line is of that format")
names = subprocess.run([BINARY, "help", "metrics"], stdout=subprocess.PIPE, text=True).stdout
same([n for n in types if n not in names], [], "verbatim help metrics lists every figure")
with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
    alarms = [line for line in f.read().split("What is worth an alarm")[1].split("\n## ")[0].splitlines() if line.startswith("| `")]
told = {n for line in alarms for n in re.findall(r"\b(?:verbatim|process)_[a-z_]+", line.split("|")[1] + line.split("|")[3])}
same(sorted(n for n in told if n not in types), [], "the README's %d alarms are of figures that there are" % len(alarms))
same([n for n in types if (n.endswith(("_up", "_late_seconds", "_age_seconds", "_lag_seconds", "_differences")) or "refused" in n) and n not in told], [],
     "and whatever tells that something is not well has one")
same(sorted(set(types.values())), ["counter", "gauge", "histogram"], "types are named")
ok(all(n.endswith("_total") for n, t in types.items() if t == "counter"), "counters end in _total")

events = [maker.customer() for _ in range(30)]
ack = client.append(events)
client.append(events[:7])
client.wait(ack)
engine.settle() # shard 0 too
refused(lambda: client.append([dict(maker.customer(), payload={"nonsense": 1})]), "invalid", "an event that does not fit")
refused(lambda: client.call("nothing"), "unknown_method", "a method that is none")
values, wrong, _, _, _ = scrape()
same(wrong, [], "every line is of the format")
same(values["verbatim_appended_events_total"]['shard="%d"' % ack["shard"]], 30, "30 events are counted once")
same(total(values, "verbatim_duplicate_events_total"), 7, "7 duplicates")
same(values["verbatim_refused_total"], {'code="invalid"': 1, 'code="unknown_method"': 1}, "refusals by code")
same(values["verbatim_batch_events_bucket"]['le="+Inf"'], values["verbatim_batch_events_count"][""], "a histogram's last bucket is its count")
same(values["verbatim_batch_events_sum"][""], total(values, "verbatim_appended_events_total"), "the batches' events are all events")
same(values["verbatim_commit_seconds_count"][""], total(values, "verbatim_append_commits_total"), "each commit's time is counted")
ok(values["verbatim_commit_seconds_sum"][""] > 0, "and takes some")
ok(0 < values["verbatim_append_wait_seconds_count"][""] <= total(values, "verbatim_appended_events_total"), "each request's wait for its batch is counted")
same(total(values, "verbatim_append_behind_total"), 0, "and nobody else has appended")
buckets = list(values["verbatim_batch_events_bucket"].values())
same(buckets, sorted(buckets), "buckets add up")
same(values["verbatim_log_position"]['shard="%d"' % ack["shard"]], ack["last"], "the log's position")
same(values["verbatim_projection_position"]['group="core",shard="%d"' % ack["shard"]], ack["last"], "the read models' position")
same(total(values, "verbatim_projection_lag_events"), 0, "nothing is left to fold")
same(total(values, "verbatim_projection_lag_seconds"), 0, "and nothing waits")
same(values["verbatim_ready"][""], 1, "ready")
same(values["verbatim_connections"][""], 1, "one client")
same(set(values["verbatim_lease_held"].values()), {1.0}, "this engine folds every shard")
ok(total(values, "verbatim_lease_moves_total") >= len(values["verbatim_lease_held"]), "and has taken each over")
ok(values["process_resident_memory_bytes"][""] > 1 << 20 and values["process_open_fds"][""] > 5, "memory and descriptors")



def all_signed():
    figures = scrape()[0]
    heads = figures["verbatim_log_position"]
    return all(figures.get("verbatim_checkpoint_position", {}).get(shard) == head for shard, head in heads.items())


ok(wait_until(all_signed, 60, "checkpoints of everything"), "every shard's checkpoint covers it")
values = scrape()[0]
same((set(values["verbatim_checkpoint_up"].values()), total(values, "verbatim_checkpoint_age_seconds")), ({1.0}, 0.0), "the log extends what is signed, and nothing waits for it")
ok(wait_until(lambda: scrape()[0].get("verbatim_checks_total", {}).get("", 0) >= 1, 60, "a comparison"), "the read models are compared with the log")
same(scrape()[0]["verbatim_check_differences"][""], 0, "and nothing differs")

# A rebuild, which is a process of its own, tells how far it is; here something is in its way.
same(total(scrape()[0], "verbatim_rebuild_total"), 0, "no rebuild")
holder = Session(engine.conninfo())
holder.tell("begin; lock table verbatim.rebuild_shard in share mode")
process = command(engine, "rebuild", "customers", wait=False)
ok(wait_until(lambda: total(scrape()[0], "verbatim_rebuild_done") > 0, 60, "a rebuild"), "a rebuild shows")
values = scrape()[0]
same(list(values["verbatim_rebuild_done"]), ['group="core",rebuild="1",step="fold"'], "with its step")
ok(total(values, "verbatim_rebuild_done") <= total(values, "verbatim_rebuild_total"), "and how far it is")
seen = client.call("status")["rebuilds"][0]
same((seen["state"], seen["step"], seen["read_models"]), ("running", "fold", 1), "status tells the same")
same(seen["percent"], 100 * seen["done"] // seen["total"], "with a share")
holder.tell("commit")
holder.close()
same(finish(process).status, 0, "nothing is in its way any more")
ok(wait_until(lambda: not client.call("status")["rebuilds"], 60, "its end"), "and it shows no more")

# Who folds finds his tables exchanged, and begins anew: that is no trouble.
ack = client.append([maker.customer()])
same({get("/readyz")[:2] for _ in range(100)}, {(200, "ready\n")}, "who begins anew after a rebuild is ready meanwhile")
client.wait(ack)

same(get("/healthz")[:2], (200, "alive\n"), "/healthz")
same(get("/readyz")[:2], (200, "ready\n"), "/readyz")
same(get("/nothing")[0], 404, "other paths are not there")
same(get("/metrics", "POST")[0], 405, "and POST is not allowed")
same(get("/readyz", "HEAD")[:2], (200, ""), "HEAD is")

# Others who cannot behave: silent connections are bounded, garbage is closed, and the engine goes on.
silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
for s in silent[:5]:
    s.sendall(b"\x00\xff\r\n\r\n" * 100)
client.append([maker.customer()])
ok(True, "40 silent connections do not hold up an append")
for s in silent:
    s.close()


def alive():
    try:
        return get("/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


ok(wait_until(alive, 20, "HTTP is answered again"), "and HTTP is answered when they are gone")

# A database that hangs: alive, not ready, with a reason.
postmaster = engine.postmaster()
backends = [int(row[0]) for row in engine.sql("select pid from pg_stat_activity where application_name like 'verbatim%'")]
for pid in [postmaster] + backends:
    os.kill(pid, signal.SIGSTOP)
try:
    ok(wait_until(lambda: get("/readyz")[0] == 503, 20, "not ready"), "with a database that hangs it is not ready")
    ok("database" in get("/readyz")[1], "and says why")
    same(get("/healthz")[0], 200, "but alive")
    ok(scrape()[0]["verbatim_database_silent_seconds"][""] > 1, "and since when")
finally:
    for pid in [postmaster] + backends:
        os.kill(pid, signal.SIGCONT)
ok(wait_until(lambda: get("/readyz")[0] == 200, 30, "ready again"), "ready again when it goes on")

other = engine.run("serve", "--data", os.path.join(engine.folder, "other"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:%d" % port)
ok(other.returncode == 78 and "--http" in other.stderr, "a port that is taken is refused with words")
same(engine.stop(), 0, "and it all ends in order")
done()
