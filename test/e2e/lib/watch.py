"""watch - a reader that never stops: every read model, again and again, in one session, as a login of one tenant.

Rows are only ever added, and a row's last_position only grows.  So of each read model the number of rows and the sum
of last_position may never fall, whatever is done to the engines and the tables behind the views meanwhile.
"""
import subprocess
import sys
import threading

from harness import *


def generation_events(engine):
    """[what, of which generation] of the events of the system tenant that tell which one people see and which is gone."""
    return engine.sql("select payload->>'action', payload->>'resource_id' from verbatim.event_log where shard = 0"
                      " and payload->>'resource_type' = 'generation' order by position")


class Watch(threading.Thread):
    """Starts at once; stop() ends it, and wrong says what it saw that it should not."""

    def __init__(self, conninfo, models, settings=""):
        super().__init__(daemon=True)
        self.wrong, self.rounds, self.last = [], 0, {}
        self.ending = threading.Event()
        self.query = " union all ".join("select '%s', count(*), coalesce(sum(last_position), 0) from %s" % (m, m) for m in models)
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-F", " ", "-v", "ON_ERROR_STOP=1", "-d", conninfo],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # A reader may wait for the switch, but not behind somebody else for whom the switch waits.
        self.psql.stdin.write("set lock_timeout = '5s';" + settings + "\nprepare look as " + self.query + ";\n")
        self.start()

    def run(self):
        try:
            while not self.ending.is_set():
                self.psql.stdin.write("execute look;\n\\echo done\n")
                self.psql.stdin.flush()
                self.round()
        except Exception as e:
            self.wrong.append("%r %s" % (e, self.psql.stderr.read()))

    def round(self):
        for line in self.psql.stdout:
            if line.strip() == "done":
                self.rounds += 1
                return
            model, count, total = line.split()
            now = (int(count), int(total))
            before = self.last.get(model, (0, 0))
            if now[0] < before[0] or now[1] < before[1]:
                self.wrong.append("%s went back from %r to %r in round %d" % (model, before, now, self.rounds))
            self.last[model] = now
        raise RuntimeError("psql has ended")

    def more(self, rounds=3):
        aim = self.rounds + rounds
        return wait_until(lambda: self.rounds >= aim or not self.is_alive(), 60)

    def stop(self):
        self.more()
        self.ending.set()
        self.join(30)
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()
        self.psql.stderr.close()


def read_models(engine):
    return [r[0] for r in engine.sql("select projection from verbatim.generation where active order by 1")]


def oids(engine):
    return engine.sql("select c.oid::regclass, c.oid from pg_class c where relkind = 'v' and relnamespace = 'core'::regnamespace order by 1")


def generations(engine, group="core"):
    """{generation: state} as the database has them."""
    return {int(r[0]): r[1] for r in engine.sql(
        "select generation, case when bool_and(active) then 'answering' when bool_or(active) then 'torn' when bool_or(shown_at is not null)"
        " then 'kept' else 'new' end from verbatim.generation where group_name = '%s' group by 1" % group)}


def behind_views(engine):
    """The generations that the views read from, as PostgreSQL and as verbatim.generation have it: one, or the switch was torn."""
    return {int(g) for r in engine.sql(
        "select distinct g.generation, a.generation from verbatim.generation g join pg_class t on t.relname = g.table_name"
        " join pg_depend d on d.refobjid = t.oid and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid"
        " join pg_class v on v.oid = r.ev_class join verbatim.generation a on a.projection = g.projection and a.active"
        " where g.group_name = 'core' and v.oid = to_regclass(g.projection)") for g in r}


def hold(engine, generation, shard, group="core"):
    """Nobody folds this shard of this generation until let_go: somebody else seems to."""
    engine.sql("insert into verbatim.lease values ('%s g%d', %d, gen_random_uuid(), now(), now() + interval '1 h')"
               " on conflict (name, shard) do update set owner = excluded.owner, expires_at = excluded.expires_at" % (group, generation, shard))


def let_go(engine, generation, shard, group="core"):
    engine.sql("delete from verbatim.lease where name = '%s g%d' and shard = %d" % (group, generation, shard))
