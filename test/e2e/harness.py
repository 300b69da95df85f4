"""harness - what the end-to-end tests share: TAP, engines on private clusters, a client, SQL.

An engine is the real binary on a PostgreSQL cluster of its own below a temporary folder, with real sockets;
nothing of the system's is touched.  Everything that a test started is ended when it exits, however it exits.
The client here is deliberately naive: Debian's msgpack for Python over a socket, by the protocol's page.
"""
import atexit
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import msgpack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
os.environ.setdefault("VERBATIM_READERS_WAIT", "3s")  # a test machine may be too busy to replace all views in a moment
BINARY = os.path.join(ROOT, os.environ.get("VERBATIM_BIN", os.path.join(BUILD, "verbatim")))

_count = 0
_failed = 0


def ok(condition, name):
    """One TAP line; True when it passed."""
    global _count, _failed
    _count += 1
    name = str(name).replace("#", " ").replace("\n", " ")
    print(("ok" if condition else "not ok") + " %d - %s" % (_count, name), flush=True)
    if not condition:
        _failed += 1
        frame = sys._getframe(1)
        while frame.f_code.co_name in ("same", "refused"):
            frame = frame.f_back
        print("# at %s:%d" % (os.path.basename(frame.f_code.co_filename), frame.f_lineno), flush=True)
    return bool(condition)


def same(got, want, name):
    passed = ok(got == want, name)
    if not passed:
        print("#   got  %r" % (got,))
        print("#   want %r" % (want,), flush=True)
    return passed


def note(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def failures():
    return _failed


def done():
    print("1..%d" % _count, flush=True)
    sys.exit(1 if _failed else 0)


def skip_all(reason):
    print("1..0 # SKIP " + reason, flush=True)
    sys.exit(0)


def debug_binary():
    """The build with named fault points, made when it is not there."""
    if "VERBATIM_DEBUG_BIN" in os.environ:
        return os.environ["VERBATIM_DEBUG_BIN"]
    path = os.path.join(ROOT, "build", "debug", "verbatim")
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "debug.lock"), "w") as lock:  # tests run side by side, make does not
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", ROOT, "MODE=debug", "build/debug/verbatim"], check=True,
                       stdout=subprocess.DEVNULL)
    return path


def wait_until(condition, seconds, what=None):
    """Polls; the last value of the condition."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            if not value and what:
                note("gave up after %g s: %s" % (seconds, what))
            return value
        time.sleep(0.02)


class RpcError(Exception):
    def __init__(self, error):
        super().__init__("%s: %s" % (error.get("code"), error.get("message")))
        self.code = error.get("code")
        self.kind = error.get("class")
        self.field = error.get("field")
        self.index = error.get("index")
        self.position = error.get("position")
        self.error = error


def refused(call, code, name, **want):
    """The call must end in this error; `want` names what its map says besides (field, index, position)."""
    try:
        result = call()
    except RpcError as error:
        got = dict({k: error.error.get(k) for k in want}, code=error.code)
        same(got, dict(want, code=code), name)
        return error
    ok(False, name)
    note("was not refused: %r" % (result,))
    return None


def rest(s):
    """What still comes on a socket until the engine closes it; None when it does not."""
    data = b""
    try:
        while True:
            piece = s.recv(1 << 16)
            if not piece:
                return data
            data += piece
    except ConnectionResetError:
        return data
    except socket.timeout:
        return None


def children(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def family(postmaster):
    """PostgreSQL's processes, their parent last."""
    return children(postmaster) + [postmaster]


def send_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


keys = {}  # by an engine's address: what its own user's clients bring, as soon as it is ready


class Client:
    """One connection; with `tls` (an ssl.SSLContext) the engine must be `name`.  call() waits for its answer; send() and recv() are for pipelining."""

    def __init__(self, address, hello=True, timeout=30, token=None, tls=None, name=None):
        self.token = keys.get(address, "") if token is None else token
        if address.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)), timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.unpacker = msgpack.Unpacker(raw=False, timestamp=3, strict_map_key=False, max_buffer_size=1 << 28)
        self.next = 0
        self.answers = {}
        self.limits = None
        if hello:
            self.hello = self.call("hello", 1, self.token, "harness")
            self.limits = self.hello["limits"]

    def send(self, method, *params):
        self.next += 1
        self.socket.sendall(msgpack.packb([0, self.next, method, list(params)], datetime=True))
        return self.next

    def recv_any(self):
        """The next response as (msgid, error, result)."""
        while True:
            for message in self.unpacker:
                assert message[0] == 1, message
                return message[1], message[2], message[3]
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("closed by the engine")
            self.unpacker.feed(data)

    def recv(self, msgid):
        while msgid not in self.answers:
            number, error, result = self.recv_any()
            self.answers[number] = (error, result)
        error, result = self.answers.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, *params):
        return self.recv(self.send(method, *params))

    def append(self, events, **options):
        return self.call("append", events, options)

    def wait(self, ack, timeout_ms=30000, models=()):
        return self.call("wait", list(models),
                         [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], ack["leaf"]], timeout_ms)

    def close(self):
        self.socket.close()


