"""witness - clients beside the load (lib/history.py) that each watch one promise while everything around them breaks.

    Claims     conditional appends of several clients on the same conversations: of those that say "nothing after this"
               only what nothing stood in the way of may be stored, and what was called stale never is
    Follower   a live reader of a shard: what it was told comes without gap or double, and stands in the log for good
    Goners     clients that send and go away without an answer: each event is stored at most once
    Promises   conversations that somebody must answer by some instant: each is found broken once, after that instant
"""
import os
import random
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from harness import *


class Witness(threading.Thread):
    """Does turn() again and again, over whichever address answers; finish() ends it."""

    def __init__(self, addresses, seed, name):
        super().__init__(daemon=True)
        self.addresses, self.random, self.label = addresses, random.Random(seed), name
        self.ending, self.giving_up = threading.Event(), False
        self.wrong, self.client = [], None

    def run(self):
        try:
            while not self.ending.is_set():
                self.turn()
                self.ending.wait(self.pause)
        except TimeoutError:
            self.wrong.append("%s: was not answered to the end" % self.label)
        except Exception as e:  # a mistake of the test must not look like silence
            self.wrong.append("%s: %s: %r" % (self.label, type(e).__name__, e))
        self.hang_up()

    def hang_up(self):
        if self.client:
            self.client.close()
        self.client = None

    def until_answered(self, call):
        """call(client) over new connections until it is answered; RpcError when that is no reason to try again."""
        while True:
            if self.giving_up:
                raise TimeoutError
            try:
                if self.client is None:
                    self.client = Client(self.random.choice(self.addresses), timeout=8)
                return call(self.client)
            except RpcError as error:
                if error.kind != "retry":
                    raise
            except OSError:
                self.hang_up()
            time.sleep(0.05 + 0.1 * self.random.random())

    def finish(self, seconds=120):
        self.ending.set()
        self.join(seconds)
        self.giving_up = True
        self.join(10)


class Claims(Witness):
    pause = 0.05

    def __init__(self, addresses, seed, talks, maker):
        super().__init__(addresses, seed, "a claim")
        self.talks, self.maker = talks, maker  # talks: {conversation: last position that anybody was told}
        self.taken, self.stale, self.sent = [], [], set()

    def turn(self):
        talk = self.random.choice(sorted(self.talks))
        after = self.talks[talk]
        events = [self.maker.received(talk) for _ in range(self.random.choice((1, 1, 3)))]
        self.sent.update(e["event_id"] for e in events)
        try:
            ack = self.until_answered(lambda c: c.append(events, expect=[{"scope": "conversation", "id": talk, "after": after}]))
        except RpcError as error:
            if error.code != "stale":
                self.wrong.append("a claim was refused: %s" % error)
                return
            self.stale.append((events, after, error.position))
            self.talks[talk] = max(self.talks[talk], error.position)
            return
        duplicates = dict(ack["duplicates"])
        first = duplicates.get(0, ack["first"])
        self.taken.append((talk, after, first, events, ack["shard"]))
        self.talks[talk] = max(self.talks[talk], first + len(events) - 1)


class Follower(Witness):
    pause = 0

    def __init__(self, addresses, seed, shard):
        super().__init__(addresses, seed, "a reader")
        self.shard, self.next, self.leaf, self.told = shard, 1, None, []

    def turn(self):
        cursor = dict({"shard": self.shard}, **({"leaf": self.leaf} if self.leaf else {}))
        answer = self.until_answered(lambda c: c.call("read", self.next, cursor, 500, 1000))
        for e in answer["events"]:
            if e["position"] != self.next:
                self.wrong.append("a reader of shard %d wanted %d and was given %d" % (self.shard, self.next, e["position"]))
            self.told.append((e["position"], str(uuid.UUID(bytes=e["event_id"]))))
            self.next, self.leaf = e["position"] + 1, e["leaf_hash"]


