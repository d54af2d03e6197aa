"""A private Kafka broker: one KRaft node that is its own controller, on two loopback ports."""

import base64
import os
import shlex
import shutil
import socket
import struct
import subprocess
import time
import uuid

from .process import Process, StackError, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_LIMIT_S = 90
STOP_LIMIT_S = 20
TOPIC = "longtail"

# Starts in half of the time. What the second compiler would make of it later takes a third off a record's way through
# the broker: who measures sets the variables that Kafka's own scripts read.
QUICK_HEAP = "-Xms256m -Xmx256m"
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

PROPERTIES = """\
# Written by tools/stack at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}

# A topic that nobody made is a mistake to be seen.
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
unclean.leader.election.enable=false

# A record of 1,000,000 bytes and its framing.
message.max.bytes=1100000
replica.fetch.max.bytes=1100000
compression.type=producer
# The log's own stamp; a producer's clock, days off, must not make the broker refuse its records.
log.message.timestamp.type=LogAppendTime
log.retention.ms=2592000000
log.retention.bytes=-1
log.segment.bytes=268435456
# A topic that is deleted gives its disk back at once.
log.segment.delete.delay.ms=1000

# Small and quick to start: the cleaner alone would reserve half of the heap.
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
group.initial.rebalance.delay.ms=0
# After its own SIGKILL a broker waits for its former self's session to end, 9 s if nobody says less.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


class Kafka:
    name = "kafka"

    def __init__(self, var, port):
        """`port` and the one above it are the broker's, for as long as its data lives."""
        self.port = port
        self.home = os.path.join(var, "kafka")
        self.data = os.path.join(self.home, "data")
        self.log_dir = os.path.join(var, "log")
        self.marker = os.path.join(self.home, "server.properties")
        self.process = Process(self.name, os.path.join(self.home, "pid"),
                               os.path.join(self.log_dir, "kafka.log"), self.marker)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}" if self.port else "-"

    def exists(self):
        return os.path.isdir(self.data)

    def ready(self):
        try:
            with Connection(self.port, timeout_s=1) as broker:
                broker.request(API_VERSIONS, 0, b"")
            return True
        except (OSError, ValueError):
            return False

    def start(self, say):
        if self.process.pid() is None:
            self._prepare(say)
            self.spawn()
        wait_until(self.ready, self.process, START_LIMIT_S, "its first answer")
        self.create_topic(TOPIC, 1)

    def spawn(self):
        """Starts it on the data that is there, and does not wait."""
        self.process.spawn(self._java("kafka.Kafka", self.marker))

    def stop(self):
        return self.process.stop(STOP_LIMIT_S)

    def create_topic(self, name, partitions, config=None):
        """Makes a topic unless it exists. True if it was made."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with Connection(self.port, timeout_s=10) as broker:
                    error, text = broker.create_topic(name, partitions, config or {})
            except OSError as e:
                error, text = -1, str(e)
            if error in (0, TOPIC_ALREADY_EXISTS):
                return error == 0
            # For a moment after its start the broker may not have found its controller yet.
            if time.monotonic() >= deadline:
                raise StackError(f"kafka did not make topic '{name}' within 30 s; it answers error {error}: {text}")
            time.sleep(0.2)

    def delete_topic(self, name):
        with Connection(self.port, timeout_s=30) as broker:
            error = broker.delete_topic(name)
        if error not in (0, UNKNOWN_TOPIC):
            raise StackError(f"kafka did not delete topic '{name}': error {error}")

    # ---- inside ----

    def _prepare(self, say):
        os.makedirs(self.home, exist_ok=True)
        os.makedirs(self.log_dir, exist_ok=True)
        with open(self.marker, "w") as f:
            f.write(PROPERTIES.format(port=self.port, controller_port=self.port + 1, data=self.data))
        if not os.path.exists(os.path.join(self.data, "meta.properties")):
            say("kafka: formatting its data folder")
            self._format()

    def _format(self):
        shutil.rmtree(self.data, ignore_errors=True)  # without meta.properties it was never used
        argv = self._java("kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id()}",
                          "-c", self.marker)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            raise StackError(f"kafka could not format {self.data}:\n{done.stdout}")

    def _java(self, main, *arguments):
        java = shutil.which("java")
        if java is None:
            raise StackError("java is missing; run deps/install kafka")
        fetch = subprocess.run([os.path.join(ROOT, "deps", "kafka", "fetch")],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if fetch.returncode != 0:
            raise StackError("the broker's jars could not be fetched (see above)")
        heap = os.environ.get("KAFKA_HEAP_OPTS", QUICK_HEAP)
        performance = os.environ.get("KAFKA_JVM_PERFORMANCE_OPTS", QUICK_JVM)
        return [java, *shlex.split(heap), *shlex.split(performance), "-XX:+ExitOnOutOfMemoryError",
                f"-Djava.io.tmpdir={self.home}",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "-cp", os.path.join(fetch.stdout.strip(), "*"), main, *arguments]


# ---- the few words of Kafka's protocol that are needed ----
#
# | i32 size | i16 api | i16 version | i32 correlation | string client | body |   big-endian
# | i32 size | i32 correlation | body |
# string: i16 length, bytes. Saying them here takes a millisecond; Kafka's own tools start a JVM for seconds.

API_VERSIONS = 18
CREATE_TOPICS = 19
DELETE_TOPICS = 20
UNKNOWN_TOPIC = 3
TOPIC_ALREADY_EXISTS = 36


class Connection:
    def __init__(self, port, timeout_s):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, api, version, body):
        head = struct.pack(">hhi", api, version, 1) + string("longtail-stack")
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size, _ = struct.unpack(">ii", self._read(8))
        return self._read(size - 4)

    def create_topic(self, name, partitions, config):
        """(error number, its text); version 4 of the request."""
        body = struct.pack(">i", 1) + string(name) + struct.pack(">ihi", partitions, 1, 0)
        body += struct.pack(">i", len(config)) + b"".join(string(k) + string(v) for k, v in config.items())
        body += struct.pack(">i?", 10_000, False)
        answer = self.request(CREATE_TOPICS, 4, body)
        at = 4 + 4 + 2 + len(name.encode())  # throttle time, count of topics, name
        error, length = struct.unpack_from(">hh", answer, at)
        return error, answer[at + 4:at + 4 + max(length, 0)].decode(errors="replace")

    def delete_topic(self, name):
        """Error number; version 3 of the request."""
        answer = self.request(DELETE_TOPICS, 3, struct.pack(">i", 1) + string(name) + struct.pack(">i", 20_000))
        return struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name.encode()))[0]  # after throttle time, count, name

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the broker closed the connection")
            data += more
        return data


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _cluster_id():
    """16 random bytes as Kafka writes them. One in 64 begins with a dash, which a command line
    takes for an option unless it stands behind an equals sign."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
