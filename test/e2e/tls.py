#!/usr/bin/python3
"""tls - TLS 1.3 between engine and clients: who is let in, who is not, and what those who do not keep to it can do.

The clients are openssl's s_client, Python's ssl (with the socket, or in memory, where a test cuts records up), pynvim's session
through a tunnel, and verbatim's own commands.  Certificates are made here, by openssl.
"""
import hashlib
import os
import select
import signal
import ssl
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.certificates import *

if not shutil.which("openssl"):
    skip_all("openssl is not installed")

folder = temporary_folder()
ca, stranger = Authority(folder), Authority(folder, "stranger")
first, second = ca.sign(), ca.sign()
used = os.path.join(folder, "used")  # what the engine is told to read, so that a test can put others there
os.mkdir(used)
CERT, KEY, CLIENT_CA = (os.path.join(used, name) for name in ("engine.pem", "engine.key", "clients.pem"))


def put(certificate):
    for source, to in ((certificate.cert, CERT), (certificate.key, KEY)):
        with open(source, "rb") as f, open(to + ".new", "wb") as g:
            os.fchmod(g.fileno(), 0o600)
            g.write(f.read())
        os.rename(to + ".new", to)


put(first)
shutil.copy(ca.cert, CLIENT_CA)
MEMORY = 64 << 20
OVERHEAD = 40 << 20 if "san" not in BINARY else 1 << 30
TLS = ["--tls-cert", CERT, "--tls-key", KEY]
engine = Engine(args=[*TLS, "--tls-client-ca", CLIENT_CA, "--hello", "6s", "--memory", "64M"])
host, port = engine.address.split(":")
maker = Maker(seed=61)
customer = maker.customer()
conversation = maker.conversation(customer["entity_id"])
HELLO = msgpack.packb([0, 1, "hello", [1, engine.key, "tls"]])
ok(Client(engine.unix).call("ping", 1) == 1, "beside TLS on TCP the Unix socket is plain")


def context(trust=ca, own=None):
    c = ssl.create_default_context(cafile=trust.cert)
    if own:
        c.load_cert_chain(own.cert, own.key)
    return c


def client(name="localhost", trust=ca, own=None, **kw):
    return Client(engine.address, tls=context(trust, own), name=name, **kw)


def verdict(call):
    """What a client comes to, as a word."""
    try:
        return call()
    except ssl.SSLCertVerificationError as e:
        return e.verify_message
    except ssl.SSLError as e:
        return e.reason or str(e)
    except (ConnectionError, socket.timeout) as e:
        return type(e).__name__


