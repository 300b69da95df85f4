#!/usr/bin/python3
"""libraries - what is loaded when it is needed: commands start without it, and who needs it says what is missing."""
import os
import subprocess

from harness import BINARY, Engine, Maker, done, ok, same, temporary_folder, wait_until

VERSIONS = range(50, 120)  # of ICU; the one that the binary was built for is among them

folder = temporary_folder()


def broken(name, *files):
    """An environment in which these libraries are files that are none."""
    place = os.path.join(folder, name)
    os.mkdir(place)
    for file in files:
        with open(os.path.join(place, file), "w", encoding="utf-8") as f:
            f.write("no library\n")
    return dict(os.environ, LD_LIBRARY_PATH=place)


def run(*words, env=None):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, env=env, timeout=120, check=False)


no_icu = broken("icu", *["libicui18n.so.%d" % v for v in VERSIONS])
no_http = broken("http", "libmicrohttpd.so.12")

# ---- at the start ----
loaded = run("version", env=dict(os.environ, LD_TRACE_LOADED_OBJECTS="1")).stdout
ok("libpq" in loaded and "icu" not in loaded and "microhttpd" not in loaded, "neither ICU nor libmicrohttpd is loaded at the start")
same(run("version", env=no_icu).returncode, 0, "what needs no time zones works without ICU")

# ---- when they are needed ----
engine = Engine(args=["--http", "127.0.0.1:0", "--checkpoint-every", "1s"])
client = engine.client()
maker = Maker()
conversation = maker.uuid()
client.append([maker.event("conversation.created", conversation, {"customer_id": maker.uuid(), "initial_channel": "email"})])
whose = ("--data", engine.data, "--tenant", maker.tenant, "--conversation", conversation)
ok(wait_until(lambda: run("evidence", *whose, "--out", os.path.join(folder, "there.tar")).returncode == 0, 60), "what needs ICU finds it")
for words in (("replay", *whose), ("evidence", *whose, "--out", os.path.join(folder, "case.tar")), ("check", "--data", engine.data)):
    result = run(*words, env=no_icu)
    ok(result.returncode == 78 and "Debian's package libicu" in result.stderr, "%s says what is missing: %s" % (words[0], result.stderr.strip()))
engine.stop()
for env, words, package in ((no_icu, (), "libicu"), (no_http, ("--http", "127.0.0.1:0"), "libmicrohttpd12")):
    result = run("serve", "--data", engine.data, "--listen", "127.0.0.1:0", *words, env=env)
    ok(result.returncode == 78 and "Debian's package " + package in result.stderr, "an engine does not start: " + result.stderr.strip()[-160:])
done()
