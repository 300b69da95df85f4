"""history - clients that append without pause and forget nothing, and what must hold of the log afterwards.

A Load is a few threads, each a client with tenants of its own.  A request is sent until it is answered, over new
connections and to other engines when it must be, and its events are always the same: so whatever was done to the
engine meanwhile, at the end each event that was ever sent stands in the log once, at the position of its ack.
Now and then a request is sent once more after its ack, or carries an event that stands in the log already.

check(engine, load) is the same oracle after every experiment:

    every acked event stands at its acked position, with its content      the log holds nothing that was not sent
    positions are gapless, leaves and roots right (harness.check_log)      message counts equal a fold written in SQL
    the read models equal those that a second engine folds from a copy of the log, from position 1
"""
import atexit
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import *

WINDOW = 4  # requests on their way at once


class _Teller(Maker):
    """A tenant's life: a customer and a conversation first, then messages in it."""

    def __init__(self, seed, shift):
        super().__init__(seed)
        self.shift = shift
        self.conversations = []
        self.requests = []  # those that were acked, for repeating

    def now(self):
        return time.time() + self.shift

    def uuid7(self):
        value = (int(self.now() * 1000) << 80) | self.random.getrandbits(80)
        value = (value & ~(0xF000 << 64)) | (0x7000 << 64)
        return str(uuid.UUID(int=(value & ~(0xC000 << 48)) | (0x8000 << 48)))

    def event(self, kind, entity, payload=None, **envelope):
        e = super().event(kind, entity, payload, occurred_at=rfc3339(self.now()), **envelope)
        if self.random.random() < 0.5:
            e["event_id"] = self.uuid()  # version 4: the log cannot tell its age
        return e

    def opening(self):
        customer = self.customer()
        conversation = self.conversation(customer["entity_id"])
        self.conversations.append(conversation["entity_id"])
        return [customer, conversation]

    def messages(self, count):
        where = self.random.choice(self.conversations)
        agent = self.uuid()
        return [self.received(where, "message %d" % self.random.randrange(10 ** 9)) if self.random.random() < 0.6
                else self.sent(where, agent) for _ in range(count)]


class _Writer(threading.Thread):
    def __init__(self, load, number, tenants):
        super().__init__(daemon=True)
        self.load = load
        self.random = random.Random(load.seed * 1000 + number)
        self.tellers = [_Teller(load.seed * 100000 + number * 100 + i, load.shift) for i in range(tenants)]
        self.client = None
        self.turn = number

    def run(self):
        try:
            for teller in self.tellers:
                self.deliver([(teller, teller.opening())])
            while not self.load.ending.is_set():
                self.deliver([self.request() for _ in range(WINDOW)])
                if self.load.pause:
                    self.load.ending.wait(self.load.pause)
        except _Abandoned:
            pass
        except Exception as e:  # a mistake of the test must not look like silence
            self.load.wrong.append("%s: %r" % (type(e).__name__, e))
        finally:
            if self.client:
                self.client.close()

    def request(self):
        teller = self.random.choice(self.tellers)
        luck = self.random.random()
        if luck < 0.03:
            return teller, teller.opening()
        events = teller.messages(self.random.choice((1, 1, 1, 2, 3, 5, 20)))
        if teller.requests and luck < 0.08:
            return teller, self.random.choice(teller.requests)
        if teller.requests and luck < 0.12:
            events.insert(self.random.randrange(len(events) + 1), self.random.choice(self.random.choice(teller.requests)))
        return teller, events

    def deliver(self, requests):
        for _, events in requests:
            self.load.sending(events)
        waiting = list(requests)
        while waiting:
            try:
                if self.client is None:
                    self.connect()
                waiting = self.attempt(waiting)
                if waiting:
                    self.rest()
            except OSError:
                self.load.cuts += 1
                if self.client:
                    self.client.close()
                self.client = None
                self.rest()

    def connect(self):
        addresses = self.load.addresses
        self.turn += 1
        self.client = Client(addresses[self.turn % len(addresses)], timeout=self.load.timeout)

    def rest(self):
        if self.load.abandon:
            raise _Abandoned
        time.sleep(0.01 + 0.05 * self.random.random())

    def attempt(self, requests):
        """Sends them all; those that are to be sent again."""
        sent = [(self.client.send("append", events), teller, events) for teller, events in requests]
        again = []
        lost = None
        for number, teller, events in sent:
            try:
                if lost:
                    raise lost
                self.load.take(events, self.client.recv(number))
                teller.requests.append(events)
            except RpcError as error:
                self.load.refusals[error.code] += 1
                if error.kind != "retry":
                    self.load.wrong.append("refused: %s" % error)
                again.append((teller, events))
            except OSError as error:
                lost = error
                again.append((teller, events))
        if lost:
            requests[:] = again
            raise lost
        return again


