"""arena - two engines on a PostgreSQL with small disks of its own, clients of every kind, and what must hold at the end."""
import atexit
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from lib.history import *
from lib.rebuilds import holds
from wire import Wire
from witness import *

SHARDS = 4
PROGRESS = 40  # events that must be acked after each round of faults


def mount(folder, size):
    """A small file system at the folder, when that may be; True when it is there."""
    os.makedirs(folder)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % size, "none", folder],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return False
    shutil.chown(folder, "postgres", "postgres")
    atexit.register(subprocess.run, ["umount", "-l", folder])
    return True


class Ballast:
    """Inside the block the file system has no room."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "ballast")

    def __enter__(self):
        size = 1 << 20
        with open(self.path, "ab", buffering=0) as f:
            while size >= 4096:
                try:
                    f.write(bytes(size))
                except OSError:
                    size //= 2

    def __exit__(self, *_):
        os.unlink(self.path)


class Frozen:
    """A server's processes stand still inside the block."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        send_all(self.pids, signal.SIGSTOP)

    def __exit__(self, *_):
        send_all(self.pids, signal.SIGCONT)


class SmallServer(Server):
    """PostgreSQL with its tables and its write-ahead log on small file systems, when those can be mounted."""

    def __init__(self):
        folder = temporary_folder()
        self.disks = {name: os.path.join(folder, name) for name in ("data", "wal")}
        self.small = mount(self.disks["data"], 1000) and mount(self.disks["wal"], 500)
        options = "-c max_connections=110 -c max_wal_size=160MB -c min_wal_size=80MB -c listen_addresses=127.0.0.1"
        super().__init__(folder, options, made=False)
        if self.small:
            self.cluster = os.path.join(self.disks["data"], "pg")
        self.make(["--waldir", os.path.join(self.disks["wal"], "pg")] if self.small else [])

    def pid(self):
        try:
            with open(os.path.join(self.cluster, "postmaster.pid")) as f:
                return int(f.readline())
        except (FileNotFoundError, ValueError):
            return None

    def kill(self):
        if self.pid():
            send_all([self.pid()], signal.SIGKILL)

    def is_up(self):
        """It answers; a killed postmaster's pid may be there for a while."""
        return as_postgres(postgres_program("pg_isready"), "-q", "-h", self.folder, "-p", "5433", check=False).returncode == 0

    def up(self):
        """As a supervisor would: until it answers."""
        if not wait_until(lambda: self.is_up() or self.start_once(), 120):
            raise RuntimeError("the server does not start: " + open(os.path.join(self.folder, "log"), errors="replace").read()[-2000:])

    def family(self):
        """Its processes; none when it is down."""
        pid = self.pid()
        return [pid] + children(pid) if pid else []


