"""
run - all figures of speed in one run, each beside the limit or peer measured in the same minute.

An engine of its own on a fresh private cluster, clients and server on the same cores.  In each round come the limit
(COPY of the same rows into a leaf of the same shape), the loads, and the classic way, one after the other; a ratio is
taken within its round, and the figure printed is the median of the rounds.  "Projections idle" means that somebody
else holds the workers' leases, so that this engine only appends.

CPU is user and system time of the processes, per event: of the client, the engine, and all of PostgreSQL; of folds, of
the one thread that folds in memory.  "Others" is
what the machine's cores did besides: a latency is judged only where the machine was left to us.
build/bench.ndjson takes one line a measurement.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import biglog
import engines
import keys
import proofs
import rebuilds

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
ROUNDS = 3 if QUICK else 5
SECONDS = 1 if QUICK else 3
LIMIT_ROWS = 40000 if QUICK else 100000
SNAPSHOT_MINUTES = float(os.environ.get("SNAPSHOT_MINUTES", "0.2" if QUICK else "1"))
ONLY = os.environ.get("BENCH_ONLY", "")
BIG_EVENTS = int(os.environ.get("BIG_EVENTS", "300000" if QUICK else "5000000"))
REBUILD_SIZES = [100000, 1000000, BIG_EVENTS] if ONLY == "big" else [100000] if QUICK else [100000, 300000]
HERE = os.path.dirname(os.path.abspath(__file__))
TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")

ndjson = None


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


def keep(name, row):
    ndjson.write(json.dumps({"measurement": name, "at": round(time.time(), 3), **row}) + "\n")
    ndjson.flush()
    return row


def tool(name, *arguments):
    """One of bench/'s programs: its JSON line."""
    command = [os.path.join(BUILD, "bench", name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"bench: {' '.join(command)}: {done.stderr.strip() or 'no answer'}")
    return json.loads(done.stdout.splitlines()[-1])


def process_times():
    """pid -> (parent, CPU microseconds) of all processes."""
    times = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
                times[int(name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) * TICK_US)
            except OSError:
                pass
    return times


def machine_busy_us():
    with open("/proc/stat", encoding="utf-8") as f:
        t = [int(x) for x in f.readline().split()[1:9]]
    return (t[0] + t[1] + t[2] + t[5] + t[6]) * TICK_US


class Engine:
    def __init__(self, data=None):
        """With a folder of its own it goes when it stops; another one stays."""
        self.keeps = bool(data)
        self.data = os.path.abspath(data) if data else tempfile.mkdtemp(prefix="verbatim-bench-")
        os.makedirs(self.data, exist_ok=True)
        os.chmod(self.data, 0o755)
        self.to = f"unix:{self.data}/engine.sock"
        self.binary = os.path.join(BUILD, "verbatim")
        self.log = open(os.path.join(self.data, "diary"), "w", encoding="utf-8")
        self.certificate = os.path.join(self.data, "bench.pem")
        key = os.path.join(self.data, "bench.key")
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench",
                               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.certificate], capture_output=True, check=False)
        if made.returncode:
            sys.exit(f"bench: openssl: {made.stderr.decode(errors='replace').strip()}")
        os.chmod(key, 0o600)
        self.process = subprocess.Popen([self.binary, "serve", "--data", self.data, "--listen", self.to, "--listen", "127.0.0.1:0", "--listen", "plain:127.0.0.1:0",
                                         "--tls-cert", self.certificate, "--tls-key", key, "--log", "warn"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        if "ready" not in self.process.stdout.readline():
            with open(self.log.name, encoding="utf-8") as f:
                sys.exit(f"bench: the engine did not start: {f.read()}")
        with open(os.path.join(self.data, "local.key"), encoding="utf-8") as f:
            os.environ["VERBATIM_API_KEY"] = f.read().strip()  # for the tools
        with open(os.path.join(self.data, "engine.json"), encoding="utf-8") as f:
            self.at = dict(address.split(" ", 1) for address in json.load(f)["addresses"])
        self.db = self.sql("SELECT 'host=' || split_part(current_setting('unix_socket_directories'), ',', 1) || ' port='"
                           " || current_setting('port') || ' dbname=' || current_database() || ' user=' || session_user")
        with open(self.sql("SELECT current_setting('data_directory')") + "/postmaster.pid", encoding="utf-8") as f:
            self.postmaster = int(f.readline())

    def sql(self, text):
        done = subprocess.run([self.binary, "psql", "--data", self.data, "--", "-XAtc", text], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"bench: {text}: {done.stderr.strip()}")
        return done.stdout.strip()

    def measured(self, name, *arguments):
        """A tool's answer, with what the engine and PostgreSQL spent on it."""
        before, busy, began = process_times(), machine_busy_us(), time.time()
        row = tool(name, *arguments)
        after, busy, took = process_times(), machine_busy_us() - busy, time.time() - began
        events = max(1, row.get("events") or row.get("rows") or 1)
        engine = self.process.pid
        row["engine_cpu_us_per_event"] = (after[engine][1] - before[engine][1]) / events
        # A backend that has ended leaves its time with the postmaster's children, which nobody can see: count the living.
        row["postgres_cpu_us_per_event"] = sum(
            us - before.get(pid, (0, 0))[1] for pid, (parent, us) in after.items()
            if parent == self.postmaster or pid == self.postmaster) / events
        ours = sum(row.get(part + "_cpu_us_per_event", 0) for part in ("client", "engine", "postgres")) * events
        row["others_percent"] = max(0.0, 100 * (busy - ours) / (took * 1e6 * os.cpu_count()))
        return row

    def load(self, name, *arguments, to=None):
        return keep(name, self.measured("load", "--to", to or self.to, *arguments))

    def limit(self, rows=LIMIT_ROWS, batch=1000):
        return keep("limit", tool("limit", "--db", self.db, "--rows", rows, "--batch", batch))

    def classic(self, way):
        return keep("classic " + way, tool("classic", "--db", self.db, "--sql", os.path.join(HERE, "classic.sql"), "--way", way,
                                           "--seconds", SECONDS))

    def projections(self, on):
        """Off: a stranger holds the leases; the workers notice when they renew theirs."""
        if on:
            self.sql("DELETE FROM verbatim.lease")
        else:
            self.sql("UPDATE verbatim.lease SET owner = gen_random_uuid(), expires_at = now() + interval '1 day'")
        time.sleep(2 if on else 4.5)

    def settle(self):
        """Until the read models show all of the load before, so that it is not measured with the next."""
        for _ in range(6000):
            done = subprocess.run([self.binary, "status", "--data", self.data, "--json"], capture_output=True, text=True, check=False)
            if done.stdout and all(group["lag"] == 0 for group in json.loads(done.stdout)["groups"]):
                return
            time.sleep(0.1)
        sys.exit("bench: the read models do not come up with the log")

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            fields = dict(line.split(":", 1) for line in f)
        return int(fields["VmHWM"].split()[0]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.log.close()
            if not self.keeps:
                shutil.rmtree(self.data, ignore_errors=True)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, values, unit, peer, ratios, need, met, cpu=None, steal=None, others=None):
        self.rows.append((figure, values, unit, peer, ratios, need, met, cpu, steal, others))

    def lines(self):
        head = ("figure", "measured", "(min to max)", "limit or peer", "ratio", "needed", "met", "CPU µs/event", "steal", "others")
        body = []
        for figure, values, unit, peer, ratios, need, met, cpu, steal, others in self.rows:
            body.append((figure, f"{amount(statistics.median(values))} {unit}".strip(),
                         f"({amount(min(values))} to {amount(max(values))})" if len(values) > 1 else "", peer,
                         f"{statistics.median(ratios):.2f}" if ratios else "", need,
                         met if isinstance(met, str) else "" if met is None else "yes" if met else "NO", cpu or "",
                         f"{statistics.median(steal):.1f} %" if steal else "", f"{statistics.median(others):.0f} %" if others else ""))
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        yield "  ".join(text.ljust(width) for text, width in zip(head, widths)).rstrip()
        yield "  ".join("-" * width for width in widths)
        for row in body:
            yield "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()


def amount(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cpu_of(rows):
    parts = ((row.get("client_cpu_us_per_event", 0), row.get("engine_cpu_us_per_event", 0), row.get("postgres_cpu_us_per_event", 0)) for row in rows)
    return " + ".join(f"{statistics.median(column):.1f}" for column in zip(*parts))


def rates(rows):
    return [row["events_per_second"] for row in rows]


def steals(rows):
    return [row["steal_percent"] for row in rows]


def others_of(rows):
    return [row["others_percent"] for row in rows]


def add_rate(table, figure, rows, limits, need):
    ratios = [row["events_per_second"] / limit["events_per_second"] for row, limit in zip(rows, limits)]
    table.add(figure, rates(rows), "/s", f"{amount(statistics.median(rates(limits)))} /s", ratios, f"{need:.2f}",
              statistics.median(ratios) >= need, cpu_of(rows), steals(rows), others_of(rows))
    return ratios


LIVE_SHARES = (0.50, 0.40, 0.30)
PIPELINED = ("--connections", 1, "--batch", 100)
SINGLE = ("--connections", 64, "--batch", 1)


def appends(engine, table, kind):
    """Each round is a burst: appends come first until the read models are far behind, and begin with all of them shown."""
    say(f"appends, projections {kind}")
    limits, pipelined, single = [], [], []
    for _ in range(ROUNDS):
        if kind == "on":
            engine.settle()
        limits.append(engine.limit())
        pipelined.append(engine.load(f"pipelined, projections {kind}", *PIPELINED, "--seconds", SECONDS))
        single.append(engine.load(f"single, projections {kind}", *SINGLE, "--seconds", SECONDS))
    add_rate(table, f"append, 1 connection x 100 events, projections {kind}", pipelined, limits, 0.80)
    add_rate(table, f"append, 64 connections x 1 event, projections {kind}", single, limits, 0.50)
    return limits, single


def secure(engine, table):
    """The same load over TLS and over a plain socket of the same kind, in turn: what encryption costs client and engine."""
    say("appends over TLS")
    plain, tls = [], []
    for i in range(ROUNDS):
        for way in (("plain", "tls"), ("tls", "plain"))[i % 2]:
            if way == "plain":
                plain.append(engine.load("plain TCP", *PIPELINED, "--seconds", SECONDS, to=engine.at["tcp"]))
            else:
                tls.append(engine.load("TLS", *PIPELINED, "--tls-ca", engine.certificate, "--seconds", SECONDS, to="tls://" + engine.at["tls"]))
    add_rate(table, "append over TLS, 1 connection x 100 events, projections idle, beside plain TCP", tls, plain, 0.85)


def latency(engine, table, single, kind):
    rate = int(statistics.median(rates(single)) / 2)
    say(f"latency at {rate} events a second, projections {kind}")
    if kind == "on":
        engine.settle()
    rows = [engine.load("latency", *SINGLE, "--rate", rate, "--seconds", SECONDS) for _ in range(ROUNDS)]
    calm = statistics.median(steals(rows)) < 5 and statistics.median(others_of(rows)) < 15
    for name, most in (("p50", 3), ("p99", 15)):
        values = [row["latency_ms"][name] for row in rows]
        table.add(f"acknowledgement at half of that, projections {kind}, {name}", values, "ms", f"{amount(rate)} /s", None, f"<= {most} ms",
                  statistics.median(values) <= most or (False if calm else "not calm"), cpu_of(rows), steals(rows), others_of(rows))


def classic(engine, table, single):
    say("the classic way")
    for way, need in (("messages", 6), ("events", None)):
        rows = [engine.classic(way) for _ in range(ROUNDS)]
        ours = statistics.median(rates(single))
        ratios = [ours / rate for rate in rates(rows)]
        text = "with its triggers" if way == "messages" else "event_log alone, no triggers"
        table.add(f"64 x 1 against one INSERT a request, {text}", [ours], "/s", f"{amount(statistics.median(rates(rows)))} /s", ratios,
                  f"{need:.0f}" if need else "", statistics.median(ratios) >= need if need else None, None, steals(rows))


def keeps_up(row, rate):
    """The lag of the last third must be that of the first, but for noise."""
    lag = row["lag_events"]
    return (row["events_per_second"] >= 0.97 * rate and row["caught_up_ms"] <= 1000
            and (lag["last_third"] <= 2 * lag["first_third"] or 1000 * lag["last_third"] / rate <= 100))


def live(engine, table, limits):
    """Held at shares of the limit, from more than what is needed downwards, until it keeps up."""
    limit = statistics.median(rates(limits))
    for share in LIVE_SHARES:
        rate = int(share * limit)
        say(f"log to read models at {rate} events a second")
        engine.settle()
        rows = [engine.load("live", *PIPELINED, "--rate", rate, "--seconds", 2 * SECONDS, "--watch") for _ in range(ROUNDS)]
        kept = [keeps_up(row, rate) for row in rows]
        if sum(kept) * 2 > len(kept):
            break
    values = [row["projected_per_second"] for row in rows]
    table.add("log to read models, live, keeping up", values, "/s", f"{amount(limit)} /s", [value / limit for value in values],
              "0.25", sum(kept) * 2 > len(kept) and statistics.median(values) >= 0.25 * limit, cpu_of(rows), steals(rows), others_of(rows))
    table.add("  behind meanwhile, last third", [1000 * row["lag_events"]["last_third"] / rate for row in rows], "ms",
              f"first {amount(statistics.median(1000 * row['lag_events']['first_third'] / rate for row in rows))} ms", None, "not growing", None)


def visible(engine, table):
    say("one event on an idle engine")
    engine.settle()
    rows, commits = [], []
    for _ in range(ROUNDS):
        commits.append(engine.limit(rows=200, batch=1)["batch_ms_p50"])
        rows.append(keep("visible", tool("visible", "--to", engine.to, "--events", 60 if QUICK else 150)))
    for name, need in (("acked_ms", None), ("visible_ms", 10)):
        values = [row[name]["p50"] for row in rows]
        ratios = [value / commit for value, commit in zip(values, commits)]
        table.add("one event, idle: " + ("acknowledged" if need is None else "shown by the read models") + ", p50", values, "ms",
                  f"{amount(statistics.median(commits))} ms, one small commit", ratios, f"<= {need}" if need else "",
                  statistics.median(ratios) <= need if need else None)


def breach(engine, table):
    """Of an idle machine only: others' work is shown beside it, and a latency that they may have made is no verdict."""
    say("promises that are broken on an idle engine")
    engine.settle()
    rows = [keep("breach", engine.measured("breach", "--to", engine.to, "--events", 25 if QUICK else 50)) for _ in range(ROUNDS)]
    calm = statistics.median(others_of(rows)) < 15
    for name, need in (("p50", None), ("p99", 50)):
        values = [row["seen_ms"][name] for row in rows]
        table.add(f"breach, idle: journaled after its instant, {name}", values, "ms",
                  f"recorded {amount(statistics.median(row['recorded_ms'][name] for row in rows))} ms", None, f"<= {need} ms" if need else "",
                  (statistics.median(values) <= need or (False if calm else "not calm")) if need else None, None, None, others_of(rows))


def stranger(engine, table):
    """Appends come first for only so long, so "without" is the same load for as long, and begins with all of it shown, too."""
    minutes = SNAPSHOT_MINUTES
    seconds = max(3, int(60 * minutes))
    say(f"under a stranger's snapshot of {minutes:g} minutes")
    engine.settle()
    beside = [engine.load("without a snapshot", *PIPELINED, "--seconds", seconds, "--watch")]
    engine.settle()
    holder = subprocess.Popen([engine.binary, "psql", "--data", engine.data, "--", "-XqAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT txid_current(), count(*) FROM core.tenants;\n")
    holder.stdin.flush()
    holder.stdout.readline()
    # One run, so that the same rows gather dead versions all the while; its last third is compared.
    during = [engine.load("under a snapshot", *PIPELINED, "--seconds", seconds, "--watch")]
    holder.stdin.write("COMMIT;\n\\q\n")
    holder.stdin.close()
    holder.wait()
    for name, key in (("append", "events_per_second"), ("projection", "projected_per_second")):
        values = [row["last_third"][key] for row in during]
        without = statistics.mean(row["last_third"][key] for row in beside)
        ratios = [value / without for value in values]
        table.add(f"{name} under a snapshot held {minutes:g} min, last third", values, "/s", f"{amount(without)} /s without", ratios, "0.80",
                  statistics.median(ratios) >= 0.8, cpu_of(during), steals(during), others_of(during))


def memory(engine, table):
    say("a thousand connections")
    rows = [engine.load("1000 connections", "--connections", 1000, "--batch", 1, "--seconds", SECONDS),
            engine.load("1000 connections x 100", "--connections", 1000, "--batch", 100, "--outstanding", 1, "--seconds", SECONDS)]
    most = engine.memory_mib()
    keep("memory", {"peak_mib": most})
    table.add("resident memory of the engine at its peak", [most], "MiB", "1,000 connections", None, "<= 128 MiB", most <= 128, cpu_of(rows), steals(rows), others_of(rows))


def folds(table):
    """Without an engine: what folding costs one core, of CPU time alone."""
    say("folds")
    row = keep("folds", tool("folds", "--rounds", ROUNDS))
    for group in row["groups"]:
        us = group["cpu_us_per_event"]
        table.add(f"folds, all read models of {group['group']}, from decoded events, a core", [1e6 / us], "/s", f"{amount(row['events'])} events", None,
                  ">= 300,000", 1e6 / us >= 300000, f"{us:.2f}")
        for part in ("preparing", "settling", "parsing"):
            table.add(f"  of it {part}", [100 * group[part + "_us_per_event"] / us], "%", "", None, "", None, f"{group[part + '_us_per_event']:.2f}")
        for p in sorted(group["projections"], key=lambda p: -p["share"]):
            if p["events"] and p["cpu_us_per_event"]:
                rate = 1e6 / p["cpu_us_per_event"]
                need = 1000000 if p["name"] == "conversations" else None
                table.add(f"  {p['name']}, its own {p['events']:,} events", [rate], "/s", f"{100 * p['share']:.1f} % of the folds", None,
                          f">= {need:,}" if need else "", rate >= need if need else None, f"{p['cpu_us_per_event']:.2f}")


DASHBOARDS = (
    ("a year by day: created, mean first response", 10,
     "SELECT bucket_at, conversations_created, first_response_seconds / nullif(first_responses, 0) FROM analytics.rollup_day"
     " WHERE dimensions = 'all' AND bucket_at >= '2025-01-01Z' AND bucket_at < '2026-01-01Z'"),
    ("a year by month and channel: messages, attainment", 10,
     "SELECT date_trunc('month', bucket_at), channel, sum(messages_in), sum(sla_resolution_met), sum(sla_resolution_breached)"
     " FROM analytics.rollup_day WHERE dimensions = 'channel' AND bucket_at >= '2025-01-01Z' AND bucket_at < '2026-01-01Z' GROUP BY 1, 2"),
    ("a year's agents: replies, mean time", 25,
     "SELECT agent_id, sum(replies), sum(reply_seconds) / sum(replies) FROM analytics.rollup_day WHERE dimensions = 'agent'"
     " AND bucket_at >= '2025-01-01Z' AND bucket_at < '2026-01-01Z' GROUP BY 1"),
    ("a year's 90th percentile", 100,
     "SELECT analytics.percentile(analytics.histogram_sum(first_response_histogram), 0.9) FROM analytics.rollup_day"
     " WHERE dimensions = 'all' AND bucket_at >= '2025-01-01Z' AND bucket_at < '2026-01-01Z'"),
    ("a year's backlog by day", 10, "SELECT bucket_at, backlog FROM analytics.backlog_day WHERE dimensions = 'all'"),
    ("a week by hour out of quarters", 10,
     "SELECT date_trunc('hour', bucket_at), sum(messages_in), sum(conversations_created) FROM analytics.rollup_15m"
     " WHERE dimensions = 'all' AND bucket_at >= '2025-06-01Z' AND bucket_at < '2025-06-08Z' GROUP BY 1"),
)


def dashboards(engine, table):
    """What a tenant's dashboard asks, as its login, over a year that is made up; plan and run, in the server."""
    say("roll-ups of a year")
    with open(os.path.join(HERE, "rollups.sql"), encoding="utf-8") as f:
        engine.sql(f.read())
    for name, most, query in DASHBOARDS:
        text = engine.sql("SET SESSION AUTHORIZATION bench_reader; SET app.tenant_id = '0b000000-0000-4000-8000-00000000000b'; SET jit = off;"
                          + f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {query};" * (ROUNDS + 1))
        plans = [json.loads("[" + part)[0] for part in text.split("\n[\n")[1:]][1:]
        values = [plan["Planning Time"] + plan["Execution Time"] for plan in plans]
        keep("dashboard", {"query": name, "ms": values})
        table.add(f"dashboard: {name}", values, "ms", "", None, f"<= {most} ms", statistics.median(values) <= most)


def main():
    global ndjson
    ndjson = open(os.path.join(BUILD, "bench.ndjson"), "a", encoding="utf-8")
    began = time.time()
    table = Table()
    if ONLY in ("", "folds"):
        folds(table)
    if ONLY == "folds":
        show(table, began)
        return
    engine = Engine(os.environ.get("BENCH_DATA"))
    try:
        keep("run", {"quick": QUICK, "rounds": ROUNDS, "cores": os.cpu_count(), "postgres": engine.sql("SHOW server_version"), "load_average": os.getloadavg()[0]})
        if ONLY in ("rebuild", "big"):
            rebuilds.measure(engine, table, tool, keep, say, ROUNDS, REBUILD_SIZES)
        if ONLY in ("proofs", "big"):
            biglog.grow(engine, BIG_EVENTS, say)
            proofs.measure(engine, table, tool, keep, say, ROUNDS)
        if ONLY in ("rebuild", "big", "proofs"):
            return
        engine.load("warming", *PIPELINED, "--seconds", 2)
        if ONLY in ("engines", "tls"):
            engine.projections(False)
            if ONLY == "engines":
                engines.measure(engine, table, keep, say, BUILD, ROUNDS, SECONDS)
            else:
                secure(engine, table)
            return
        if ONLY == "keys":
            keys.measure(engine, table, tool, keep, say, ROUNDS, SECONDS)
            return
        visible(engine, table)
        breach(engine, table)
        limits, single = appends(engine, table, "on")
        latency(engine, table, single, "on")
        live(engine, table, limits)
        classic(engine, table, single)
        stranger(engine, table)
        engine.projections(False)
        _, single = appends(engine, table, "idle")
        secure(engine, table)
        latency(engine, table, single, "idle")
        engines.measure(engine, table, keep, say, BUILD, ROUNDS, SECONDS)
        engine.projections(True)
        keys.measure(engine, table, tool, keep, say, ROUNDS, SECONDS)
        memory(engine, table)
        dashboards(engine, table)
        engine.stop()
        engine = Engine()  # a log of its own: that one has grown as fast as the machine could
        rebuilds.measure(engine, table, tool, keep, say, ROUNDS, REBUILD_SIZES)
    finally:
        engine.stop()
        show(table, began)


def show(table, began):
    ndjson.close()
    print(f"{os.cpu_count()} cores, clients and server on them; medians of {ROUNDS}; CPU: client + engine + PostgreSQL; {time.time() - began:.0f} s in all")
    for line in table.lines():
        print(line)


main()
