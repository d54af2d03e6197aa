"""Random writes, deletions, clearings, flushes, compactions and crashes; what the server answers is exactly what a model of 40
lines answers. At its end longtail-inspect derives all that is stored from the points again.

Values are integers and quarters, so every sum is exact whatever its order. A run takes PROPERTY_SECONDS (default
150) and prints its seed; PROPERTY_SEED repeats one.
"""

import contextlib
import itertools
import math
import os
import random
import time

import hypothesis
import pytest
from hypothesis import HealthCheck, given, note, settings, strategies as st

from check.inspect import verify
from check.model import Model
from check.reader import Reader
from check.resp import Client, Error, Lost

SECONDS = float(os.environ.get("PROPERTY_SECONDS", 150))
SHRINK_S = 90
CONNECTIONS = 3
HOSTS = ("a", "b")  # of each connection: connections write to different series
METRICS = ("a.q.00000000000000a1.x", "a.q.00000000000000a1.y", "a.q.1234567.x", "a.q.00000000000000a2.x", "a.load1",
           "b.alpha.x", "b.beta.x", "b.alpha.y")  # b.*: declared, of kind delta
POLICIES = ("last", "first", "min", "max", "sum")
HOUR = 3600
DAY = 24 * HOUR

# Seconds from the beginning of an hour of yesterday: at both sides of the end of a table, far back and ahead.
offsets = st.sampled_from([0, 1, 2, 3, 59, 60, HOUR - 2, HOUR - 1, HOUR, HOUR + 1, 3 * HOUR, -20 * 24 * HOUR])
values = st.integers(-4000, 4000).map(lambda n: n / 4)
host_metric = st.tuples(st.sampled_from(HOSTS), st.sampled_from(METRICS))
millis = st.tuples(offsets, st.sampled_from([0, 0, 250, 999]))

observe = st.tuples(st.just("OBSERVE"), st.sampled_from(HOSTS), offsets,
                    st.lists(st.tuples(st.sampled_from(METRICS), values), min_size=1, max_size=6))
madd = st.tuples(st.just("TS.MADD"), st.lists(st.tuples(host_metric, millis, values | st.just(math.nan)),
                                              min_size=1, max_size=6))
add = st.tuples(st.just("TS.ADD"), host_metric, millis, values | st.just(math.nan), st.sampled_from((None, *POLICIES)))
again = st.tuples(st.just("again"), st.integers(1, 5))  # the nth last command of this connection once more
pipeline = st.lists(observe | madd | add | again, max_size=8)
harmless = st.lists(observe | madd, max_size=8)  # may be repeated when its outcome is unknown

delete = st.tuples(st.just("delete"), st.tuples(st.integers(0, CONNECTIONS - 1), host_metric, offsets,
                                                st.sampled_from([0, 1, 60, HOUR, 30 * 24 * HOUR])))

step = st.one_of(
    st.tuples(st.just("write"), st.lists(pipeline, min_size=CONNECTIONS, max_size=CONNECTIONS)),
    st.tuples(st.just("write"), st.lists(pipeline, min_size=CONNECTIONS, max_size=CONNECTIONS)),
    delete,
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("clear"), st.sampled_from(["FLUSHDB", "FLUSHALL"])),
    st.tuples(st.just("jobs"), st.sampled_from(["compact", "downsample"])),
    st.tuples(st.just("read"), st.integers(0, 1 << 30)),
    st.tuples(st.just("crash"), st.tuples(st.lists(harmless, min_size=CONNECTIONS, max_size=CONNECTIONS),
                                          st.integers(0, 15))),
)


def chance_hour(number):
    """Examples share a server: hours that others have compacted, and hours that none has."""
    return number * 7 % 20