def s_client(*args, text=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", engine.address, "-CAfile", ca.cert, "-verify_return_error", *args],
                          input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.decode(errors="replace")


def served(what):
    """After each attempt: the engine lives, within its memory, and serves whoever keeps to the rules."""
    c = client(timeout=60)
    ack = c.append([maker.received(conversation["entity_id"], "after " + what)])
    ok(c.wait(ack)["position"] >= ack["last"] and engine.alive(), what + ": others are served")
    c.close()
    if not ok(engine.resident() < MEMORY + OVERHEAD, what + ": memory is bounded"):
        note("%d MiB" % (engine.resident() >> 20))


def raw(timeout=30):
    s = socket.create_connection((host, int(port)), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Records:
    """TLS in memory: the socket is fed by hand."""

    def __init__(self, own=None, greet=True):
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(own=own).wrap_bio(self.input, self.output, server_hostname="localhost")
        self.socket = raw()
        if greet:
            self.drive(self.tls.do_handshake)
            self.socket.sendall(self.output.read())
            self.call(HELLO)

    def drive(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if self.output.pending:
                    self.socket.sendall(self.output.read())
                data = self.socket.recv(1 << 16)
                if not data:
                    raise ConnectionError("closed")
                self.input.write(data)

    def wrap(self, data):
        self.tls.write(data)
        return self.output.read()

    def call(self, data):
        self.socket.sendall(self.wrap(data))
        return self.answer()

    def answer(self):
        unpacker = msgpack.Unpacker(raw=False, timestamp=1, strict_map_key=False, max_buffer_size=1 << 28)
        while True:
            unpacker.feed(self.drive(lambda: self.tls.read(1 << 16)))
            for message in unpacker:
                return message


# ---- who speaks what ----

text = s_client("-tls1_3", text=b"Q\n")
ok("TLSv1.3" in text and "Verification: OK" in text, "openssl s_client: TLS 1.3, the certificate is good")
ok("New Session Ticket" not in text and "Early data was not sent" in text, "no session tickets, no early data")
for version in ("-tls1_2", "-tls1_1"):
    ok("alert protocol version" in s_client(version, "-cipher", "ALL:@SECLEVEL=0"), "openssl s_client %s is refused" % version)
out = engine.run("status", "--to", "127.0.0.1:" + port)
ok(out.returncode and "speaks TLS" in out.stderr and "tls://" in out.stderr, "a plain client is told: " + out.stderr.strip())

one = client(own=None)
ack = one.append([customer, conversation])
same((ack["last"] - ack["first"], one.wait(ack)["position"] >= ack["last"]), (1, True), "Python's ssl: append and wait")
same(len(one.call("read", 1, {"tenant_id": maker.tenant}, 10)["events"]), 2, "and read")
same(one.socket.version(), "TLSv1.3", "over TLS 1.3")
s = context().wrap_socket(raw(), server_hostname="localhost", suppress_ragged_eofs=False)
s.sendall(HELLO + b"\xc1")
data = b""
while True:
    piece = s.recv(1 << 16)  # raises when the end is not told
    if not piece:
        break
    data += piece
ok(b"protocol" in data, "a fault is answered, and the end is told by close_notify")

try:
    from pynvim import msgpack_rpc
except ImportError:
    ok(True, "pynvim over TLS # SKIP python3-pynvim is not installed")
else:
    session = msgpack_rpc.child_session(["openssl", "s_client", "-quiet", "-connect", engine.address, "-CAfile", ca.cert,
                                         "-verify_return_error", "-verify_quiet", "-tls1_3"])
    session.request("hello", 1, engine.key, "pynvim")
    got = session.request("append", [maker.received(conversation["entity_id"], "by pynvim")], {})
    same(got["duplicates"], [], "pynvim's session through openssl s_client appends")
    session.close()

# ---- whom clients believe ----

to = "tls://localhost:" + port
same(engine.run("status", "--to", to, "--tls-ca", ca.cert, "--json").returncode, 0, "verbatim status over TLS")
same(engine.run("status", "--to", "localhost:" + port, "--tls", "--tls-ca", ca.cert, "--json").returncode, 0, "likewise with --tls")
same(engine.run("status", "--to", "tls://127.0.0.1:" + port, "--tls-ca", ca.cert, "--json").returncode, 0, "and by number")
same(engine.run("status", "--to", "unix:" + engine.unix, "--json").returncode, 0, "and by the Unix socket")
for name, args, words in (("a CA that the system does not know", ["--to", to], "--tls-ca"),
                          ("another CA", ["--to", to, "--tls-ca", stranger.cert], "signed by nobody we know"),
                          ("a file that is no CA", ["--to", to, "--tls-ca", KEY], "no certificates")):
    out = engine.run("status", *args)
    ok(out.returncode and words in out.stderr, "%s: %s" % (name, out.stderr.strip()))
same(verdict(lambda: client(trust=stranger)), "unable to get local issuer certificate", "neither does Python believe another CA")
ok("mismatch" in verdict(lambda: client(name="example.org")), "nor that this is example.org")

# ---- who clients are ----

known, foreign, old, wrong = ca.sign(None, "clientAuth"), stranger.sign(None, "clientAuth"), ca.expired(names=None, purpose="clientAuth"), ca.sign(None, "serverAuth")
commands = ["--to", to, "--tls-ca", ca.cert, "--json"]


def bring(certificate):
    return engine.run("status", *commands, "--tls-cert", certificate.cert, "--tls-key", certificate.key)


same(client(own=known).call("ping", 1), 1, "--tls-client optional: one with a certificate of the CA is let in")
same(bring(known).returncode, 0, "and so is verbatim status")
for name, certificate in (("of another CA", foreign), ("that has expired", old), ("that is none for clients", wrong)):
    ok(verdict(lambda: client(own=certificate).call("ping", 1)) != 1, "one with a certificate %s is not" % name)
    out = bring(certificate)
    ok(out.returncode and "certificate" in out.stdout, "and is told why: " + out.stdout.strip())
made = engine.run("key", "create", "--data", engine.data, "--name", "machine", "--scope", "append,read", "--tenant", maker.tenant, "--certificate", known.cert)
ok(made.returncode == 0, "a certificate stands for a key " + made.stderr.strip())


def by_certificate():
    c = client(own=known, token="")
    got = (c.append([maker.received(conversation["entity_id"], "by certificate")])["last"] > 0,
           refused(lambda: c.append([Maker(seed=62).customer()]), "forbidden", "but not of another") is not None)
    c.close()
    return got


same(by_certificate(), (True, True), "with it alone, and no key, its holder appends events of the key's tenant")
refused(lambda: client(own=ca.sign(None, "clientAuth"), token=""), "unauthorized", "a certificate that stands for no key opens nothing")
refused(lambda: client(token=""), "unauthorized", "nor does none")
served("clients' certificates")

# ---- those who do not keep to it ----

dice = random.Random(int(time.time()))
answers = set()
for i in range(100):
    s = raw()
    try:
        s.sendall((b"\x16" if i % 2 else b"") + bytes(dice.getrandbits(8) for _ in range(dice.randrange(1, 600))))
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    answers.add((rest(s) or b"\0")[0])
    s.close()
ok(answers <= {0x00, 0x15, 0x94}, "garbage is answered by an alert, or in words, or not at all: %s" % sorted(answers))
s = raw()
s.sendall(b"GET / HTTP/1.1\r\n\r\n")
ok(b"tls://" in rest(s), "a browser is told that this is TLS")
served("garbage")

begin = Records(greet=False)
try:
    begin.tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = begin.output.read()
half, drip = raw(), raw()
half.sendall(hello[:len(hello) // 2])
started = time.monotonic()
for i in range(len(hello)):
    try:
        drip.sendall(hello[i:i + 1])
        if select.select([drip], [], [], 0.25)[0] and not drip.recv(100):
            break
    except OSError:
        break
ok(i < len(hello) - 1, "a handshake that comes byte by byte is closed by --hello, after %.1f s" % (time.monotonic() - started))
ok(rest(half) is not None, "and so is half a one that stays silent")
try:
    begin.socket.sendall(hello)
except OSError:
    pass
ok(rest(begin.socket) is not None, "and one that ends after the engine's answer")
served("half handshakes")

cut = Records()
record = cut.wrap(msgpack.packb([0, 2, "ping", ["x" * 3000]]))
cut.socket.sendall(record[:1000])
time.sleep(0.2)
same(client().call("ping", 2), 2, "while one waits with half a record, others are served")
cut.socket.sendall(record[1000:])
same(cut.answer()[1], 2, "the other half completes it")
pieces = cut.wrap(msgpack.packb([0, 3, "ping", ["y" * 40000]]))
for i in range(0, len(pieces), 700):
    cut.socket.sendall(pieces[i:i + 700])
same((lambda a: (a[1], len(a[3])))(cut.answer()), (3, 40000), "three records in sixty pieces are one request")
cut.socket.sendall(b"".join(cut.wrap(msgpack.packb([0, n, "ping", [n]])) for n in range(10, 200)))
same(cut.answer()[1], 10, "and two hundred records in one piece as many")
cut.socket.sendall(cut.wrap(msgpack.packb([0, 201, "ping", [1]]))[:20])
cut.socket.close()
bad = Records()
record = bytearray(bad.wrap(msgpack.packb([0, 2, "ping", [1]])))
record[-1] ^= 1
bad.socket.sendall(record)
ok(rest(bad.socket), "a record that somebody changed ends its connection with an alert")
bad = Records()
bad.socket.sendall(b"\x17\x03\x03\xff\xff" + b"x" * 70000)
ok(rest(bad.socket) is not None, "a record that claims more than a record may have ends it, too")
served("records cut and changed")

# ---- much, and slow ----

big = maker.received(conversation["entity_id"], "x" * 9000)
request = [dict(maker.received(conversation["entity_id"], "x" * 9000)) for _ in range(400)]
ack = client(timeout=120).append(request)
same(ack["last"] - ack["first"], 399, "a request of %d kB" % (len(msgpack.packb(request)) >> 10))
s = context().wrap_socket(raw(), server_hostname="localhost")
try:
    s.sendall(HELLO + msgpack.packb([0, 2, "ping", ["x" * (5 << 20)]]))
except OSError:
    pass
ok(b"too_large" in (rest(s) or b""), "one of five MiB is over the limit")

deaf = []
for _ in range(20):
    s = context().wrap_socket(raw(), server_hostname="localhost")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(HELLO + b"".join(msgpack.packb([0, i, "read", [1, {"tenant_id": maker.tenant}, 1000]]) for i in range(2, 60)))
    deaf.append(s)
slow = context().wrap_socket(raw(60), server_hostname="localhost")
slow.sendall(HELLO + b"".join(msgpack.packb([0, i, "read", [1, {"tenant_id": maker.tenant}, 1000]]) for i in range(2, 8)))
served("twenty who read nothing")
unpacker, got = msgpack.Unpacker(raw=False, timestamp=1, max_buffer_size=1 << 28), {}
try:
    while len(got) < 7:
        data = slow.recv(16000)
        if not data:
            break
        time.sleep(0.001)
        unpacker.feed(data)
        for m in unpacker:
            got[m[1]] = m[2]
except OSError as e:
    note(repr(e))
same((len(got), set(got.values())), (7, {None}), "who takes its answers slowly gets all of them")
[s.close() for s in deaf]
slow.close()

many = [client(timeout=60) for _ in range(200)]
numbers = [c.send("append", [maker.received(conversation["entity_id"], "one of many")]) for c in many]
same(sum(c.recv(n)["last"] > 0 for c, n in zip(many, numbers)), 200, "two hundred connections at a time")
before = engine.resident()
served("two hundred connections")
[c.close() for c in many]

# ---- another certificate ----


def reload(words):
    """SIGHUP, and what the diary says then."""
    at = os.path.getsize(engine.log)
    engine.signal(signal.SIGHUP)

    def said():
        with open(engine.log) as f:
            f.seek(at)
            return next((line for line in f if words in line), None)
    return wait_until(said, 30, "the diary does not say: " + words)


def shown():
    """The fingerprint of what new connections get."""
    s = ssl._create_unverified_context().wrap_socket(raw())
    digest = hashlib.sha256(s.getpeercert(True)).hexdigest()
    s.close()
    return digest


want = {c: hashlib.sha256(c.der()).hexdigest() for c in (first, second)}
same(shown(), want[first], "the first certificate is shown")
held = client()
put(second)
same(shown(), want[first], "another in its place is nothing yet")
ok(reload(want[second]), "SIGHUP: the diary tells its fingerprint")
same(shown(), want[second], "and new connections get it")
same(held.call("ping", 5), 5, "those that were open go on")
same(engine.run("status", "--json", "--data", engine.data).returncode, 0, "commands beside the engine know the new one")


def broken(name, change, words):
    put(second)
    change()
    line = reload("certificate of before stays")
    ok(line and words in line, "SIGHUP with %s: %s" % (name, line and json.loads(line)["text"]))
    same(shown(), want[second], "the certificate of before stays")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def swap_key():
    shutil.copy(first.key, KEY)


broken("a certificate of nonsense", lambda: write(CERT, "nonsense\n"), "no certificate in PEM form")
broken("a key of nonsense", lambda: write(KEY, "nonsense\n"), "no private key in PEM form")
broken("another's key", swap_key, "does not belong")
broken("a key that all can read", lambda: os.chmod(KEY, 0o644), "chmod 600")
broken("no file", lambda: os.unlink(CERT), "cannot open")
broken("a certificate that has expired", lambda: put(ca.expired()), "expired")
broken("no CA for clients", lambda: write(CLIENT_CA, ""), "no certificates in PEM form")
shutil.copy(ca.cert, CLIENT_CA)
put(first)
ok(reload(want[first]), "and with good files all is well again")
same(held.call("ping", 6), 6, "the connection of the very first certificate has lived through it all")

# ---- starting ----


def refuses(words, name, *args):
    out = engine.run("serve", "--data", os.path.join(folder, "never"), *args, timeout=60)
    ok(out.returncode and words in out.stderr, "%s: %s" % (name, out.stderr.strip().splitlines()[-1]))


refuses("go together", "a certificate without key", "--tls-cert", CERT)
refuses("TLS needs --tls-cert", "tls: without certificate", "--listen", "tls:127.0.0.1:0")
refuses("leave out plain:", "plain: for other machines", *TLS, "--listen", "plain:0.0.0.0:0")
refuses("--tls-client-ca", "clients' certificates without their CA", *TLS, "--tls-client", "required")
os.chmod(KEY, 0o640)
refuses("chmod 600", "a key that others can read", *TLS)
os.chmod(KEY, 0o600)
held.close()
same(engine.stop(), 0, "the engine ends in good order")

locked = ca.sign(passphrase="planted-passphrase")
put(locked)
refuses("VERBATIM_TLS_PASSPHRASE", "an encrypted key without its passphrase", *TLS)
engine.args = [*TLS, "--tls-client-ca", CLIENT_CA, "--tls-client", "required", "--listen", "plain:127.0.0.1:0"]
engine.start(env={"VERBATIM_TLS_PASSPHRASE": "planted-passphrase"})
with open(os.path.join(engine.data, "engine.json")) as f:
    where = {a.split()[0]: a.split()[1] for a in json.load(f)["addresses"]}
host, port = where["tls"].split(":")
engine.address = where["tls"]
engine.learn_key()
to = "tls://localhost:" + port
same(Client(where["tcp"], token=engine.key).call("ping", 1), 1, "an encrypted key is opened; plain: on the loopback is plain")
ok(verdict(lambda: client().call("ping", 1)) in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "ConnectionResetError", "ConnectionError"),
   "--tls-client required: nobody without a certificate")
out = engine.run("status", "--to", to, "--tls-ca", ca.cert)
ok(out.returncode and "--tls-cert" in out.stderr, "who is told so: " + out.stderr.strip())
same(client(own=known).call("ping", 1), 1, "with one it serves")
commands[1] = to
same(bring(known).returncode, 0, "and verbatim status, too")
same(engine.stop(), 0, "it ends in good order")

put(ca.expired())
engine.args = TLS
engine.start()
ok("expired at 2020" in engine.tail(), "a start with a certificate that has expired is warned of")
ok("expired" in str(verdict(client)), "and clients refuse it")
out = engine.run("status", "--to", "tls://localhost:" + engine.address.split(":")[1], "--tls-ca", ca.cert)
ok(out.returncode and "expired" in out.stderr, "verbatim, too: " + out.stderr.strip())
put(ca.sign("DNS:elsewhere.example"))
ok(reload("new connections get"), "one for another host")
out = engine.run("status", "--to", "tls://localhost:" + engine.address.split(":")[1], "--tls-ca", ca.cert)
ok(out.returncode and "not for \"localhost\"" in out.stderr, "is not believed: " + out.stderr.strip())
same(engine.run("status", "--json", "--data", engine.data).returncode, 0, "but by commands beside the engine, who know it by its fingerprint")
engine.settle()
check_log(engine)
same(engine.stop(), 0, "it ends in good order")
done()
