"""The write scenarios: which arms run in turn, and which rows of issue 5's table they answer.

A scenario opens on a rig and gives its arms, {name: run}, where run() measures once and returns a flat report. A check
is one row: a figure made of all runs' reports, and the bar that it must reach."""

import contextlib
import statistics
from collections import namedtuple

from . import machine
from .load import load
from .redis_timeseries import RedisTimeSeries
from .rig import MODES

# figure(runs, options) -> number, or None where an arm is missing. better: 'more', 'less', or None for what is only stated.
Check = namedtuple("Check", "row figure bar better unit also", defaults=(None,))
Scenario = namedtuple("Scenario", "name title arms checks")

FSYNC_TOPIC = {"flush.messages": "1"}  # the broker syncs every record before it acknowledges
POINTS = 100
AWAKE_US = 200
AWAKE = ("madd-8", "observe-64", "add-64x16", "add-64", "add-1", "local-add-64", "local-add-1")  # made of hand-overs


# ---- figures ----

def field(report, path):
    """None where the report has none: an earlier version of this file may have written it."""
    for name in path.split("."):
        report = report.get(name) if report is not None else None
    return report


def values(runs, arm, path):
    found = (field(report, path) for report in runs.get(arm, ()))
    return [x for x in found if x is not None]


def median(runs, arm, path):
    found = values(runs, arm, path)
    return statistics.median(found) if found else None


def of(arm, path, scale=1):
    def figure(runs, options):
        x = median(runs, arm, path)
        return None if x is None else x * scale
    return figure


def ratio(path, arm, other):
    """Of medians: what the first has, to what the other has."""
    def figure(runs, options):
        x, y = median(runs, arm, path), median(runs, other, path)
        return None if x is None or not y else x / y
    return figure


RATE = "points_per_s"


def at_least(row, arm, bar, unit="points/s", path=RATE, **more):
    return Check(row, of(arm, path), bar, "more", unit, **more)


def at_most(row, arm, path, bar, unit, scale=1):
    return Check(row, of(arm, path, scale), bar, "less", unit)


def stated(row, arm, path, unit, scale=1):
    return Check(row, of(arm, path, scale), None, None, unit)


def times(row, bar, arm, other, path=RATE):
    return Check(row, ratio(path, arm, other), bar, "more", "x")


def lag_of(arm):
    """A rate counts only where the consumer is not behind at the end, in any run."""
    def good(runs):
        return all(lag <= 5 for lag in values(runs, arm, "lag_s"))
    return good


# ---- arms ----

def ingest(peers=(), log="kafka", topic_config=None, **load_options):
    """Acknowledged by the log, roles ingest only; and the same load on peers."""
    @contextlib.contextmanager
    def arms(rig):
        with rig.peers(peers) as others:
            yield {"longtail": lambda: rig.ingest(log, topic_config, **load_options),
                   **{name: lambda run=run: run(**load_options) for name, run in others.items()}}
    return arms


@contextlib.contextmanager
def single(rig):
    """One TS.ADD after the other, and the bare library's records after each other."""
    yield {"roundtrip": lambda: rig.roundtrip_kafka(100),
           "longtail": lambda: rig.ingest(command="ts.add", connections=1)}


@contextlib.contextmanager
def single_local(rig):
    yield {"commit": lambda: rig.roundtrip_local(100),
           "longtail": lambda: rig.ingest("local", command="ts.add", connections=1)}


@contextlib.contextmanager
def half(rig):
    highest = []

    def as_fast_as_it_goes():
        report = rig.ingest(connections=64)
        highest.append(report[RATE])
        return report

    yield {"highest": as_fast_as_it_goes,
           "half": lambda: rig.ingest(connections=64, rate=int(highest[-1] / 2))}


@contextlib.contextmanager
def synced(rig):
    """1, 8 and 64 connections, the same on the peer, and the bare library's rounds with records as large as ours of one
    connection."""
    record_bytes = []

    def one():
        report = rig.ingest(topic_config=FSYNC_TOPIC, connections=1)
        record_bytes.append(report["record_bytes"])
        return report

    with rig.peers(("redis-always",)) as others:
        arms = {"longtail 1": one,
                "roundtrip": lambda: rig.roundtrip_kafka(record_bytes[-1], FSYNC_TOPIC),
                "longtail 8": lambda: rig.ingest(topic_config=FSYNC_TOPIC, connections=8),
                "longtail 64": lambda: rig.ingest(topic_config=FSYNC_TOPIC, connections=64)}
        for name, run in others.items():
            for connections in (1, 8, 64):
                arms[f"{name} {connections}"] = lambda run=run, n=connections: run(connections=n)
        yield arms


def growth(connections):
    @contextlib.contextmanager
    def arms(rig):
        yield {f"longtail {n}": lambda n=n: rig.ingest(connections=n) for n in connections}
    return arms


def growth_figure(runs, options):
    """The slowest, as a share of the fastest."""
    medians = [median(runs, arm, RATE) for arm in runs]
    return min(medians) / max(medians) if len(medians) > 1 else None


