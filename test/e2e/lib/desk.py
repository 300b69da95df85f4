"""desk - a tenant with conversations whose answers are due in a moment, for the tests of what time decides."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import *

MINUTE = 60  # the promise: an answer within a minute
INSTANT = "to_char(%s at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


class Desk(Maker):
    """A tenant with a promise of a minute, day and night."""

    def __init__(self, engine, seed, warn_at=(0.75,)):
        super().__init__(seed)
        self.client = engine.client()
        policy = self.event("sla_policy.created", self.uuid(), {
            "name": "a minute", "tier": "standard", "first_response_time_minutes": 1, "resolution_time_minutes": 100000,
            "business_hours_only": False, "is_default": True, "warn_at": list(warn_at)})
        self.person = self.customer()
        ack = self.client.append([policy, self.person])
        self.policy, self.shard = policy["entity_id"], ack["shard"]

    def begun(self, due, **kw):
        """A conversation whose first answer is due then."""
        return self.conversation(self.person["entity_id"], occurred_at=rfc3339(due - MINUTE), **kw)

    def answer(self, conversation, at, **kw):
        return self.sent(conversation, occurred_at=rfc3339(at), **kw)

    def reconnect(self, engine):
        self.client = engine.client()
