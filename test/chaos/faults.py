"""faults - what is done to engines, PostgreSQL, disks and the network; each undoes itself, however it ends.

A fault is a function of (arena, random).  FAULTS says how often each is taken and what it touches: faults that touch
nothing in common may fall together.
"""
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time

from arena import *
from wire import Dark, Lossy

LEASE = 10   # seconds, in core/engine/server.c
IDLE = 2200  # connections that say nothing

# ---- engines ----


def engine_killed(a, random):
    """kill -9, and started again after a while."""
    engine = a.any_engine(random)
    engine.kill()
    time.sleep(random.uniform(0, 4))
    a.revive(engine)


def engines_killed(a, random):
    """All at once."""
    for engine in a.engines:
        engine.kill()
    time.sleep(random.uniform(0, 2))
    for engine in a.engines:
        a.revive(engine)


def engine_restarted(a, random):
    """SIGTERM: it must end by itself, whatever state the database is in."""
    engine = a.any_engine(random)
    engine.signal(signal.SIGTERM)
    if engine.wait_exit(90) is None:
        a.failed("an engine did not end within 90 s of SIGTERM: " + engine.tail(5))
        engine.kill()
    a.revive(engine)


def engine_frozen(a, random):
    """SIGSTOP for longer than its leases, and on with what it believed."""
    engine = a.any_engine(random)
    engine.signal(signal.SIGSTOP)
    time.sleep(LEASE + random.uniform(1, 5))
    engine.signal(signal.SIGCONT)


def engine_flickers(a, random):
    """Stopped for moments, between any two instructions."""
    engine = a.any_engine(random)
    for _ in range(random.randrange(10, 30)):
        engine.signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.01, 0.5))
        engine.signal(signal.SIGCONT)
        time.sleep(random.uniform(0.01, 0.2))


def engine_joins(a, random):
    """A third one comes, and goes in order or not."""
    third = a.engine_new()
    a.revive(third)
    time.sleep(random.uniform(2, LEASE))
    if random.random() < 0.5:
        third.kill()
    elif third.stop(90) is None:
        a.failed("the third engine did not end: " + third.tail(5))
        third.kill()