ALL_ROLES = "ingest,store,query,jobs"


def everything(paced=False, flags=None, **load_options):
    """All roles and jobs on, and every point in the tables before the run is over. flags: of the server."""
    @contextlib.contextmanager
    def arms(rig):
        def run():
            options = rig.load_options(**load_options)
            if paced:
                options["rate"] = options["series"]
            with rig.longtaild(roles=ALL_ROLES, **(flags or {})) as server:
                return rig.stored(server, **options)
        yield {"longtail": run}
    return arms


@contextlib.contextmanager
def sparse(rig):
    """Ten times the series, whose names the server has learnt beforehand; each point another one."""
    series = rig.options.series * 10
    with rig.longtaild(roles=ALL_ROLES) as server:
        rig.say(f"sparse: making {series:,} names")
        rig.stored(server, series=series, draw="each", count=series)
        yield {"longtail": lambda: rig.stored(server, **rig.load_options(series=series, draw="each"))}


def head_bytes(rig):
    """A million sparse series of 3 points each, none of them in the tables yet."""
    series = rig.options.series
    with rig.longtaild(roles="ingest,store", **{"flush-interval": "1h", "flush-bytes": "16gb",
                                                "head-bytes-max": "16gb"}) as server:
        rss = machine.rss_bytes(server.process.pid)
        run = rig.applied(server, series=series, draw="each", count=3 * series)
        status = server.status("partition")
        return run | {"bytes_a_series": status["head_bytes"] / series,
                      "all_bytes_a_series": (status["head_bytes"] + status["catalog_bytes"] +
                                             status["novelty_bytes"]) / series,
                      "rss_bytes_a_series": (machine.rss_bytes(server.process.pid) - rss) / series}


@contextlib.contextmanager
def memory(rig):
    series = rig.options.series

    def peer(chunk_bytes):
        with RedisTimeSeries(rig.programs, f"{rig.folder}/redis-memory", chunk_bytes=chunk_bytes) as server:
            before = server.used_bytes()
            run = load(rig.build, server.port, {"redis": server.pid}, create="yes", series=series, draw="each", count=3 * series)
            return run | {"bytes_a_series": (server.used_bytes() - before) / series}

    arms = {"longtail": lambda: head_bytes(rig)}
    if rig.peer_fits():
        arms |= {"redis": lambda: peer(None), "redis, smallest chunk": lambda: peer(48)}
    yield arms


# ---- the list ----

def applied(arm):
    """What the consumer alone kept up with: 60 s of writing faster than this end with a lag."""
    return stated("… applied by the consumer, from the first point to the last", arm, "applied_per_s", "points/s")


def cpu(arm, of_whom, what):
    return stated(f"CPU of {of_whom} a million points {what}", arm, f"cpu_us_a_point_of.{of_whom}", "s")


