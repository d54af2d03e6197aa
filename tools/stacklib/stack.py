"""The parts of one folder (--var) together: their order, their ports, and stack.env."""

import contextlib
import fcntl
import os
import random
import shlex
import socket

from .kafka import Kafka
from .mariadb import MariaDB
from .process import StackError

# Below the range from which Linux gives ports to outgoing connections: a broker's port must still be free
# when it comes back.
PORTS = range(20000, 32000, 10)


class Stack:
    def __init__(self, var, port_base=None):
        self.var = os.path.realpath(var)
        self.env_path = os.path.join(self.var, "stack.env")
        self._port_base = port_base
        self.mariadb = MariaDB(self.var)
        self.kafka = Kafka(self.var, self._recorded_port())

    def parts(self):
        return [part for part in (self.mariadb, self.kafka) if part.exists()]

    def part(self, name):
        for part in self.parts():
            if part.name == name:
                return part
        raise StackError(f"{self.var} has no part '{name}'; it has: "
                         f"{', '.join(part.name for part in self.parts()) or 'none'}")

    def up(self, with_kafka, say):
        """Starts what does not run, on the data that is there. Returns when all of it answers."""
        with self.locked():
            wanted = [self.mariadb]
            if with_kafka:
                self._choose_port()
                wanted.append(self.kafka)
            for part in wanted:
                if part.process.frozen():
                    raise StackError(f"{part.name} is frozen; tools/stack thaw {part.name}")
                running = part.process.pid() is not None
                if not running:
                    say(f"{part.name}: starting")
                part.start(say)
                say(f"{part.name}: {'already runs' if running else 'ready'}, pid {part.process.pid()}, {part.address}")
            self._write_env()

    def down(self, say):
        with self.locked():
            for part in reversed(self.parts()):
                how = part.stop()
                if how == "killed":
                    say(f"{part.name}: did not stop in time, killed")
                elif how:
                    say(f"{part.name}: stopped")

    @contextlib.contextmanager
    def locked(self):
        """One up or down at a time in a folder."""
        os.makedirs(self.var, exist_ok=True)
        with open(os.path.join(self.var, "stack.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # ---- inside ----

    def _recorded_port(self):
        try:
            with open(self.env_path) as f:
                for line in f:
                    name, _, value = line.strip().partition("=")
                    if name == "LONGTAIL_KAFKA":
                        return int(value.rpartition(":")[2])
        except FileNotFoundError:
            pass
        return None

    def _choose_port(self):
        """A broker keeps its port for life: its clients look for it there after a crash."""
        if self.kafka.port is not None:
            if self._port_base not in (None, self.kafka.port):
                raise StackError(f"this stack's broker has port {self.kafka.port} since its first start; leave "
                                 f"--port-base {self._port_base} out, or use another --var")
            return
        candidates = [self._port_base] if self._port_base else random.sample(PORTS, 50)
        for port in candidates:
            if port_free(port) and port_free(port + 1):
                self.kafka.port = port
                return
        raise StackError(f"ports {candidates[0]} and {candidates[0] + 1} are in use; choose another --port-base")

    def _write_env(self):
        lines = [f"LONGTAIL_MYSQL={shlex.quote(self.mariadb.address)}"]
        if self.kafka.port is not None:
            lines.append(f"LONGTAIL_KAFKA={self.kafka.address}")
        with open(self.env_path + ".new", "w") as f:
            f.write("# Addresses of this folder's stack, for scripts to source. Written by tools/stack.\n")
            f.write("\n".join(lines) + "\n")
        os.replace(self.env_path + ".new", self.env_path)


def port_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the broker does
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
