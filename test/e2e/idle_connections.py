#!/usr/bin/python3
"""idle_connections - ten thousand clients that greet and fall silent, or as many as the machine's limit of open files allows; and
two hundred under TLS.  What each costs in memory is told and bounded, and who has something to say is served as ever."""
import os
import resource
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.certificates import *

WANTED, LEAST, SECURE = 10000, 2000, 200
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
allowed = hard if hard != resource.RLIM_INFINITY else 1 << 20
count = min(WANTED, allowed - 700)
if count < LEAST:
    skip_all("only %d files may be open" % allowed)
folder = temporary_folder()
ca = Authority(folder) if shutil.which("openssl") else None
certificate = ca and ca.sign()
engine = Engine(args=["--connections", str(count + SECURE + 50), "--idle", "10m", "--listen", "plain:127.0.0.1:0",
                      *(["--tls-cert", certificate.cert, "--tls-key", certificate.key] if ca else [])], start=False)
subprocess.run(["prlimit", "--pid", str(os.getpid()), "--nofile=1024:%d" % allowed], stderr=subprocess.DEVNULL)  # serve raises it by itself
engine.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
with open(os.path.join(engine.data, "engine.json")) as f:
    where = {a.split()[0]: a.split()[1] for a in json.load(f)["addresses"]}
with open("/proc/%d/limits" % engine.process.pid) as f:
    files = next(int(line.split()[3]) for line in f if line.startswith("Max open files"))
ok(files >= count + SECURE, "serve has raised the limit of open files to %d" % files)
HELLO = msgpack.packb([0, 1, "hello", [1, engine.key, "idle"]])
maker = Maker(seed=91)
busy = Client(engine.unix, timeout=60)
customer = maker.customer()
busy.wait(busy.append([customer]))


def greet(address, wrap=lambda s: s):
    host, port = address.split(":")
    s = wrap(socket.create_connection((host, int(port)), timeout=60))
    s.sendall(HELLO)
    unpacker = msgpack.Unpacker(raw=False)
    while True:
        data = s.recv(4096)
        if not data:
            raise ConnectionError("closed")
        unpacker.feed(data)
        for message in unpacker:
            assert message[2] is None, message
            return s


before = engine.resident()
idle = [greet(where["tcp"]) for _ in range(count)]
each = (engine.resident() - before) / count
ok(True, "%d idle connections, %.1f kB of memory each" % (count, each / 1024))
if "san" not in BINARY:
    ok(each < 8192, "which is less than eight")
served = [busy.wait(busy.append([maker.customer()]))["position"] for _ in range(20)]
same(len(served), 20, "beside them others are served")
same(json.loads(engine.run("status", "--json", "--to", "unix:" + engine.unix).stdout)["connections"], count + 2, "status counts them")
if ca:
    context = ssl.create_default_context(cafile=ca.cert)
    before = engine.resident()
    secure = [greet(where["tls"], lambda s: context.wrap_socket(s, server_hostname="localhost")) for _ in range(SECURE)]
    each = (engine.resident() - before) / SECURE
    ok(True, "%d idle connections under TLS, %.1f kB of memory each" % (SECURE, each / 1024))
    if "san" not in BINARY:
        ok(each < 65536, "which is less than sixty-four")
    [s.close() for s in secure]
else:
    ok(True, "TLS # SKIP openssl is not installed")
for s in idle[::2]:
    s.sendall(msgpack.packb([0, 2, "ping", [7]]))
same(sum(msgpack.unpackb(s.recv(100))[3] == 7 for s in idle[::2]), len(idle[::2]), "every second one wakes up and is answered")
[s.close() for s in idle]
ok(wait_until(lambda: json.loads(engine.run("status", "--json", "--to", "unix:" + engine.unix).stdout)["connections"] == 2, 60), "when they have gone, nothing is left")
with open("/proc/%d/status" % engine.process.pid) as f:
    note(next(line for line in f if line.startswith("VmHWM")))
same(engine.stop(), 0, "an orderly end")
done()