class _Abandoned(Exception):
    pass


class Load:
    """Starts at once.  `addresses` may be changed on the way; finish() waits until each request has its ack."""

    def __init__(self, *addresses, clients=4, tenants=2, seed=1, shift=0, pause=0.03, timeout=8):
        self.addresses = list(addresses)
        self.seed, self.shift, self.pause, self.timeout = seed, shift, pause, timeout
        self.ending = threading.Event()
        self.abandon = False
        self.lock = threading.Lock()
        self.events = {}                          # event_id -> event, as sent
        self.acked = {}                           # event_id -> (shard, position)
        self.refusals = collections.Counter()     # by code
        self.cuts = 0                             # connections lost or refused
        self.wrong = []
        self.writers = [_Writer(self, i, tenants) for i in range(clients)]
        for w in self.writers:
            w.start()

    def sending(self, events):
        with self.lock:
            for e in events:
                self.events[e["event_id"]] = e

    def take(self, events, ack):
        duplicates = dict(ack["duplicates"])
        position = ack["first"]
        with self.lock:
            for i, e in enumerate(events):
                if i in duplicates:
                    at = duplicates[i]
                else:
                    at = position
                    position += 1
                place = (ack["shard"], at)
                if self.acked.setdefault(e["event_id"], place) != place:
                    self.wrong.append("%s was acked at %r and again at %r" % (e["event_id"], self.acked[e["event_id"]], place))
            if len(duplicates) < len(events) and position != ack["last"] + 1:
                self.wrong.append("an ack of %d events, %d of them there, says %d to %d" %
                                  (len(events), len(duplicates), ack["first"], ack["last"]))

    def count(self):
        return len(self.acked)

    def more(self, count=200, seconds=60):
        """Waits until so many more events are acked."""
        aim = self.count() + count
        return wait_until(lambda: self.count() >= aim, seconds, "%d more acks; there are %d" % (count, self.count() - aim + count))

    def finish(self, seconds=90):
        self.ending.set()
        end = time.monotonic() + seconds
        for w in self.writers:
            w.join(max(0.1, end - time.monotonic()))
        left = sum(w.is_alive() for w in self.writers)
        self.abandon = True
        note("%d events acked, %d connections cut, refusals %s" % (len(self.acked), self.cuts, dict(self.refusals)))
        return same(left, 0, "every request of every client was answered in the end")


def stored(engine):
    """event_id -> everything a producer said, and where it stands; not what the engine itself journals."""
    rows = engine.sql("select event_id, shard, position, tenant_id, event_type, entity_id, coalesce(conversation_id::text, ''),"
                      " to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), payload from verbatim.event_log"
                      " where shard > 0 and event_type not in ('sla.warning', 'sla.breached')")
    return {r[0]: ((int(r[1]), int(r[2])), tuple(r[3:8]), json.loads(r[8])) for r in rows}


