#!/usr/bin/python3
"""store - test/e2e/store.c, rows.c and due.c, each on an empty database of a real server: the store's functions one by one."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

server = Engine()
for program in ("store", "rows", "due"):
    server.sql("create database test_" + program)
    result = subprocess.run([os.path.join(ROOT, BUILD, "test", "e2e", program)], stdout=subprocess.PIPE, text=True,
                            env=dict(os.environ, VERBATIM_TEST_DB=server.conninfo().replace("dbname=verbatim", "dbname=test_" + program)))
    for line in result.stdout.splitlines():
        if line.startswith(("ok ", "not ok ")):
            ok(line.startswith("ok "), program + ": " + line.split(" - ", 1)[-1])
        elif line.startswith("#"):
            print(line)
    same(result.returncode, 0, program + " ends with status 0")
done()