class World:
    """One example: its own names on a server that all examples share, and their model."""

    DAYS = -1  # from today

    def __init__(self, server, number):
        self.server, self.model = server, Model()
        self.name = f"p{number}"
        self.base_s = self.first_hour_s() + chance_hour(number) * HOUR
        self.connections = [Client(server.port) for _ in range(CONNECTIONS)]
        self.sent = [[] for _ in range(CONNECTIONS)]
        reply = self.connections[0].call("CATEGORY", "ADD", f"{self.name}.b.*", "KIND", "delta")
        assert not isinstance(reply, Error), reply

    @staticmethod
    def now_s():
        return int(time.time())

    def first_hour_s(self):
        return self.now_s() // DAY * DAY + self.DAYS * DAY

    def close(self):
        for connection in self.connections:
            connection.close()

    def host(self, connection, host):
        return f"{self.name}-{connection}{host}"

    # ---- writing ----

    def command(self, c, command):
        """Its words, and what it does to the model: (points, policy, observed)."""
        name = command[0]
        if name == "again":
            return self.sent[c][-command[1]] if len(self.sent[c]) >= command[1] else None
        if name == "OBSERVE":
            _, host, offset, points = command
            host, second = self.host(c, host), self.base_s + offset
            words = ["OBSERVE", host, second, *itertools.chain(*((f"{self.name}.{m}", v) for m, v in points))]
            done = ([(host, f"{self.name}.{m}", second * 1000, v) for m, v in points], "last", True)
        else:
            points = [command[1:4]] if name == "TS.ADD" else command[1]
            points = [(self.host(c, h), f"{self.name}.{m}", (self.base_s + s) * 1000 + ms, v)
                      for (h, m), (s, ms), v in points]
            words = [name, *itertools.chain(*((f"{h}/{m}", at, v) for h, m, at, v in points))]
            policy = command[4] if name == "TS.ADD" else None
            words += ["ON_DUPLICATE", policy] if policy else []
            done = (points, policy or "last", False)
        return words, done

    def send(self, pipelines):
        """Everything at once on all connections; returns what waits for its reply."""
        waiting = [[] for _ in pipelines]
        for c, pipeline in enumerate(pipelines):
            for command in filter(None, (self.command(c, command) for command in pipeline)):
                with contextlib.suppress(Lost):
                    self.connections[c].send(*command[0])
                waiting[c].append(command)
                self.sent[c].append(command)
        return waiting

    def is_refused(self, points, policy):
        """A NaN never takes a number's place under these policies."""
        return policy in ("min", "max", "sum") and any(
            math.isnan(value) and not math.isnan(self.model.series.get((host, metric), {}).get(at, math.nan))
            for host, metric, at, value in points)

    def acknowledge(self, c, command, reply):
        words, done = command
        if self.is_refused(done[0], done[1]):
            assert isinstance(reply, Error), (words, reply)
            return
        assert not any(isinstance(r, Error) for r in (reply if isinstance(reply, list) else [reply])), (words, reply)
        self.model.write(done[0], done[1], done[2])

    def write(self, pipelines):
        for c, commands in enumerate(self.send(pipelines)):
            for command in commands:
                self.acknowledge(c, command, self.connections[c].read())

    def crash(self, what):
        pipelines, delay_ms = what
        waiting = self.send(pipelines)
        time.sleep(delay_ms / 1000)
        self.server.kill9()
        for c, commands in enumerate(waiting):
            with contextlib.suppress(Lost):
                while commands:
                    self.acknowledge(c, commands[0], self.connections[c].read())
                    commands.pop(0)
        self.close()
        self.server.start()
        self.connections = [Client(self.server.port) for _ in range(CONNECTIONS)]
        for c, commands in enumerate(waiting):
            for command in commands:
                self.acknowledge(c, command, self.connections[c].call(*command[0]))

    def delete(self, what):
        c, (host, metric), offset, length = what
        series = (self.host(c, host), f"{self.name}.{metric}")
        from_ms = (self.base_s + offset) * 1000
        to_ms = from_ms + length * 1000
        reply = self.connections[c].call("TS.DEL", "/".join(series), from_ms, to_ms)
        if isinstance(reply, Error) and "not exist" in reply:
            assert not self.model.series.get(series), (series, reply)
        else:
            assert reply == self.model.delete(series, from_ms, to_ms), (series, from_ms, to_ms, reply)

    def clear(self, command):
        """Other examples' points too; they are over."""
        assert self.connections[0].call(command) == "OK"
        self.model.clear()

    # ---- jobs ----

    def flush(self, _):
        time.sleep(0.25)  # the server's flush interval, twice

    def jobs(self, name):
        """Over all that examples have written, whether it is due or not."""
        today = self.now_s() // DAY * DAY
        reply = self.connections[0].call("JOBS", "RUN", name, today + (self.DAYS - 1) * DAY,
                                         today + (self.DAYS + 1) * DAY)
        assert not isinstance(reply, Error) or "at the moment" in reply, reply  # just after a crash

    # ---- reading ----

    def read(self, seed):
        chance = random.Random(seed)
        with Client(self.server.port) as client:
            reader = Reader(client)
            for series in sorted(self.model.series):
                self.check_points(reader, series)
            for _ in range(3):
                self.check_range(reader, chance)
                self.check_topq(reader, chance)

    def check_points(self, reader, series):
        got = reader.points("/".join(series))
        expected = sorted(self.model.series[series].items())
        assert [(at, str(v)) for at, v in got] == [(at, str(v + 0.0)) for at, v in expected], series

    def span(self, chance):
        start = self.base_s + chance.choice([-2, 0, 1, 60, HOUR - 1, -21 * 24 * HOUR])
        return start, start + chance.choice([1, 2, 61, HOUR, HOUR + 5, 22 * 24 * HOUR])

    def check_range(self, reader, chance):
        from_s, to_s = self.span(chance)
        step_s = chance.choice([max(1, (to_s - from_s + 59) // 60), to_s - from_s])
        # A coarser bucket counts in the interval that holds its start: only whole ones can be compared.
        grain = HOUR if step_s >= 10 * HOUR else 60 if step_s >= 600 else 1
        step_s = -(-step_s // grain) * grain
        from_s -= from_s % grain
        to_s = from_s + -(-(to_s - from_s) // step_s) * step_s
        how = chance.choice(["sum", "count", "min", "max", "avg", "first", "last"])
        hosts = [self.host(c, h) for c in range(CONNECTIONS) for h in HOSTS]
        keys = [(chance.choice(hosts), f"{self.name}.{chance.choice(METRICS)}") for _ in range(3)]
        for (host, metric), buckets in zip(keys, reader.buckets(keys, from_s, to_s, step_s, how)):
            stem = metric.rpartition(".")[0]
            delta = ".b." in metric and any(m.startswith(f"{stem}.") for _, m in self.model.series)
            expected = [(start, *self.model.bucket((host, metric), how, delta, start * 1000,
                                                   min(start + step_s, to_s) * 1000))
                        for start in range(from_s, to_s, step_s)]
            assert buckets == expected, (host, metric, how, from_s, to_s, step_s)

    def check_topq(self, reader, chance):
        from_s, to_s = self.span(chance)
        stem, ranks = chance.choice([("a.q", ("sum", "count", "max", "avg")), ("b", ("sum", "count"))])
        rank, limit = chance.choice(ranks), chance.choice([1, 2, 10])
        hosts = [self.host(c, h) for c in range(CONNECTIONS) for h in HOSTS]
        asked = chance.choice([(), tuple(chance.sample(hosts, 2))])
        items = self.model.ranked(f"{self.name}.{stem}", "x", asked or hosts, from_s * 1000, to_s * 1000)
        expected = {item: self.model.aggregate(rank, v) for item, v in items.items()}
        rows, rest, total = reader.topq(from_s, to_s, f"{self.name}.{stem}.*.x", rank, limit, asked)
        what = (self.name, stem, rank, limit, asked, from_s, to_s)
        assert rows == {item: expected.get(item) for item in rows}, what
        assert sorted(rows.values(), reverse=True) == sorted(expected.values(), reverse=True)[:limit], what
        for got, values in ((rest, [v for i, vs in items.items() if i not in rows for v in vs]),
                            (total, list(itertools.chain(*items.values())))):
            assert got == (self.model.aggregate(rank, values) if values else 0), what


class OpenWorld(World):
    """Of hours that are still open: pieces of them are compacted all the time."""

    DAYS = 1

    def first_hour_s(self):
        """Hours from two on: none is over before the test is, and none a day ahead, which has no table of its own."""
        return self.now_s() // HOUR * HOUR + 2 * HOUR


def run_examples(server, world_class, numbers, seed):
    """Some examples; raises with the smallest that was found to fail within SHRINK_S."""
    failed = set()
    shrink_end = float("inf")

    @hypothesis.seed(seed)
    @settings(max_examples=10, deadline=None, database=None, report_multiple_bugs=False,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(step, max_size=12))
    def run(steps):
        nonlocal shrink_end
        if time.monotonic() > shrink_end and repr(steps) not in failed:
            return  # smaller examples are not looked for any more
        world = world_class(server, next(numbers))
        note(f"names begin with {world.name}")
        try:
            for what, argument in [*steps, ("read", 1), ("flush", 0), ("read", 2)]:
                getattr(world, what)(argument)
        except Exception:
            failed.add(repr(steps))
            shrink_end = min(shrink_end, time.monotonic() + SHRINK_S)
            raise
        finally:
            world.close()

    run()


@pytest.mark.timeout(SECONDS + 2 * SHRINK_S)
@pytest.mark.parametrize("log, share, world_class", [("local", 0.5, World), ("kafka", 0.25, World),
                                                     ("local", 0.25, OpenWorld)])
def test_model(longtaild, log, share, world_class):
    seed = int(os.environ.get("PROPERTY_SEED") or random.randrange(1 << 32))
    print(f"seed {seed}: PROPERTY_SEED={seed} repeats this run")
    server = longtaild(log=log, flush_interval="100ms", jobs_interval="100ms", compact_grace="0ms", compact_late="0ms",
                       ranked_items_min=1, compact_piece="300ms", compact_piece_points=3)
    with Client(server.port) as client:  # dimensions are known by name alone, from the first example on
        assert not isinstance(client.call("OBSERVE", "h", 1, "warm.x", 1, "warm.y", 1), Error)
    numbers = itertools.count()
    end = time.monotonic() + SECONDS * share
    while time.monotonic() < end:
        run_examples(server, world_class, numbers, seed)
        seed += 1
    pieces = server.log_tail(1 << 26).count("compact of what came of")
    print(f"{next(numbers)} examples, {pieces} pieces")
    assert world_class is World or pieces > 0
    print(verify(server))
