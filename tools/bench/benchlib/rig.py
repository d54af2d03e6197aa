"""What a write scenario runs on: one stack, and for each run a fresh server on a fresh topic, folder and database, so
that no run inherits the bytes of another."""

import contextlib
import glob
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

from . import machine, redis_timeseries
from .load import BenchError, Load, load, roundtrip
from .redis_timeseries import RedisTimeSeries
from .server import Server

DESCRIPTORS = 20000
CATCH_UP_LIMIT_S = 300
WARM_S = 60  # then the second compiler is done: rates rise for 30 s
NEEDS_MEMORY = 7 << 30  # a peer with a million series, of 5,291 bytes and more each

MODES = ("redis", "redis-everysec", "redis-always")


def broker_as_people_run_it():
    """With both compilers, and Kafka's own heap. G1, its scripts' choice, wants a core for itself. And a database with some
    memory."""
    os.environ.setdefault("MARIADB_BUFFER_POOL", "1G")
    os.environ.setdefault("KAFKA_HEAP_OPTS", "-Xms1G -Xmx1G")
    os.environ.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC")


def end_in_order(program):
    """SIGTERM ends what was started, and puts settings back, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"{program}: ended by SIGTERM"))


def raise_descriptors():
    """5,000 connections need as many descriptors, here and in whatever is started from here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = max(hard, DESCRIPTORS) if os.geteuid() == 0 else hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, want))


