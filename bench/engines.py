"""
engines - what a second engine on the same database costs, or brings, on the same cores.

The same two clients append to one engine, then to two, one each; once with tenants of every shard, so that both engines
append to all of them, and once with tenants of every other shard, so that each engine has shards of its own.  Somebody
else holds the workers' leases all the while.  An engine whose expectation of a shard's head was wrong has to ask for it
and form its batch anew: that is what sharing costs.
"""
import json
import os
import subprocess
import tempfile

CLIENT = ("--connections", 32, "--batch", 10, "--outstanding", 4)


class Second:
    """Another engine on the database of the first."""

    def __init__(self, engine):
        self.folder = tempfile.mkdtemp(prefix="verbatim-bench-")
        self.to = f"unix:{self.folder}/engine.sock"
        self.log = open(os.path.join(self.folder, "diary"), "w", encoding="utf-8")
        self.process = subprocess.Popen([engine.binary, "serve", "--db", engine.db, "--listen", self.to, "--log", "warn"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        if "ready" not in self.process.stdout.readline():
            raise SystemExit(f"bench: the second engine did not start; see {self.log.name}")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def both(build, addresses, seconds, apart):
    """Two clients at once; their sum."""
    command = [os.path.join(build, "bench", "load"), *map(str, CLIENT), "--seconds", str(seconds)]
    clients = [subprocess.Popen([*command, "--to", to, *(["--shards", half] if apart else [])], stdout=subprocess.PIPE, text=True)
               for to, half in zip(addresses, ("even", "odd"))]
    rows = [json.loads(c.communicate()[0].splitlines()[-1]) for c in clients]
    return {"events": sum(r["events"] for r in rows), "events_per_second": sum(r["events_per_second"] for r in rows),
            "steal_percent": max(r["steal_percent"] for r in rows), "errors": sum(r["errors"] for r in rows)}


def measure(engine, table, keep, say, build, rounds, seconds):
    second = Second(engine)
    try:
        for apart, name, need in ((False, "that share every shard", 0.7), (True, "with shards of their own", 0.9)):
            say("two engines " + name)
            one, two = [], []
            for _ in range(rounds):
                one.append(keep("one engine, two clients", both(build, (engine.to, engine.to), seconds, apart)))
                two.append(keep("two engines " + name, both(build, (engine.to, second.to), seconds, apart)))
            ratios = [b["events_per_second"] / a["events_per_second"] for a, b in zip(one, two)]
            ratio = sorted(ratios)[len(ratios) // 2]
            peer = sorted(r["events_per_second"] for r in one)[len(one) // 2]
            table.add(f"append, two engines {name}", [r["events_per_second"] for r in two], "/s", f"{peer:,.0f} /s, one engine", ratios,
                      f"{need:.2f}", ratio >= need and not any(r["errors"] for r in one + two), None, [r["steal_percent"] for r in two])
    finally:
        second.stop()