SCENARIOS = [
    Scenario("madd-64", "TS.MADD × 100, 64 connections, acknowledged by Kafka", ingest(MODES, connections=64), [
        at_least("TS.MADD × 100, 64 connections, ingest only", "longtail", 4.0e6),
        times("… to RedisTimeSeries without persistence", 6, "longtail", "redis"),
        times("… to RedisTimeSeries, appendfsync always", 10, "longtail", "redis-always"),
        at_most("Kafka bytes a point, as sent", "longtail", "kafka_bytes_a_point", 16, "B"),
        cpu("longtail", "longtaild", "acknowledged"), cpu("longtail", "broker", "acknowledged")]),
    Scenario("madd-8", "TS.MADD × 100, 8 connections, one command in flight each", ingest(MODES, connections=8), [
        at_least("TS.MADD × 100, 8 connections", "longtail", 1.4e6),
        at_most("… its p50", "longtail", "latency_ms.p50", 0.5, "ms")]),
    Scenario("observe-64", "OBSERVE × 100, 64 connections", ingest(command="observe", connections=64), [
        at_least("OBSERVE × 100, 64 connections", "longtail", 5.0e6)]),
    Scenario("add-64x16", "TS.ADD pipelined 16 deep, 64 connections", ingest(MODES, command="ts.add", connections=64, depth=16), [
        at_least("TS.ADD, 64 connections, 16 deep", "longtail", 1.0e6)]),
    Scenario("add-64", "TS.ADD, 64 connections, not pipelined", ingest(MODES, command="ts.add", connections=64), [
        at_least("TS.ADD, 64 connections, not pipelined", "longtail", 1.0e5),
        times("… to RedisTimeSeries without persistence", 1, "longtail", "redis")]),
    Scenario("add-1", "One TS.ADD at a time, beside the broker's own synchronous round trip", single, [
        stated("one TS.ADD: p50", "longtail", "latency_ms.p50", "ms"),
        stated("the broker's round trip, librdkafka alone: p50", "roundtrip", "p50_ms", "ms"),
        Check("… one over the other", lambda runs, options: _over(runs, "roundtrip"), 1.3, "less", "x")]),
    Scenario("half", "TS.MADD × 100 at half of the highest rate, paced", half, [
        at_most("p99 at half of the highest rate", "half", "latency_ms.p99", 20, "ms"),
        stated("… the rate", "half", RATE, "points/s")]),
    Scenario("fsync", "TS.MADD × 100 with the broker's fsync of every record", synced, [
        times("64 connections, to RedisTimeSeries appendfsync always", 3, "longtail 64", "redis-always 64"),
        times("8 connections, the same", 0.85, "longtail 8", "redis-always 8"),
        Check("1 connection, to 100 × the broker's own fsynced rounds a second",
              lambda runs, options: _to_rounds(runs), 0.9, "more", "x")]),
    Scenario("growth", "TS.MADD × 100 with 64, 1,000 and 5,000 connections", growth((64, 1000, 5000)), [
        Check("64, 1,000, 5,000 connections: slowest over fastest", growth_figure, 0.7, "more", "x")]),
    Scenario("dense", "All roles: dense series, a point a second each, in real time",
             everything(paced=True, draw="each", times="advance", connections=64), [
                 Check("dense, in real time: share of the points that were due", lambda runs, options: _kept_up(runs), 0.995,
                       "more", "x", lag_of("longtail")),
                 at_most("… the consumer's lag at the end", "longtail", "lag_s", 5, "s"),
                 stated("… p99 of the lateness of sending", "longtail", "lateness_ms.p99", "ms")]),
    Scenario("fast", "All roles: the same as fast as it goes", everything(draw="each", times="advance", connections=64), [
        at_least("dense, as fast as it goes, everything stored", "longtail", 1.5e6, also=lag_of("longtail")),
        applied("longtail"),
        at_most("… the consumer's lag at the end", "longtail", "lag_s", 5, "s"),
        cpu("longtail", "longtaild", "stored"), cpu("longtail", "broker", "stored"),
        cpu("longtail", "mariadb", "stored")]),
    Scenario("sparse", "All roles: 10 M series, each point a different one, names known", sparse, [
        at_least("sparse, 10 M series", "longtail", 7.0e5, also=lag_of("longtail")),
        applied("longtail"),
        at_most("… the consumer's lag at the end", "longtail", "lag_s", 5, "s")]),
    Scenario("new", "All roles: names never seen before", everything(draw="new", connections=64, flags={"items-max": 0}), [
        at_least("names never seen before", "longtail", 2.5e5, "series/s", also=lag_of("longtail")),
        applied("longtail"),
        at_most("… the consumer's lag at the end", "longtail", "lag_s", 5, "s")]),
    Scenario("head", "Memory of 1 M sparse series of 3 points in the head", memory, [
        at_most("a series of 3 points in the head", "longtail", "bytes_a_series", 100, "B"),
        stated("… with its name's entry and its newest time", "longtail", "all_bytes_a_series", "B"),
        stated("… growth of the process", "longtail", "rss_bytes_a_series", "B"),
        stated("… RedisTimeSeries", "redis", "bytes_a_series", "B"),
        stated("… RedisTimeSeries, smallest chunk", "redis, smallest chunk", "bytes_a_series", "B")]),
    Scenario("local-64", "Local log: TS.MADD × 100, 64 connections", ingest(log="local", connections=64), [
        at_least("local log: TS.MADD × 100, 64 connections", "longtail", 2.5e6)]),
    Scenario("local-add-64", "Local log: TS.ADD, 64 connections, not pipelined",
             ingest(log="local", command="ts.add", connections=64), [
                 at_least("local log: TS.ADD, 64 connections, not pipelined", "longtail", 6.0e4)]),
    Scenario("local-add-1", "Local log: one TS.ADD at a time, beside one commit of LMDB", single_local, [
        stated("local log: one TS.ADD, p50", "longtail", "latency_ms.p50", "ms"),
        stated("one commit, LMDB alone: p50", "commit", "p50_ms", "ms"),
        Check("… one over the other", lambda runs, options: _over(runs, "commit"), 2.5, "less", "x")]),
]


def _awake(scenario):
    """The same where idle cores look for work before they halt: how much of a figure is the price of waking them, which in
    a virtual machine is its host's."""
    @contextlib.contextmanager
    def arms(rig):
        with machine.awake(AWAKE_US), scenario.arms(rig) as found:
            yield found
    checks = [check if check.row.startswith("…") else check._replace(row=f"{check.row}, cores awake") for check in scenario.checks]
    return Scenario(f"{scenario.name}-awake", f"{scenario.title}, cores awake", arms, checks)


SCENARIOS += [_awake(scenario) for scenario in SCENARIOS if scenario.name in AWAKE]


def _over(runs, bare):
    x, y = median(runs, "longtail", "latency_ms.p50"), median(runs, bare, "p50_ms")
    return None if x is None or not y else x / y


def _to_rounds(runs):
    x, y = median(runs, "longtail 1", RATE), median(runs, "roundtrip", "rounds_per_s")
    return None if x is None or not y else x / (POINTS * y)


def _kept_up(runs):
    x, y = median(runs, "longtail", RATE), median(runs, "longtail", "rate")
    return None if x is None or not y else x / y
