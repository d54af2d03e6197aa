"""A real longtaild for one test: started with any flags, killed, frozen, started again on its data."""

import os
import random
import re
import signal
import socket
import subprocess
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stacklib.process import process_state
from stacklib.resp import is_ready
from stacklib.stack import port_free

BINARY = os.path.join(os.environ.get("BUILD", "build"), "longtaild")
SANITIZER = re.compile(r"(Address|Leak|Thread)Sanitizer|: runtime error: ")
END_S = 30  # a drain, a last flush, and a search for leaks
PORTS = range(10000, 19999)  # below the range of outgoing connections: free again after a restart


class Longtaild:
    """Options are flags with underscores: Longtaild(folder, log="local", flush_interval="200ms")."""

    def __init__(self, folder, **options):
        self.port = free_port()
        self.log_path = os.path.join(folder, "longtaild.log")
        self.options = {"listen": f"127.0.0.1:{self.port}", **options}
        self.process = None
        self.clients = []

    # ---- life ----

    def start(self, ready_s=30, environment=None):
        """Starts it and waits until it can acknowledge; with ready_s=None it does not wait."""
        assert self.process is None or self.process.poll() is not None, "it still runs"
        argv = [BINARY]
        for name, value in self.options.items():
            argv += [f"--{name.replace('_', '-')}", str(value)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **(environment or {})})
        if ready_s is not None:
            self.wait_ready(ready_s)
        return self

    def wait_ready(self, limit_s=30):
        deadline = time.monotonic() + limit_s
        while not is_ready(self.port):
            status = self.process.poll()
            assert status is None, f"longtaild ended with status {status} before it was ready:\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"longtaild was not ready in {limit_s} s:\n{self.log_tail()}"
            time.sleep(0.02)

    def kill9(self):
        self.process.kill()
        self.process.wait(30)

    def terminate(self, limit_s=30):
        """TERM, and its exit status, which is 0 after a clean drain."""
        self.process.terminate()
        return self.process.wait(limit_s)

    def restart(self, **start_options):
        """Ends it if it runs, cleanly, and starts it again with the same options and data."""
        if self.running():
            self.hang_up()
            self.terminate()
        return self.start(**start_options)

    def hang_up(self):
        """Its clients do, and connect again when they are used. A server that ends gives those that do not 2 s."""
        for client in self.clients:
            client.connection_pool.disconnect()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        while process_state(self.process.pid) != "T":
            time.sleep(0.001)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self):
        """For the fixture, whatever state it is in. A server that still runs must end cleanly, in time."""
        if not self.running():
            return
        self.thaw()
        self.hang_up()
        try:
            status = self.terminate(END_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(30)
            raise AssertionError(f"longtaild did not end within {END_S} s of a TERM") from None
        assert status == 0, f"longtaild ended with status {status} after a TERM, expected 0"

    def sanitizer_report(self):
        """What a build with SANITIZE= has found while it ran, from its first line on; '' is good."""
        with open(self.log_path, errors="replace") as log:
            lines = log.readlines()
        first = next((i for i, line in enumerate(lines) if SANITIZER.search(line)), len(lines))
        return "".join(lines[first:first + 80])

    # ---- talking to it ----

    def client(self, protocol=2, **options):
        """A redis-py client that never sends a command twice by itself."""
        options = {"decode_responses": True, "socket_timeout": 30, **options}
        client = redis.Redis(host="127.0.0.1", port=self.port, protocol=protocol, retry=Retry(NoBackoff(), 0), **options)
        self.clients.append(client)
        return client

    def talk(self, request, size):
        """What `size` bytes of answers a request gets; fewer where the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(request)
            answer = b""
            while len(answer) < size and (more := s.recv(65536)):
                answer += more
            return answer

    def log_tail(self, lines=60):
        try:
            with open(self.log_path, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


def ask(client, *words):
    return client.execute_command(*words)


def refused(call, *arguments):
    """What a call that must fail says."""
    try:
        reply = call(*arguments)
    except redis.ResponseError as refusal:
        return str(refusal)
    raise AssertionError(f"{arguments} were answered {reply!r}, expected an error")


def error(client, *words):
    """What a command that must fail says."""
    return refused(client.execute_command, *words)


def points(client, key):
    return [(at, float(value)) for at, value in client.execute_command("TS.RANGE", key, "-", "+")]


def free_port():
    while True:
        port = random.choice(PORTS)
        if port_free(port):
            return port