def rebuilt(a, random):
    """Read models are folded anew beside all this; the rebuild may be killed, and is gone on with."""
    words = random.choice((["--all"], ["core.messages"], ["core.conversations", "core.customers"]))
    rebuild = subprocess.Popen([a.engines[0].binary, "rebuild", "--db", a.server.conninfo, "--quiet", *words],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        rebuild.wait(random.uniform(0.2, 3) if random.random() < 0.5 else 120)
    except subprocess.TimeoutExpired:
        rebuild.kill()
    said = rebuild.communicate()[1].strip()
    if rebuild.returncode not in (0, -signal.SIGKILL):
        a.tell("    the rebuild ended with %d: %s" % (rebuild.returncode, said[-160:]))


# ---- PostgreSQL ----


def postmaster_killed(a, random):
    a.server.kill()
    time.sleep(random.uniform(0, 4))
    a.server.up()


def server_stopped(a, random):
    a.server.down(random.choice(("immediate", "fast")), check=False)
    time.sleep(random.uniform(0, 6))
    a.server.up()


def backend_killed(a, random):
    """One session's process; all of PostgreSQL then starts anew."""
    rows = a.ask("select pid from pg_stat_activity where application_name like 'verbatim%' order by pid")
    if rows:
        try:
            os.kill(int(random.choice(rows)[0]), signal.SIGKILL)
        except ProcessLookupError:
            pass


def sessions_ended(a, random):
    for _ in range(random.randrange(1, 20)):
        a.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verbatim%' and random() < 0.7")
        time.sleep(random.uniform(0, 0.2))


def server_frozen(a, random):
    """There, and silent, as with a hung disk."""
    with Frozen(a.server.family()):
        time.sleep(random.uniform(0.5, 12))


def server_full(a, random):
    """Strangers hold every connection that there is; then the engines lose theirs."""
    strangers = []
    try:
        while len(strangers) < 400:
            stranger = stranger_connects(a.server)
            if stranger is None:
                break
            strangers.append(stranger)
        a.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verbatim%'")
        for _ in range(10):  # what has become free
            stranger = stranger_connects(a.server)
            if stranger:
                strangers.append(stranger)
        time.sleep(random.uniform(1, 5))
    finally:
        for stranger in strangers:
            stranger.close()


def stranger_connects(server):
    """A session of the protocol's bare minimum, or None when the server takes no more."""
    s = socket.socket(socket.AF_UNIX)
    try:
        s.settimeout(10)
        s.connect(os.path.join(server.folder, ".s.PGSQL.5433"))
        words = b"user\0stranger\0database\0verbatim\0\0"
        s.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
        answer = s.recv(1)
        if answer == b"R":
            return s
    except OSError:
        pass
    s.close()
    return None


def transaction_idle(a, random):
    """A stranger's transaction with an id, and another with an old snapshot, that nobody ends."""
    sessions = []
    try:
        for begin in ("begin; select pg_current_xact_id()",
                      "begin isolation level repeatable read; select count(*) from verbatim.event_log"):
            sessions.append(a.stranger())
            sessions[-1].tell(begin)
        time.sleep(random.uniform(3, 15))
    except (RuntimeError, OSError):
        pass  # the server went away under it
    finally:
        for s in sessions:
            s.close()


LOCKED = (("verbatim.event_log", "access exclusive"), ("verbatim.event_log", "share"), ("verbatim.log_batch", "share row exclusive"),
          ("verbatim.log_batch", "access exclusive"), ("verbatim.projection_batch", "exclusive"), ("verbatim.lease", "exclusive"),
          ("core.conversations", "access exclusive"), ("core.messages", "access exclusive"))


def table_locked(a, random):
    name, mode = random.choice(LOCKED)
    if name.startswith("core."):
        found = a.ask("select 'generations.' || table_name from verbatim.generation where projection = '%s' and active" % name)
        if not found:
            return
        name = found[0][0]
    session = a.stranger()
    try:
        session.tell("set lock_timeout = '10s'; begin; lock table %s in %s mode" % (name, mode))
        time.sleep(random.uniform(0.5, 14))
    except (RuntimeError, OSError):
        pass
    finally:
        session.close()


# ---- disks ----


def data_full(a, random):
    fill_for(a.disks["data"], random.uniform(1, 8))


def wal_full(a, random):
    """The server ends itself when there is no room for the log of what it writes; somebody starts it again."""
    try:
        with Ballast(a.disks["wal"]):
            end = time.monotonic() + random.uniform(2, 8)
            while time.monotonic() < end and a.server.is_up():
                a.ask("select pg_switch_wal()")
    finally:
        a.server.up()


def fill_for(folder, seconds):
    with Ballast(folder):
        time.sleep(seconds)


# ---- clients and the network ----


def crowd(a, random):
    """Thousands of connections that say nothing, to one engine; who has something to say is served all the same."""
    engine, idle = a.any_engine(random), []
    try:
        for _ in range(IDLE):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(10)
            s.connect(engine.unix)
            idle.append(s)
        a.most_idle = max(a.most_idle, len(idle))
        if engine.client(timeout=30).call("ping", 1) != 1:
            a.failed("a ping beside %d idle connections was not answered" % len(idle))
        time.sleep(random.uniform(1, 5))
    except (OSError, RpcError) as error:
        a.tell("    %d connections, then %r" % (len(idle), error))
    finally:
        for s in idle:
            s.close()


def wires_bad(a, random):
    """Pieces come late, connections break off in the middle of a frame, or stand still."""
    try:
        for wire in a.wires:
            wire.delay, wire.cut = random.choice((0, 0.02, 0.2)), random.choice((0, 0.002, 0.03))
        time.sleep(random.uniform(3, 10))
        for wire in a.wires:
            wire.still = random.random() < 0.5
        time.sleep(random.uniform(1, 12))
    finally:
        for wire in a.wires:
            wire.mend()


def packets_dropped(a, random):
    with Lossy():
        time.sleep(random.uniform(3, 10))


def network_gone(a, random):
    with Dark():
        time.sleep(random.uniform(1, 6))


# how often, what it touches, what it needs
FAULTS = (
    (engine_killed, 4, {"engine"}, None),
    (engines_killed, 2, {"engine"}, None),
    (engine_restarted, 2, {"engine"}, None),
    (engine_frozen, 3, {"engine"}, None),
    (engine_flickers, 2, {"engine"}, None),
    (engine_joins, 1, {"joins"}, None),
    (rebuilt, 2, {"rebuild"}, None),
    (postmaster_killed, 3, {"server"}, None),
    (server_stopped, 3, {"server"}, None),
    (backend_killed, 2, {"server"}, None),
    (sessions_ended, 3, {"sessions"}, None),
    (server_frozen, 2, {"server"}, None),
    (server_full, 2, {"server"}, None),
    (transaction_idle, 2, {"transaction"}, None),
    (table_locked, 3, {"lock"}, None),
    (data_full, 2, {"server", "disk"}, "disks"),
    (wal_full, 2, {"server", "disk"}, "disks"),
    (crowd, 2, {"crowd"}, None),
    (wires_bad, 3, {"wire"}, None),
    (packets_dropped, 2, {"wire"}, "network"),
    (network_gone, 2, {"wire"}, "network"),
)


def choose(random, has):
    """One to three faults that touch nothing in common."""
    count, chosen, touched = random.choice((1, 1, 1, 2, 2, 3)), [], set()
    pool = [f for f in FAULTS if f[3] is None or f[3] in has]
    while len(chosen) < count:
        fault, _, touches, _ = random.choices(pool, [f[1] for f in pool])[0]
        if not touches & touched:
            chosen.append(fault)
            touched |= touches
    return chosen


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)  # for crowd; engines inherit it