class Goners(Witness):
    pause = 0.4

    def __init__(self, addresses, seed):
        super().__init__(addresses, seed, "a client that goes")
        self.maker, self.sent = Maker(seed), set()

    def turn(self):
        try:
            client = Client(self.random.choice(self.addresses), timeout=8)
        except (OSError, RpcError):
            return
        events = [self.maker.customer() for _ in range(3)]
        self.sent.update(e["event_id"] for e in events)
        try:
            for copy in range(self.random.choice((1, 1, 2))):  # twice at once: still once
                client.send("append", events, {})
            time.sleep(self.random.choice((0, 0, 0.002, 0.02)))
        except OSError:
            pass
        client.close()


class Promises(Witness):
    pause = 0.5
    MINUTE = 60

    def __init__(self, addresses, seed):
        super().__init__(addresses, seed, "a promise")
        self.maker, self.sent, self.due = Maker(seed), set(), {}
        self.person = None

    def turn(self):
        m = self.maker
        if not self.person:
            self.person = m.customer()["entity_id"]
            events = [m.customer(self.person), m.event("sla_policy.created", m.uuid(), {
                "name": "a minute", "tier": "standard", "first_response_time_minutes": 1, "resolution_time_minutes": 100000,
                "business_hours_only": False, "is_default": True, "warn_at": [0.75]})]
        else:
            due = round(time.time() + self.random.uniform(-2, 20), 3)  # some are broken when they are made
            talk = m.uuid()
            events = [m.conversation(self.person, talk, occurred_at=rfc3339(due - self.MINUTE))]
            self.due[talk] = due
        self.sent.update(e["event_id"] for e in events)
        self.until_answered(lambda c: c.append(events))


def check_claims(engine, claims):
    """Each claim that was taken had nothing in its way; none that was stale is there."""
    places = {}
    for position, talk in engine.sql("select position, conversation_id from verbatim.event_log where conversation_id in (%s)" %
                                     ", ".join("'%s'" % t for c in claims for t in c.talks)):
        places.setdefault(talk, []).append(int(position))
    overtaken = [(talk, after, first, [p for p in places[talk] if after < p < first][:3]) for c in claims
                 for talk, after, first, _, _ in c.taken if any(after < p < first for p in places[talk])]
    same(overtaken[:3], [], "no conditional append was stored behind an event it was not to follow")
    stored = {r[0] for r in engine.sql("select event_id from verbatim.event_log")}
    same([e["event_id"] for c in claims for events, _, _ in c.stale for e in events if e["event_id"] in stored][:3], [],
         "none that was refused as stale is in the log")
    same([e["event_id"] for c in claims for _, _, _, events, _ in c.taken for e in events if e["event_id"] not in stored][:3], [],
         "each that was acked is")
    baseless = [(after, position) for c in claims for events, after, position in c.stale if position <= after]
    same(baseless[:3], [], "and stale names what stood in the way")
    ok(sum(len(c.taken) for c in claims) > 0 and sum(len(c.stale) for c in claims) > 0, "claims were taken (%d) and refused (%d)" %
       (sum(len(c.taken) for c in claims), sum(len(c.stale) for c in claims)))


def check_followers(engine, followers):
    for f in followers:
        log = {int(p): e for p, e in engine.sql("select position, event_id from verbatim.event_log where shard = %d" % f.shard)}
        same([(p, e) for p, e in f.told if log.get(p) != e][:3], [], "what a live reader of shard %d was told stands in the log (%d events)" %
             (f.shard, len(f.told)))


def check_promises(engine, promises, seconds=90):
    """Each broken promise is journaled once, not before its time; and the rows say the same."""
    owed = "select count(*) from verbatim.event_log where event_type = 'sla.breached' and tenant_id = '%s'" % promises.maker.tenant
    wait = max([0.0] + [due - time.time() for due in promises.due.values()])
    wait_until(lambda: engine.one(owed) == str(len(promises.due)), wait + seconds)
    rows = engine.sql("select conversation_id, count(*), bool_and(recorded_at >= occurred_at) from verbatim.event_log"
                      " where event_type = 'sla.breached' and tenant_id = '%s' group by 1" % promises.maker.tenant)
    same(sorted(r[0] for r in rows), sorted(promises.due), "every broken promise was found (%d)" % len(promises.due))
    same([r for r in rows if r[1:] != ["1", "t"]][:3], [], "once, and not before its time")
