"""tools/run, as `make run` calls it: it starts all, keeps all running, continues, and stops all."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from integration.harness import free_port
from stacklib.process import process_state
from stacklib.resp import is_ready
from stacklib.stack import Stack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")


def observe(port):
    """Writes one point; its offset in the log."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"OBSERVE run 1700000000 host.load.load1 1\r\n")
        answer = connection.makefile("rb")
        head = answer.readline()
        receipt = answer.readline() if head.startswith(b"$") else head[1:]
    assert receipt.startswith(b"0:"), head + receipt
    return int(receipt[2:])


class Run:
    def __init__(self, var, *arguments):
        self.var = str(var)
        self.port = free_port()
        self.arguments = arguments
        self.output_path = os.path.join(self.var, "run.out")
        self.process = None

    def start(self):
        os.makedirs(self.var, exist_ok=True)
        with open(self.output_path, "w") as output:
            self.process = subprocess.Popen(
                [os.path.join(ROOT, "tools/run"), "--build", BUILD, "--var", self.var, "--port", str(self.port),
                 *self.arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.wait(lambda: "Ctrl-C stops it" in self.output(), 90)

    def output(self):
        with open(self.output_path) as f:
            return f.read()

    def wait(self, condition, limit_s):
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def pid(self, path):
        with open(os.path.join(self.var, path)) as f:
            return int(f.read())

    def pids(self):
        paths = ("mariadb/pid", "kafka/pid", "longtaild.pid", "longtail-agent.pid")
        return [self.pid(path) for path in paths if os.path.exists(os.path.join(self.var, path))]

    def stop(self, number):
        """Its exit status; nothing that it started may be left."""
        pids = self.pids()
        self.process.send_signal(number)
        status = self.process.wait(90)
        assert {process_state(pid) for pid in pids} <= {"Z", "X"}, self.output()
        return status


@pytest.fixture
def run(tmp_path):
    runs = []

    def make(*arguments):
        runs.append(Run(tmp_path / "var", *arguments))
        return runs[-1]

    yield make
    for run in runs:
        if run.process and run.process.poll() is None:
            run.stop(signal.SIGTERM)


def test_starts_all_and_continues_with_the_data(run):
    first = run()
    first.start()
    tips = re.findall(r"^  redis-cli -p (\d+) (\w+)", first.output(), re.M)
    assert tips == [(str(first.port), word) for word in ("TOPQ", "RANGE", "STATUS")]
    assert is_ready(first.port)
    assert len(first.pids()) == 3
    before = observe(first.port)
    assert first.stop(signal.SIGINT) == 0

    second = run("--no-agent")
    second.start()
    assert len(second.pids()) == 2
    assert observe(second.port) > before, "the log goes on"
    assert second.stop(signal.SIGTERM) == 0


def test_starts_again_what_dies(run):
    """A stack with Kafka outlives the end of each of its parts, and so does the run."""
    it = run("--log", "kafka")
    it.start()
    stack = Stack(it.var)
    for path in ("mariadb/pid", "longtaild.pid", "longtail-agent.pid", "kafka/pid"):
        before = it.pid(path)
        os.kill(before, signal.SIGKILL)
        it.wait(lambda: it.pid(path) != before, 20)
    it.wait(lambda: stack.mariadb.ready() and stack.kafka.ready() and is_ready(it.port), 60)
    assert it.output().count("starting it again") >= 4
    assert observe(it.port) > 0
    assert it.stop(signal.SIGTERM) == 0


def test_one_run_a_folder(run):
    first = run("--no-agent")
    first.start()
    second = run("--no-agent")
    done = subprocess.run([os.path.join(ROOT, "tools/run"), "--build", BUILD, "--var", second.var],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "already runs" in done.stderr
    assert is_ready(first.port)