def check_acks(engine, *loads, others=()):
    """`others`: event_ids that may be there besides, and need not."""
    log = stored(engine)
    wrong, missing, moved, changed = [], [], [], []
    sent = {}
    for load in loads:
        wrong += load.wrong
        sent.update(load.events)
        for event_id, place in load.acked.items():
            if event_id not in log:
                missing.append(event_id)
            elif log[event_id][0] != place:
                moved.append((event_id, place, log[event_id][0]))
    for event_id, (place, envelope, payload) in log.items():
        e = sent.get(event_id)
        if e and (payload != e["payload"] or envelope != (e["tenant_id"], e["event_type"], e["entity_id"],
                                                          e.get("conversation_id", ""), e["occurred_at"])):
            changed.append(event_id)
    ok(sum(load.count() for load in loads) > 0, "the load was acked at all")
    same(wrong[:5], [], "no answer contradicted another")
    same(missing[:5], [], "every acked event is in the log")
    same(moved[:5], [], "at its acked position")
    same(changed[:5], [], "with the content that was sent")
    same(sorted(set(log) - set(sent) - set(others))[:5], [], "nothing else is in the log")
    same(sorted(set(sent) - set(log))[:5], [], "what was retried is stored as well, once")


COUNTS = """
with born as (
    select tenant_id, entity_id as id, position from verbatim.event_log where event_type = 'conversation.created'),
said as (
    select b.tenant_id, b.id, count(*) as n, max(e.occurred_at) as at
    from verbatim.event_log e join born b on b.tenant_id = e.tenant_id and b.id = e.conversation_id and b.position < e.position
    where e.event_type in ('message.received', 'message.sent') group by 1, 2)
select count(*) from born b
left join said s using (tenant_id, id)
left join core.conversations c using (tenant_id, id)
where c.id is null or c.message_count is distinct from coalesce(s.n, 0) or c.last_message_at is distinct from s.at"""

MESSAGES = """
select count(*) from (select tenant_id, entity_id as id, payload->>'content' as content from verbatim.event_log
                      where event_type in ('message.received', 'message.sent')) e
full join core.messages m using (tenant_id, id) where m.content is distinct from e.content"""


def tables(engine):
    return [r[0] for r in engine.sql("select relname from pg_class where relnamespace = 'generations'::regnamespace"
                                     " and relkind in ('r', 'p') and relname !~ '_(old|shadow)$' order by 1")]


def digests(engine):
    """Of each physical table of a read model: number of rows and their hash."""
    sums = {}
    for name in tables(engine):
        sums[name] = engine.sql("select count(*), md5(coalesce(string_agg(t::text, E'\\n' order by t::text), ''))"
                                " from generations.%s t" % name)[0]
    return sums


def refold(engine):
    """The digests of read models that a second engine folds from a copy of the log, from position 1."""
    name = "refold_" + uuid.uuid4().hex[:8]
    source = engine.db or engine.conninfo()
    target = source.replace("dbname=verbatim", "dbname=" + name)
    engine.sql("create database " + name)
    dump = subprocess.Popen(["pg_dump", "-d", source], stdout=subprocess.PIPE)
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target], stdin=dump.stdout, stdout=subprocess.DEVNULL, check=True)
    dump.stdout.close()
    dump.wait()
    second = Engine(db=target, start=False)
    second.env.pop("VERBATIM_FAULT", None)
    if engine.env.get("VERBATIM_CLOCK_SHIFT"):
        second.env["VERBATIM_CLOCK_SHIFT"] = engine.env["VERBATIM_CLOCK_SHIFT"]
        second.binary = engine.binary
    names = ", ".join("generations." + t for t in tables(second))
    second.sql("truncate verbatim.projection_batch, verbatim.lease, " + names)
    second.start()
    second.settle()
    sums = digests(second)
    roots = roots_hold(second)
    second.stop()
    engine.sql("drop database %s with (force)" % name, check=False)
    return sums, roots


def check(engine, *loads, fold=True, seconds=120):
    """The oracle.  The engine runs, the loads have finished."""
    ok(engine.settle(seconds), "the read models come to the head of the log")
    check_acks(engine, *loads)
    check_log(engine)
    same(engine.one(COUNTS), "0", "message counts and last messages equal a fold in SQL")
    same(engine.one(MESSAGES), "0", "messages equal a fold in SQL")
    if fold:
        live = digests(engine)
        again, roots = refold(engine)
        for name in sorted(live):
            if live[name] != again.get(name):
                note("%s: %s rows live, %s folded anew" % (name, live[name][0], again.get(name, [None])[0]))
        ok(live == again, "every read model equals a fresh fold of the log")
        ok(roots, "and the copy of the log is as good as the log")


