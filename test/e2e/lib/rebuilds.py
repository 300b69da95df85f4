"""rebuilds - `verbatim rebuild` and `verbatim check` as a test runs them."""
import json
import subprocess
import time

from harness import *


def command(engine, *words, env=None, wait=True):
    """The command on the engine's database; its output is JSON, for it is no terminal."""
    process = subprocess.Popen([engine.binary, *words, *engine.where(), "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, text=True, env=dict(engine.env, **(env or {})))
    return finish(process) if wait else process


class Outcome:
    def __init__(self, status, out, err):
        self.status, self.error = status, err.strip()
        lines = [json.loads(line) for line in out.splitlines()]
        self.differences = [l for l in lines if "difference" in l]
        self.summary = next((l for l in lines if "read_models" in l or "dropped" in l), {})

    def __repr__(self):
        return "status %r, %s" % (self.status, self.error)


def finish(process, seconds=170):
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += " (it did not end within %d s)" % seconds
    return Outcome(process.returncode, out, err)


def holds(engine, name, *words):
    """A fresh fold of the log equals every live table, row by row."""
    outcome = command(engine, "check", *words)
    passed = ok(outcome.status == 0 and outcome.summary["differences"] == 0, name)
    if not passed:
        note(repr(outcome))
        for line in outcome.differences[:5]:
            note(json.dumps(line))
    return passed


def generate(engine, conversations, seed):
    """Traffic of all types, as `verbatim generate` makes it."""
    line = "%s generate --quiet --conversations %d --seed %d | %s append --quiet --wait - --to %s" % (
        engine.binary, conversations, seed, engine.binary, engine.address)
    result = subprocess.run(line, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=engine.env)
    if result.returncode:
        raise RuntimeError(result.stderr)


def rebuilt_events(engine):
    return [json.loads(r[0]) for r in engine.sql("select payload from verbatim.event_log where event_type = 'log.rebuilt' order by position")]


def shadows(engine):
    """Tables below schema generations that no generation has."""
    return [r[0] for r in engine.sql("select relname from pg_class where relnamespace = 'generations'::regnamespace and relkind = 'r'"
                                     " except select table_name from verbatim.generation order by 1")]
