"""RedisTimeSeries beside us, on loopback, with its own folder; deps/redistimeseries/fetch brings it."""

import os
import random
import shutil
import subprocess
import time

from stacklib.resp import first_line
from stacklib.stack import port_free

from .load import BenchError
from .server import Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
READY_LIMIT_S = 30
# What its documentation recommends against refused repeats; and no rewrite of the file in the middle of a run, in its favour.
MODULE_OPTIONS = ["DUPLICATE_POLICY", "LAST"]
APPEND_OPTIONS = {None: ["--appendonly", "no"],
                  "everysec": ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"],
                  "always": ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]}


def fetch():
    """The folder of its programs, or None where it cannot be had; why stands on stderr."""
    done = subprocess.run([os.path.join(ROOT, "deps", "redistimeseries", "fetch")], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


class RedisTimeSeries:
    def __init__(self, programs, folder, appendfsync=None, chunk_bytes=None):
        self.programs, self.folder = programs, folder
        while not port_free(port := random.randrange(12000, 19000)):
            pass
        self.port = port
        self.argv = [os.path.join(programs, "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                     *APPEND_OPTIONS[appendfsync], "--maxclients", "20000", "--dir", folder, "--loadmodule",
                     os.path.join(programs, "redistimeseries.so"), *MODULE_OPTIONS]
        if chunk_bytes:
            self.argv += ["CHUNK_SIZE_BYTES", str(chunk_bytes)]

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        log_path = os.path.join(self.folder, "redis.log")
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "LD_LIBRARY_PATH": os.path.join(self.programs, "lib")})
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"RedisTimeSeries does not answer; see {log_path}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    def fsync(self, mode):
        """'everysec' or 'always', from now on."""
        if first_line(self.port, "CONFIG", "SET", "appendfsync", mode) != "+OK":
            raise BenchError(f"RedisTimeSeries refuses appendfsync {mode}")

    def used_bytes(self):
        """Memory that it uses, by its own account."""
        _, info = Client(self.port).ask("INFO", "memory")
        return next(int(line.partition(":")[2]) for line in info.splitlines() if line.startswith("used_memory:"))

    def _answers(self):
        try:
            return first_line(self.port, "PING") == "+PONG"
        except OSError:
            return False