class Arena:
    def __init__(self, seed, has_network):
        self.random = random.Random(seed)
        self.wrong, self.most_idle = [], 0
        self.server = SmallServer()
        self.disks = self.server.disks
        subprocess.run(["psql", "-X", "-q", "-d", self.server.conninfo, "-c", "create role stranger login superuser"], check=True)
        self.has = {name for name, there in (("disks", self.server.small), ("network", has_network)) if there}
        # The second engine speaks to the database over TCP: what happens to packets happens there, too.
        self.homes = [self.server.conninfo, self.server.conninfo.replace("host=" + self.server.folder, "host=127.0.0.1")]
        key = os.path.join(temporary_folder(), "key")
        subprocess.run([BINARY, "key", "generate", "--out", key, "--name", "chaos.example"], stdout=subprocess.DEVNULL, check=True)
        self.args = ["--database-timeout", "4s", "--signing-key-file", key, "--checkpoint-every", "5s"]
        self.engines = [Engine(db=home, args=self.args) for home in self.homes]
        self.wires = [Wire(lambda e=e: e.address, seed * 10 + i) for i, e in enumerate(self.engines)]
        made = subprocess.run([BINARY, "key", "create", "--db", self.homes[0], "--name", "chaos", "--scope", "admin", "--all-tenants"],
                              stdout=subprocess.PIPE, text=True, check=True)
        for wire in self.wires:  # no engine's own user comes that way
            keys[wire.address] = made.stdout.strip()
        self.people(seed)

    def people(self, seed):
        """Everybody who speaks to the engines."""
        addresses = [e.unix for e in self.engines] + [w.address for w in self.wires]
        maker = Maker(seed * 7)
        opening = [maker.customer()]
        opening += [maker.conversation(opening[0]["entity_id"]) for _ in range(3)]
        ack = self.engines[0].client().append(opening)
        talks = {e["entity_id"]: ack["last"] for e in opening[1:]}
        self.opening = {e["event_id"] for e in opening}
        self.load = Load(*addresses, clients=4, seed=seed, pause=0.1)
        self.claims = [Claims(addresses, seed * 10 + i, talks, Maker(seed * 100 + i, tenant=maker.tenant)) for i in range(3)]
        self.followers = [Follower(addresses, seed * 10 + shard, shard) for shard in range(1, SHARDS + 1)]
        self.goners = Goners(addresses, seed * 10)
        self.promises = Promises(addresses, seed * 10 + 1)
        self.witnesses = self.claims + self.followers + [self.goners, self.promises]
        for w in self.witnesses:
            w.start()

    # ---- for faults ----

    def tell(self, text):
        note(text)

    def failed(self, text):
        self.wrong.append(text)

    def any_engine(self, random):
        return random.choice(self.engines)

    def engine_new(self):
        return Engine(db=self.homes[0], args=self.args, start=False)

    def stranger(self):
        return Session(self.server.conninfo)

    def ask(self, text):
        """Rows, or none when the server does not answer."""
        result = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-c", "set statement_timeout = '10s'", "-c", text,
                                 self.server.conninfo], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return [line.split("\x1f") for line in result.stdout.splitlines() if line] if result.returncode == 0 else []

    def revive(self, engine, seconds=150):
        """Starts an engine as a supervisor would: again and again, until it is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            engine.start(wait=False)
            if engine.wait_ready(max(1, end - time.monotonic())):
                return
            time.sleep(0.5)
        self.failed("an engine did not get ready within %d s: %s" % (seconds, engine.tail(5)))

    # ---- after each round of faults ----

    def goes_on(self):
        """Everything is as it was before: clients are answered, by themselves."""
        for engine in self.engines:
            if not engine.alive():
                self.failed("an engine ended by itself with %r: %s" % (engine.process.returncode, engine.tail(10)))
                self.revive(engine)
        if not self.load.more(PROGRESS, 150):
            self.failed("no events are acked any more: " + self.plight())
        return not self.wrong

    def plight(self):
        """What the engines say of themselves."""
        words = []
        for engine in self.engines:
            try:
                status = Client(engine.unix, timeout=5).call("status")
                words.append("ready %s, database %s, %s" % (status["ready"], status["database"],
                                                           [(s["shard"], s["state"], s["error"]) for s in status["shard_list"]]))
            except (OSError, RpcError) as error:
                words.append(repr(error))
        return "; ".join(words)

    # ---- the end ----

    def verdict(self):
        one = self.engines[0]
        for w in self.witnesses:
            w.ending.set()
        self.load.finish(30 if self.wrong else 150)
        end = time.monotonic() + (10 if self.wrong else 120)
        for w in self.witnesses:
            w.finish(max(0.1, end - time.monotonic()))
        same(self.wrong, [], "engines, server and clients came through every fault by themselves")
        same([x for w in self.witnesses for x in w.wrong][:5], [], "no witness saw what may not be")
        check_promises(one, self.promises)
        ok(one.settle(150), "the read models come to the head of the log")
        others = set().union(self.opening, self.goners.sent, self.promises.sent, *(c.sent for c in self.claims))
        check_acks(one, self.load, others=others)
        check_log(one)
        check_claims(one, self.claims)
        check_followers(one, self.followers)
        same(one.one(MESSAGES), "0", "messages equal a fold in SQL")
        same(one.one(FOLDED_TWICE), "0", "no event was folded twice: the workers' batches do not overlap")
        holds(one, "verbatim check: every row of every read model equals a fresh fold of the log")
        verified = one.run("verify", "--db", self.server.conninfo, "--json")
        same((verified.returncode, [l for l in verified.stdout.splitlines() if '"finding":' in l]), (0, []),
             "verbatim verify: leaves, roots, tiles and signed checkpoints hold")
        ready = all(wait_until(lambda: e.client().call("status")["ready"], 60) for e in self.engines)
        if not ok(ready, "both engines are ready"):
            note(self.plight())
        for engine in self.engines:
            same(engine.stop(90), 0, "an engine ends in good order")
        same(self.ask("select count(*) from verbatim.lease where expires_at > verbatim.log_now()"), [["0"]], "leases are handed back")


FOLDED_TWICE = """
select count(*) from (select first_position <= lag(last_position) over (partition by group_name, generation, shard
                      order by first_position) b from verbatim.projection_batch) x where b"""