_engines = []
_folders = []


def end_engines():
    """Ends what runs, and waits for it."""
    while _engines:
        _engines.pop().end()


@atexit.register
def _end_all():
    end_engines()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the clean-up above runs


def temporary_folder():
    """A folder that user postgres can reach, too."""
    folder = tempfile.mkdtemp(prefix="vt-")
    os.chmod(folder, 0o755)
    _folders.append(folder)
    return folder


class Engine:
    """`verbatim serve` on `data` (a cluster of its own) or on the database of another engine (`db`)."""

    def __init__(self, data=None, db=None, args=(), env=None, binary=None, start=True):
        self.folder = temporary_folder()
        self.data = data or (None if db else os.path.join(self.folder, "var"))
        self.db = db
        self.args = list(args)
        self.env = dict(os.environ, **(env or {}))
        self.binary = binary or BINARY
        self.unix = os.path.join(self.folder, "sock")
        self.process = None
        self.address = None
        self.key = ""
        self.log = os.path.join(self.folder, "engine.log")
        _engines.append(self)
        if start:
            self.start()

    def where(self):
        return ["--db", self.db] if self.db else ["--data", self.data]

    def start(self, env=None, seconds=60, wait=True):
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", *self.where(), "--listen", "127.0.0.1:0", "--listen", "unix:" + self.unix, *self.args],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=dict(self.env, **(env or {})))
        log.close()
        os.set_blocking(self.process.stdout.fileno(), False)
        self.address = None
        if wait and not self.wait_ready(seconds):
            note(self.tail())
            raise RuntimeError("the engine did not get ready")
        return self

    def wait_ready(self, seconds=60):
        """True when the engine has said that it is ready, and where."""
        seen = b""

        def look():
            nonlocal seen
            seen += self.process.stdout.read() or b""
            for word in seen.decode(errors="replace").replace(",", " ").replace(";", " ").split():
                if word.startswith("127.0.0.1:"):
                    self.address = self.address or word
            return self.address or self.process.poll() is not None
        wait_until(look, seconds)
        if self.address:
            self.learn_key()
        return self.address is not None

    def key_file(self):
        """The key that the engine made for its own user; None when it made none."""
        if self.data:
            path = os.path.join(self.data, "local.key")
        else:
            folder = os.path.join(self.env["XDG_RUNTIME_DIR"], "verbatim") if self.env.get("XDG_RUNTIME_DIR") else "/tmp/verbatim-%d" % os.geteuid()
            found = sorted((f for f in os.listdir(folder) if f.endswith(".json") and self.address in open(os.path.join(folder, f)).read()),
                           key=lambda f: os.path.getmtime(os.path.join(folder, f))) if os.path.isdir(folder) else []
            path = os.path.join(folder, found[-1].split(".")[0] + ".key") if found else ""
        return path if os.path.exists(path) else None

    def learn_key(self):
        path = self.key_file()
        if path:
            with open(path) as f:
                self.key = keys[self.address] = f.read().strip()
            self.env["VERBATIM_API_KEY_FILE"] = path  # for commands that name the engine by its address

    def client(self, **kw):
        return Client(self.address, **kw)

    def tail(self, lines=20):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=60):
        """An orderly end; the exit status."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
        return self.wait_exit(seconds)

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def wait_exit(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            if self.wait_exit(30) is None:
                self.process.kill()
                self.process.wait()
        if self.data and os.path.isdir(self.data):
            pid = self.postmaster()
            if pid:
                try:
                    os.kill(pid, signal.SIGQUIT)
                except ProcessLookupError:
                    pass

    def cluster(self):
        """The folder of the embedded cluster."""
        path = os.path.join(self.data, "pg.path")
        if os.path.exists(path):
            with open(path) as f:
                return f.read().strip()
        return os.path.join(self.data, "pg")

    def postmaster(self):
        """The pid of the embedded server, or None."""
        try:
            with open(os.path.join(self.cluster(), "postmaster.pid")) as f:
                return int(f.readline())
        except (FileNotFoundError, ValueError):
            return None

    def socket_folder(self):
        with open(os.path.join(self.data, "pg.socket")) as f:
            return f.read().strip()

    def resident(self):
        """Bytes of the engine's process in memory."""
        with open("/proc/%d/statm" % self.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def alive(self):
        return self.process.poll() is None

    def conninfo(self, user="postgres"):
        """libpq's words for the embedded server, for psql and for a second engine."""
        return "host=%s port=5432 dbname=verbatim user=%s" % (self.socket_folder(), user)

    def run(self, *args, **kw):
        return subprocess.run([self.binary, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.env, **kw)

    def sql(self, text, user="postgres", check=True):
        """Rows as lists of strings; NULL is ''."""
        result = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-c", text,
                                 self.db or self.conninfo(user)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if check and result.returncode:
            raise RuntimeError("psql: " + result.stderr)
        if result.returncode:
            return result.stderr
        return [row.split("\x1f") for row in result.stdout.rstrip("\n").split("\x1e") if row != ""]

    def one(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None

    def settle(self, seconds=60, beside_load=False):
        """Waits until every read model shows everything that is in the log; beside a load that goes on: that is in it now."""
        heads = "select shard, max(last_position) p from verbatim.log_batch group by shard"
        if beside_load:
            heads = "values " + self.one("select string_agg(format('(%s, %s)', shard, p), ', ') from (" + heads + ") h")

        def caught_up():
            return self.one("select count(*) from (" + heads + ") h (shard, p)"
                            " cross join (select distinct group_name, generation from verbatim.generation where active) g"
                            " left join verbatim.checkpoints c using (group_name, generation, shard)"
                            " where coalesce(c.position, 0) < h.p") == "0"
        return wait_until(caught_up, seconds, "the read models do not catch up")


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%06dZ" % int(seconds % 1 * 1e6)


class Maker:
    """Events of one tenant, from a seed; ids are version 7."""

    def __init__(self, seed=1, tenant=None):
        self.random = random.Random(seed)
        self.tenant = tenant or self.uuid()

    def uuid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def uuid7(self):
        ms = int(time.time() * 1000)
        value = (ms << 80) | self.random.getrandbits(80)
        value = (value & ~(0xF000 << 64)) | (0x7000 << 64)
        value = (value & ~(0xC000 << 48)) | (0x8000 << 48)
        return str(uuid.UUID(int=value))

    def event(self, kind, entity, payload=None, **envelope):
        e = {"event_id": self.uuid7(), "event_type": kind, "tenant_id": self.tenant, "entity_id": entity,
             "actor_type": "api", "occurred_at": rfc3339(time.time()), "payload": payload or {}}
        e.update(envelope)
        return e

    def customer(self, customer=None, **kw):
        customer = customer or self.uuid()
        return self.event("customer.created", customer,
                          {"identities": [{"kind": "email", "value": "someone@shop.example"}], "profile": {"name": "Ada"}}, **kw)

    def conversation(self, customer, conversation=None, **kw):
        conversation = conversation or self.uuid()
        return self.event("conversation.created", conversation,
                          {"customer_id": customer, "initial_channel": "web_chat", "subject": "It does not work"},
                          conversation_id=conversation, **kw)

    def received(self, conversation, text="Where is my parcel?", **kw):
        return self.event("message.received", self.uuid(),
                          {"channel": "web_chat", "direction": "inbound", "sender_type": "customer", "content": text},
                          conversation_id=conversation, **kw)

    def sent(self, conversation, agent=None, text="I will have a look.", **kw):
        payload = {"channel": "web_chat", "direction": "outbound", "sender_type": "agent", "content": text}
        if agent:
            payload["sender_id"] = agent
        return self.event("message.sent", self.uuid(), payload, conversation_id=conversation, **kw)


def check_log(engine):
    """What must hold of any log: gapless, ids once, recorded_at never back, leaves right, batches seamless; TAP lines."""
    same(engine.sql("select shard from verbatim.event_log group by shard having count(*) <> max(position) or min(position) <> 1"),
         [], "positions are gapless from 1 in every shard")
    same(engine.sql("select tenant_id, event_id from verbatim.event_log group by 1, 2 having count(*) > 1"), [],
         "no event stands twice")
    same(engine.one("select count(*) from (select recorded_at < lag(recorded_at) over (partition by shard order by position) b"
                    " from verbatim.event_log) x where b"), "0", "recorded_at never goes back within a shard")
    same(engine.one("select count(*) from verbatim.event_log e where leaf_hash <> verbatim.leaf_hash(e)"), "0",
         "every leaf is that of its row")
    same(engine.one("select count(*) from (select first_position <> coalesce(lag(last_position) over (partition by shard"
                    " order by first_position), 0) + 1 b from verbatim.log_batch) x where b"), "0", "batches join without a seam")
    ok(roots_hold(engine), "the last root of every shard is that of its leaves")


def merkle_root(leaves):
    """RFC 6962, naively."""
    import hashlib
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def roots_hold(engine):
    for shard, root, last in engine.sql("select distinct on (shard) shard, encode(root, 'hex'), last_position from verbatim.log_batch"
                                        " order by shard, first_position desc"):
        leaves = [bytes.fromhex(r[0]) for r in  # the engine may journal something meanwhile
                  engine.sql("select encode(leaf_hash, 'hex') from verbatim.event_log where shard = %s and position <= %s order by position" % (shard, last))]
        if merkle_root(leaves).hex() != root:
            return False
    return True
