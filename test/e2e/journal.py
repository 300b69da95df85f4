#!/usr/bin/python3
"""journal - test/e2e/journal.c on a real server, while an engine appends to the same shard, and after it has ended."""
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
engine.sql("create database test_empty")
engine.sql("create role looker login; grant verbatim_auditor to looker")
env = dict(os.environ, VERBATIM_TEST_DB=engine.conninfo(), VERBATIM_TEST_DB_READER=engine.conninfo(user="looker"),
           VERBATIM_TEST_DB_EMPTY=engine.conninfo().replace("dbname=verbatim", "dbname=test_empty"))


def run(when):
    result = subprocess.run([os.path.join(ROOT, BUILD, "test", "e2e", "journal")], stdout=subprocess.PIPE, text=True, env=env)
    for line in result.stdout.splitlines():
        if line.startswith(("ok ", "not ok ")):
            ok(line.startswith("ok "), when + ": " + line.split(" - ", 1)[-1])
        elif line.startswith("#"):
            print(line)
    same(result.returncode, 0, when + ": ends with status 0")


run("beside an engine")
maker = Maker()
ack = engine.client().append([maker.customer()])
same(ack["first"], 1, "the engine goes on appending")
engine.settle()
second = Engine(db=engine.conninfo())
run("beside two engines")
second.stop()
check_log(engine)
done()
