"""replays - what a replay says, and what the live read models say, in one form that can be compared."""
import json
import os
import re
import sys
import time
from datetime import datetime
from decimal import Decimal

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import *

# Traffic whose promises are all due already: what follows from them comes at once, and nothing in the middle of a comparison.
LONG_AGO = ["--end", rfc3339(time.time() - 40 * 86400)]

_time = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def value(v):
    """A column's value whoever printed it: times as instants, numbers exact."""
    if isinstance(v, str) and _time.match(v):
        try:
            return datetime.fromisoformat(v.replace("Z", "+00:00"))
        except ValueError:
            return v
    return v


def loads(text):
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


class Replayer:
    def __init__(self, engine):
        self.engine = engine

    def run(self, *args, user=None, binary=True):
        where = ["--db", self.engine.conninfo(user) if user else self.engine.conninfo()]
        return self.engine.run("replay", *where, *args)

    def objects(self, *args, **kw):
        result = self.run(*args, "--format", "ndjson", **kw)
        if result.returncode:
            note(result.stderr)
        return [loads(line) for line in result.stdout.splitlines()]

    def rows(self, *args, **kw):
        """{read model: {id: row}}"""
        found = {}
        for o in self.objects(*args, "--show", "rows", **kw):
            if o["kind"] == "row":
                found.setdefault(o["read_model"], {})[o["id"]] = {k: value(v) for k, v in o["row"].items()}
        return found


def heads(engine):
    return {int(s): int(p) for s, p in engine.sql("select shard, max(last_position) from verbatim.log_batch group by 1")}


def quiet(engine):
    """What follows from the traffic (breaches, whom a reapply concerns) is in the log and shown: nothing has come for a second."""
    seen, since = None, time.monotonic()
    while time.monotonic() - since < 1:
        engine.settle()
        now = heads(engine)
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.1)


def live_rows(engine):
    """{(tenant, conversation): {read model: {id: row}}} of everything that is a conversation's."""
    found = {}
    tables = engine.sql("select c.table_schema || '.' || c.table_name, bool_or(c.column_name = 'conversation_id') from information_schema.columns c"
                        " join information_schema.columns k using (table_schema, table_name) where k.column_name = 'last_position'"
                        " and c.table_schema in ('core', 'ai', 'analytics', 'audit', 'integration', 'cache') group by 1")
    for table, by_conversation in tables:
        if by_conversation == "t":
            key = "conversation_id"
        elif table in ("core.conversations", "analytics.conversation_facts"):
            key = "id"
        else:
            continue
        for (text,) in engine.sql("select row_to_json(t)::text from %s t" % table):
            row = {k: value(v) for k, v in loads(text).items()}
            if row[key]:
                found.setdefault((row["tenant_id"], row[key]), {}).setdefault(table, {})[row["id"]] = row
    return found


def differences(replayed, live):
    """What a person would want to see when they are not the same; columns that live hides or replay hides do not count."""
    wrong = []
    for model in sorted(set(replayed) | set(live)):
        a, b = replayed.get(model, {}), live.get(model, {})
        for i in sorted(set(a) ^ set(b)):
            wrong.append("%s %s is only in %s" % (model, i, "the replay" if i in a else "the read model"))
        for i in sorted(set(a) & set(b)):
            if not set(a[i]) & set(b[i]) >= {"tenant_id", "id", "last_position"} or set(b[i]) - set(a[i]):
                wrong.append("%s has columns that the replay has not: %s" % (model, set(b[i]) - set(a[i])))
            wrong += ["%s %s %s: replay %r, live %r" % (model, i, k, a[i][k], b[i][k]) for k in a[i] if k in b[i] and a[i][k] != b[i][k]]
    return wrong


def models(engine):
    """(schema, name) of every read model."""
    return [row[0].split(".") for row in engine.sql("select distinct projection from verbatim.generation where active order by 1")]


def _columns(engine, schema, name):
    return [row[0] for row in engine.sql("select column_name from information_schema.columns where table_schema = '%s' and table_name = '%s'"
                                         " order by 1" % (schema, name))]


def differing(engine, one, other, where="true"):
    """Read models whose rows are not the same in schema `other` as `one`, a function of schema and name, gives them: with how many each has alone."""
    result = []
    for schema, name in models(engine):
        a, b = one(schema, name), "%s.%s" % (other, name)
        texts = ", ".join(c + "::text" for c in _columns(engine, schema, name))
        count = engine.one("select count(*) from (select {0} from {1} where {3} except all select {0} from {2}) x".format(texts, a, b, where))
        back = engine.one("select count(*) from (select {0} from {2} except all select {0} from {1} where {3}) x".format(texts, a, b, where))
        if (count, back) != ("0", "0"):
            result.append((name, count, back))
    return result