class Rig:
    def __init__(self, options, stack, say):
        self.options, self.stack, self.say = options, stack, say
        self.build = options.build
        self.folder = os.path.join(options.var, "runs")
        self.numbers = itertools.count()
        self.unique = f"w{int(time.time())}"
        self.programs = None if options.no_peers else redis_timeseries.fetch()
        if self.programs is None:
            say("RedisTimeSeries is left out" + ("" if options.no_peers else ": it cannot be had here (see above)"))
        raise_descriptors()

    # ---- how much ----

    def load_options(self, **options):
        """The load of issue 5, where a row does not say otherwise."""
        return {"series": self.options.series, "seconds": self.options.seconds, "warm_up": self.options.warm_up, **options}

    # ---- servers ----

    @contextlib.contextmanager
    def longtaild(self, log="kafka", roles="ingest", topic_config=None, **flags):
        """A fresh server; .topic is its topic, if it has one, and .pids who works for it."""
        name = f"{self.unique}n{next(self.numbers)}"
        folder = os.path.join(self.folder, name)
        flags = {"log": log, "roles": roles, "node": name, "query-deadline": "30s", **flags}
        if log == "kafka":
            self.stack.kafka.create_topic(name, 1, topic_config)
            flags |= {"kafka-brokers": self.stack.kafka.address, "kafka-topic": name}
        machine.settle()
        try:
            with Server(self.build, self.stack, f"{name}_", folder, **flags) as server:
                server.topic = name if log == "kafka" else None
                server.pids = {"longtaild": server.process.pid}
                if log == "kafka":
                    server.pids["broker"] = self.stack.kafka.process.pid()
                if "store" in roles:
                    server.pids["mariadb"] = self.stack.mariadb.process.pid()
                yield server
        finally:
            if log == "kafka":
                self.stack.kafka.delete_topic(name)
            if "store" in roles:
                self._drop_databases(f"{name}_")
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_databases(self, prefix):
        argv = ["mariadb", "--no-defaults", f"--socket={self.stack.mariadb.socket_path}", "-u", "root", "-N", "-B", "-e"]
        names = subprocess.run([*argv, "SHOW DATABASES"], check=True, capture_output=True, text=True).stdout.split()
        for name in names:
            if name.startswith(prefix):
                subprocess.run([*argv, f"DROP DATABASE `{name}`"], check=True, stdout=subprocess.DEVNULL)

    # ---- runs ----

    def warm(self):
        """A broker that has just started compiles itself while it works: that is nobody's figure. It compiles what it has
        done many times, so it gets many small records."""
        seconds = self.options.seconds if self.options.quick else max(self.options.seconds, WARM_S)
        self.say(f"warming the broker for {seconds} s")
        self.ingest(connections=8, seconds=seconds)

    def ingest(self, log="kafka", topic_config=None, **load_options):
        """A run against a fresh server that only acknowledges."""
        with self.longtaild(log, topic_config=topic_config) as server:
            report = load(self.build, server.port, server.pids, **self.load_options(**load_options))
            status = server.status("ingest")
            report["record_bytes"] = status["bytes_acked"] / max(status["records_acked"], 1)
            if server.topic:
                report["kafka_bytes_a_point"] = self.topic_bytes(server.topic) / report["points_acked"]
            self._same_count(status["points_acked"], report)
        return report

    @staticmethod
    def _same_count(points, report):
        if points != report["points_acked"]:
            raise BenchError(f"the server counts {points} points, the load {report['points_acked']}")

    def topic_bytes(self, topic):
        """As they were sent: the broker stores a producer's batches as they come."""
        return sum(os.path.getsize(path) for path in glob.glob(os.path.join(self.stack.kafka.data, f"{topic}-0", "*.log")))

    def stored(self, server, **load_options):
        """A run against a server that also stores: how far behind the consumer is when the load ends, and when all of it
        was applied, and in the tables."""
        before = server.status("partition")
        begin = time.monotonic()
        run = Load(self.build, server.port, server.pids, **load_options)
        worst_s = 0.0
        while not run.wait(1.0):
            worst_s = max(worst_s, self._lag_s(server.status("partition")))
        lag_s = self._lag_s(server.status("partition"))
        report = run.result()
        points = report["points_acked"]
        self._wait(server, before, "points", points)
        applied_s = time.monotonic() - begin
        self._wait(server, before, "flushed_points", points)
        stored_s = time.monotonic() - begin
        return report | run.cpu(points) | {"lag_s": lag_s, "lag_max_s": max(worst_s, lag_s), "applied_s": applied_s,
                                           "stored_s": stored_s, "applied_per_s": points / applied_s}

    def applied(self, server, **load_options):
        """A run whose points are all in the server's memory at its end."""
        before = server.status("partition")
        report = load(self.build, server.port, server.pids, **load_options)
        self._wait(server, before, "points", report["points_acked"])
        return report

    @staticmethod
    def _lag_s(status):
        """How old what the consumer has applied last is, if there is more to apply."""
        if status["lag_records"] == 0:
            return 0.0
        return max(0.0, time.time() - status["complete_until_ms"] / 1000)

    def _wait(self, server, before, name, points):
        deadline = time.monotonic() + CATCH_UP_LIMIT_S
        while (there := server.status("partition")[name] - before[name]) < points:
            if time.monotonic() > deadline:
                raise BenchError(f"{there} of {points} {name} {CATCH_UP_LIMIT_S} s after they were acknowledged")
            time.sleep(0.05)
        if there != points:
            raise BenchError(f"the server counts {there} {name}, the load {points}")

    def roundtrip_kafka(self, record_bytes, topic_config=None):
        topic = f"{self.unique}n{next(self.numbers)}"
        self.stack.kafka.create_topic(topic, 1, topic_config)
        try:
            return roundtrip(self.build, kafka=self.stack.kafka.address, topic=topic, bytes=int(record_bytes),
                             seconds=min(self.options.seconds, 10))
        finally:
            self.stack.kafka.delete_topic(topic)

    def roundtrip_local(self, record_bytes):
        folder = os.path.join(self.folder, f"{self.unique}n{next(self.numbers)}")
        os.makedirs(folder)
        try:
            return roundtrip(self.build, local=folder, bytes=int(record_bytes), seconds=min(self.options.seconds, 10))
        finally:
            shutil.rmtree(folder)

    # ---- peers ----

    @contextlib.contextmanager
    def peers(self, modes):
        """{mode: run(**load options)}, of peers that live as long as the scenario, as their series have to be made first.
        The two ways of fsync share one."""
        with contextlib.ExitStack() as stack:
            runs = {}
            appending = None
            for mode in modes if self.programs else ():
                if mode == "redis":
                    runs[mode] = self._peer_run(stack.enter_context(self._peer(mode, None)), None)
                    continue
                appending = appending or stack.enter_context(self._peer("redis-append", "everysec"))
                runs[mode] = self._peer_run(appending, mode.removeprefix("redis-"))
            yield {mode: run for mode, run in runs.items() if run is not None}

    def peer_fits(self):
        """Whether there is a peer, and memory for its series."""
        needed = NEEDS_MEMORY * self.options.series // 1_000_000
        fits = machine.memory_bytes("MemAvailable") > needed
        if self.programs and not fits:
            self.say(f"RedisTimeSeries is left out: its series need {needed / 2 ** 30:.1f} GiB, and less is free")
        return self.programs is not None and fits

    @contextlib.contextmanager
    def _peer(self, name, appendfsync):
        if not self.peer_fits():
            yield None
            return
        with RedisTimeSeries(self.programs, os.path.join(self.folder, name), appendfsync) as peer:
            self.say(f"{name}: making {self.options.series:,} series")
            load(self.build, peer.port, {}, create="yes", series=self.options.series, draw="each", count=self.options.series)
            yield peer

    def _peer_run(self, peer, fsync):
        if peer is None:
            return None

        def run(**load_options):
            if fsync:
                peer.fsync(fsync)
            machine.settle()
            return load(self.build, peer.port, {"redis": peer.pid}, **self.load_options(**load_options))

        return run
