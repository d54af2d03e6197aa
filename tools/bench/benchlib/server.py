"""A longtaild over one data set, and a plain RESP2 client that measures each question."""

import io
import os
import random
import socket
import subprocess
import time

from stacklib.resp import is_ready
from stacklib.stack import port_free

READY_LIMIT_S = 120
STOP_LIMIT_S = 60


class ReplyError(Exception):
    pass


class Client:
    def __init__(self, port, timeout_s=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = None

    def send(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise ValueError(f"not RESP2: {line!r}")

    def ask(self, *words):
        """(seconds until the whole reply is here, the reply). A PING behind it tells the end, so that parsing, which is slow
        in Python, is not measured."""
        begin = time.perf_counter()
        self.send(*words)
        self.socket.sendall(b"*1\r\n$4\r\nPING\r\n")
        parts = []
        while not (parts and (parts[-1] if len(parts[-1]) > 6 else b"".join(parts[-2:])).endswith(b"+PONG\r\n")):
            part = self.socket.recv(1 << 20)
            if not part:
                raise ConnectionError("the server closed the connection")
            parts.append(part)
        seconds = time.perf_counter() - begin
        self.file = io.BytesIO(b"".join(parts))
        return seconds, self.read()


def as_map(reply):
    return dict(zip(reply[::2], reply[1::2]))


class Server:
    def __init__(self, build, stack, prefix, folder, **options):
        while not port_free(port := random.randrange(12000, 19000)):
            pass
        self.port = port
        os.makedirs(folder, exist_ok=True)
        self.log_path = os.path.join(folder, "longtaild.log")
        self.flags = {"listen": f"127.0.0.1:{port}", "mysql": stack.mariadb.address, "mysql-user": "root",
                      "mysql-prefix": prefix,
                      "local-log-dir": os.path.join(folder, "local-log"), "query-deadline": "120s",
                      "roles": "ingest,store,query", **options}
        self.argv = [os.path.join(build, "longtaild")]
        for name, value in self.flags.items():
            self.argv += [f"--{name}", str(value)]

    def __enter__(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        begin = time.monotonic()
        while True:
            if is_ready(self.port) and self.owns():
                return self
            if self.process.poll() is not None or time.monotonic() - begin > READY_LIMIT_S:
                raise SystemExit(f"longtaild is not ready; see {self.log_path}")
            time.sleep(0.05)

    def owns(self):
        """It has loaded what is stored, so that reads no longer wait. Who does not read has nothing to load."""
        if "query" not in self.flags["roles"]:
            return True
        try:
            Client(self.port).ask("TOPQ", "-1m", "now", "no.such.*.thing")
            return True
        except (OSError, ReplyError):
            return False

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def client(self):
        return Client(self.port)

    def status(self, section):
        """A section of STATUS, or several of one name together: numbers, and texts."""
        values = {}
        _, lines = self.client().ask("STATUS", section)
        for line in lines:
            name, colon, value = line.partition(": ")
            if colon:
                values[name] = int(value) if value.lstrip("-").isdigit() else value
        return values

    def peak_memory_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024
        return 0
