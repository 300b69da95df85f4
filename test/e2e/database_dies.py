#!/usr/bin/python3
"""database_dies - PostgreSQL killed, stopped and cut off under load; clients keep their sockets, acks stay true.

First the engine's own cluster, which the engine starts again by itself; then a server of somebody's, which the test
starts again; then connections cut, on both sides.
"""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *


def ping(client):
    try:
        return client.call("ping", 7) == 7
    except OSError:
        return False


def cut(engine):
    engine.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verbatim%'", check=False)


def stop_server(engine, mode):
    """Stops the engine's own server.  pg_ctl must not wait: the engine may have a new one up before pg_ctl looks."""
    before = engine.postmaster()
    as_postgres(postgres_program("pg_ctl"), "stop", "-D", engine.cluster(), "-m", mode, "-W")
    wait_until(lambda: engine.postmaster() != before, 60, "the server does not stop")


# ---- the engine's own cluster ----

engine = Engine()
idle = engine.client(timeout=60)
load = Load(engine.unix, clients=4, timeout=60)
load.more(200)
for round in range(2):
    before = engine.postmaster()
    os.kill(before, signal.SIGKILL)
    ok(load.more(200), "events go in again after the postmaster was killed")
    ok(engine.postmaster() not in (None, before), "on a server that the engine started")
ok(ping(idle), "an idle client's socket is the same")
pid = wait_until(lambda: engine.one("select pid from pg_stat_activity where application_name = 'verbatim appender 1'"), 30)
os.kill(int(pid), signal.SIGKILL)
ok(load.more(200), "events go in again after one backend was killed")
stop_server(engine, "immediate")
ok(load.more(200), "events go in again after an immediate stop")
stop_server(engine, "fast")
ok(load.more(200), "and after a fast one, which nobody asked the engine about")
same(load.cuts, 0, "no client lost its socket")
ok(ping(idle), "nor did the idle one")

# ---- connections cut ----

for round in range(30):
    cut(engine)
    wait_until(lambda: False, 0.05)
ok(load.more(200), "events go in after all of the engine's sessions were ended thirty times over")
same(load.cuts, 0, "no client noticed")
maker = Maker(seed=77)
opening = [maker.customer()]
engine.client().append(opening)
lone = [maker.received(maker.uuid()) for _ in range(400)]
for i in range(0, 400, 4):  # forty connections that ask and are gone before the answer
    client = engine.client()
    for e in lone[i:i + 4]:
        client.send("append", [e])
    if i % 8:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
client = engine.client()
acks = [client.append([e]) for e in lone]
ok(len({a["last"] for a in acks}) == 400, "requests of clients that went away are answered when they come again, each event once")
load.events.update({e["event_id"]: e for e in opening + lone})
load.finish()
check(engine, load)
same(engine.stop(), 0, "an orderly end")

# ---- somebody's server ----

server = Server()
guest = Engine(db=server.conninfo)
idle = guest.client(timeout=60)
load = Load(guest.unix, clients=4, timeout=60, seed=2)
load.more(200)
server.down("immediate")
wait_until(lambda: False, 8)
status = idle.call("status")
same((status["ready"], status["database"]), (False, "connecting"), "status tells of the loss")
before = load.count()
wait_until(lambda: False, 0.5)
same(load.count(), before, "nothing is acked meanwhile")
server.up()
ok(load.more(200), "events go in again after eight seconds without a server")
server.kill()
server.up()
ok(load.more(200), "and after a kill")
server.down("fast")
server.up()
ok(load.more(200), "and after a restart")
same(load.cuts, 0, "no client lost its socket")
load.finish()
check(guest, load)
ok(wait_until(lambda: idle.call("status")["ready"], 30), "status is well again")
same(guest.stop(), 0, "an orderly end")
done()