def postgres_program(name):
    """A program of the server's own, of the newest version there is."""
    import glob
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name), key=lambda p: int(p.split("/")[4]))
    return found[-1] if found else name


def as_postgres(*words, check=True):
    """Runs one of PostgreSQL's programs as the user that may."""
    command = list(words)
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] + command
    return subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/")


class Session:
    """A stranger's open psql on the database: what it is told stays in its transaction."""

    def __init__(self, conninfo):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def tell(self, text):
        """Waits until it is done; what it printed."""
        self.psql.stdin.write(text.rstrip(";") + ";\n\\echo done.\n")
        self.psql.stdin.flush()
        said = []
        for line in self.psql.stdout:
            if line.strip() == "done.":
                return said
            said.append(line.strip())
        raise RuntimeError("psql: " + self.psql.stderr.read())

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()
        self.psql.stderr.close()


class Server:
    """Somebody's PostgreSQL, which the test starts and stops; an engine uses it with --db.

    `options` are the server's own, and `initdb` the words for making it below `folder`; made=False: a test makes it."""

    def __init__(self, folder=None, options="", initdb=(), made=True):
        self.folder = folder or temporary_folder()
        self.cluster = os.path.join(self.folder, "pg")
        self.options = "-k %s -p 5433 -c listen_addresses= %s" % (self.folder, options)
        self.conninfo = "host=%s port=5433 dbname=verbatim user=postgres" % self.folder
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        if made:
            self.make(initdb)

    def make(self, initdb):
        as_postgres(postgres_program("initdb"), "-D", self.cluster, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", *initdb)
        atexit.register(self.down, "immediate", False)
        self.up()
        subprocess.run(["psql", "-X", "-q", "-d", self.conninfo.replace("dbname=verbatim", "dbname=postgres"),
                        "-c", "create database verbatim"], check=True)

    def up(self):
        """Again and again: the backends of a killed server take a moment to notice."""
        if not wait_until(self.start_once, 60):
            raise RuntimeError("the server does not start")

    def start_once(self):
        return as_postgres(postgres_program("pg_ctl"), "start", "-D", self.cluster, "-w", "-l", os.path.join(self.folder, "log"),
                           "-o", self.options, check=False).returncode == 0

    def down(self, how="fast", check=True):
        as_postgres(postgres_program("pg_ctl"), "stop", "-D", self.cluster, "-m", how, "-w", check=check)

    def kill(self):
        with open(os.path.join(self.cluster, "postmaster.pid")) as f:
            os.kill(int(f.readline()), signal.SIGKILL)

    def copy(self, name):
        """A copy of its files as they are now; the server must be down."""
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)
        subprocess.run(["cp", "-a", self.cluster, os.path.join(self.folder, name)], check=True)

    def restore(self, name):
        shutil.rmtree(self.cluster)
        subprocess.run(["cp", "-a", os.path.join(self.folder, name), self.cluster], check=True)


class Standby(Server):
    """A streaming standby of another server, at an address of its own."""

    def __init__(self, primary):
        super().__init__(made=False)
        as_postgres(postgres_program("pg_basebackup"), "-D", self.cluster, "-R", "-X", "stream", "-c", "fast",
                    "-d", primary.conninfo.replace("dbname=verbatim", "dbname=postgres"))
        atexit.register(self.down, "immediate", False)
        self.up()

    def promote(self):
        as_postgres(postgres_program("pg_ctl"), "promote", "-D", self.cluster, "-w")


def either(*servers):
    """libpq's words for whichever of the servers takes writes."""
    return "host=%s port=%s dbname=verbatim user=postgres target_session_attrs=read-write" % (
        ",".join(s.folder for s in servers), ",".join("5433" for _ in servers))
