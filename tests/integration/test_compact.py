"""Compaction, downsampling and expiry of a running server: answers stay what they were, at every moment and through a
SIGKILL at every statement."""

import contextlib
import hashlib
import os
import threading
import time

import pytest

from check.inspect import inspect, verify
from check.reader import Reader
from check.resp import Client, Error, Lost
from check.wait import flushed

HOUR, DAY = 3600, 86400
HOSTS = ("db1", "db2", "db3")
ITEMS = 80  # rank rows begin at 64
STEM = "host.queries.c"
JOBS = {"jobs_interval": "100ms", "compact_grace": "0ms", "compact_late": "0ms", "flush_interval": "100ms",
        "ranked_items_min": 1}


def metric(item, dimension="time_us"):
    return f"{STEM}.{item:016x}.{dimension}"


class Story:
    """Points of yesterday, or of some days ago, and what has to come back of them."""

    def __init__(self, days=1):
        self.base_s = int(time.time()) // DAY * DAY - days * DAY
        self.points = {}  # (host, metric) -> {second: value}

    def write(self, client, hours=(0, 1), seed=0, policy=None):
        for hour in hours:
            for h, host in enumerate(HOSTS):
                at = self.base_s + hour * HOUR + (seed * 37 + h * 11) % HOUR
                words = []
                for item in range(ITEMS):
                    value = (item * 7919 + hour * 31 + seed * 17 + h) % 1009
                    words += [metric(item), value, metric(item, "tput"), 1 + item % 3]
                    self.points.setdefault((host, metric(item)), {})[at] = value
                    self.points.setdefault((host, metric(item, "tput")), {})[at] = 1 + item % 3
                reply = client.call("OBSERVE", host, at, *words)
                assert not isinstance(reply, Error), reply

    def delete(self, client, item, hour):
        """All of an item in an hour, on one host."""
        series = (HOSTS[0], metric(item))
        from_s = self.base_s + hour * HOUR
        gone = [at for at in self.points[series] if from_s <= at < from_s + HOUR]
        reply = client.call("TS.DEL", "/".join(series), from_s * 1000, (from_s + HOUR) * 1000 - 1)
        assert reply == len(gone)
        for at in gone:
            del self.points[series][at]

    def total(self, dimension="time_us", hosts=HOSTS, from_s=0, to_s=1 << 40):
        sums = {}
        for (host, name), points in self.points.items():
            if host in hosts and name.endswith(f".{dimension}"):
                values = [v for at, v in points.items() if from_s <= at < to_s]
                if values:
                    item = name.split(".")[-2]
                    sums[item] = sums.get(item, 0) + sum(values)
        return sums

    def spans(self):
        return ((self.base_s, self.base_s + DAY), (self.base_s, self.base_s + HOUR),
                (self.base_s + 20, self.base_s + HOUR + 100))

    def check(self, client):
        reader = Reader(client)
        for from_s, to_s in self.spans():
            for hosts in ((), HOSTS[:1], HOSTS[1:]):
                sums = self.total(hosts=hosts or HOSTS, from_s=from_s, to_s=to_s)
                rows, rest, total = reader.topq(from_s, to_s, f"{STEM}.*.time_us", "sum", 10, hosts)
                assert rows == {item: sums.get(item) for item in rows}
                assert sorted(rows.values(), reverse=True) == sorted(sums.values(), reverse=True)[:10]
                assert total == sum(sums.values()) and sum(rows.values()) + rest == total
        for item in (0, 1, ITEMS - 1):
            for host in HOSTS[:2]:
                expected = sorted(self.points[host, metric(item)].items())
                assert reader.points(f"{host}/{metric(item)}") == [(at * 1000, v) for at, v in expected]
                buckets = reader.buckets([(host, metric(item))], self.base_s, self.base_s + DAY, 600, "sum")[0]
                got = {at: value for at, value, state in buckets if state == "value"}
                want = {}
                for at, v in expected:
                    start = at - at % 600
                    want[start] = want.get(start, 0) + v
                assert got == want


class OpenStory(Story):
    """The same of hours that do not end while the test runs."""

    def __init__(self):
        super().__init__()
        self.base_s = int(time.time()) // HOUR * HOUR + 2 * HOUR

    def spans(self):
        """Also such that hold some pieces whole, and cut others."""
        return (*super().spans(), (self.base_s, self.base_s + 60), (self.base_s + 15, self.base_s + 90))


PIECES = {**JOBS, "compact_piece": "0ms", "compact_piece_points": 1}


def tell_jobs(client, *words, limit_s=20):
    """A server that has just started owns nothing for a moment."""
    deadline = time.monotonic() + limit_s
    while isinstance(reply := client.call("JOBS", *words), Error):
        assert "at the moment" in reply and time.monotonic() < deadline, reply
        time.sleep(0.05)
    return reply


def jobs(client):
    reply = client.call("JOBS")
    assert not isinstance(reply, Error), reply
    return {job["name"]: job for job in (dict(zip(one[::2], one[1::2])) for one in reply)}


def runs(server):
    """(kind, state, resolution) of each run."""
    lines = [line.split() for line in inspect(server, "tables").splitlines() if line[:8].strip().isdigit()]
    return [(words[1], " ".join(words[2:words.index("s") - 1]), int(words[words.index("s") - 1])) for words in lines]


def wait_for(what, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def is_compacted(server):
    """No arrival rows of past hours wait."""
    found = runs(server)
    return ("compact", "in force", 1) in found and ("arrival", "closed", 1) not in found


def is_downsampled(server):
    return is_compacted(server) and ("compact", "in force", 60) in runs(server)


def write_downsampled(server, client, story):
    story.write(client)
    story.check(client)
    wait_for(lambda: is_downsampled(server))


def test_answers_stay_through_compaction_and_downsampling(longtaild):
    server, story = longtaild(**JOBS), Story()
    with Client(server.port) as client:
        write_downsampled(server, client, story)
        story.check(client)
        reader = Reader(client)
        reply = reader._nested("RANGE", story.base_s, story.base_s + DAY, "STEP", 600, "KEYS", f"db1/{metric(0)}")
        assert reply["resolution"] == 60
        print(verify(server))


def test_late_points_overwrites_and_deletions_reach_every_resolution(longtaild):
    server, story = longtaild(**JOBS), Story()
    with Client(server.port) as client:
        write_downsampled(server, client, story)
        story.write(client, hours=(0, 5), seed=1)  # late
        story.check(client)
        story.write(client, hours=(0, 1))  # once more: a retried batch
        story.check(client)
        story.delete(client, 1, 0)
        story.check(client)
        time.sleep(1)
        wait_for(lambda: is_downsampled(server))
        story.check(client)
        print(verify(server))


def test_an_hour_that_is_deleted_whole_stays_deleted(longtaild):
    """The day's minutes and hours still hold it until they are made again."""
    server, story = longtaild(**JOBS), Story()
    with Client(server.port) as client:
        write_downsampled(server, client, story)
        for host, name in list(story.points):
            from_ms = story.base_s * 1000
            reply = client.call("TS.DEL", f"{host}/{name}", from_ms, from_ms + HOUR * 1000 - 1)
            assert not isinstance(reply, Error), reply
            kept = {at: v for at, v in story.points[host, name].items() if at >= story.base_s + HOUR}
            story.points[host, name] = kept
        for _ in range(20):
            story.check(client)
            time.sleep(0.2)
        wait_for(lambda: is_downsampled(server))
        story.check(client)
        print(verify(server))


def test_readers_never_see_a_half_state(longtaild):
    """Reads all the time, while the same hours are compacted over and over."""
    server, story = longtaild(**JOBS), Story()
    faults = []
    stop = threading.Event()

    def read():
        with Client(server.port) as client:
            while not stop.is_set():
                try:
                    story.check(client)
                except BaseException as fault:
                    faults.append(fault)
                    return

    with Client(server.port) as client:
        story.write(client)
        story.delete(client, 1, 0)
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        end = time.monotonic() + 8
        while time.monotonic() < end and not faults:
            for name in ("compact", "downsample"):
                tell_jobs(client, "RUN", name, story.base_s, story.base_s + DAY)
            time.sleep(0.3)
        stop.set()
        for reader in readers:
            reader.join()
    assert not faults, faults[0]
    print(verify(server))


def test_paused_jobs_stay_paused_through_a_restart(longtaild):
    server, story = longtaild(**JOBS), Story()
    with Client(server.port) as client:
        tell_jobs(client, "PAUSE", "compact")
        story.write(client)
        time.sleep(1)
        assert not is_compacted(server)
    server.restart()
    with Client(server.port) as client:
        time.sleep(1)
        assert jobs(client)["compact"]["state"] == "paused"
        assert not is_compacted(server)
        tell_jobs(client, "RESUME", "compact")
        wait_for(lambda: is_compacted(server))
        story.check(client)


def test_old_data_leaves_by_resolution(longtaild):
    """Retention of 1 s is over at once, once there are minutes: also in the first hour after midnight."""
    server, story = longtaild(**JOBS), Story(days=2)
    with Client(server.port) as client:
        write_downsampled(server, client, story)
    server.terminate()
    server.options["keep_1s"] = "1h"
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: ("compact", "in force", 1) not in runs(server))
        reader = Reader(client)
        sums = story.total()
        series = [(HOSTS[0], metric(3))]
        buckets = reader.buckets(series, story.base_s, story.base_s + DAY, 600, "sum")[0]
        expected = sum(story.points[HOSTS[0], metric(3)].values())
        assert sum(value for _, value, state in buckets if state == "value") == expected
        rows, rest, total = reader.topq(story.base_s, story.base_s + DAY, f"{STEM}.*.time_us")
        assert rows == {item: value for item, value in sums.items()} and rest == 0 and total == sum(sums.values())
        print(verify(server))


def compact_runs(server):
    return runs(server).count(("compact", "in force", 1))


def no_arrival_rows(server):
    return not any(kind == "arrival" and state in ("open", "closed") for kind, state, _ in runs(server))


def make_whole(client, server, story):
    """Two hours, one run each; what is still being flushed has it done once more."""
    tell_jobs(client, "PAUSE", "compact")  # no more pieces

    def is_whole():
        tell_jobs(client, "RUN", "compact", story.base_s, story.base_s + 2 * HOUR)
        return compact_runs(server) == 2 and no_arrival_rows(server)

    wait_for(is_whole)


def test_an_open_hour_is_compacted_in_pieces(longtaild):
    server, story = longtaild(**PIECES), OpenStory()
    with Client(server.port) as client:
        for seed in range(4):
            story.write(client, hours=(0,), seed=seed)
            story.check(client)
            wait_for(lambda seed=seed: compact_runs(server) >= seed + 1)
            story.check(client)
        story.write(client, hours=(0,), seed=1)  # once more: a retried batch
        story.delete(client, 1, 0)
        story.check(client)
        # Where most is not fresh there is no piece; later the others are left behind, as arrival rows.
        for seed in (5, 6, 7, 8):
            story.write(client, hours=(0,), seed=seed)
        wait_for(lambda: compact_runs(server) >= 5 and ("arrival", "closed", 1) in runs(server))
        story.write(client, hours=(1,))
        story.check(client)
        print(verify(server))
        make_whole(client, server, story)
        story.check(client)
        print(verify(server))


# ---- precision ----

PRECISE, ROUGH, ERROR = "app.precise.*", "app.rough.*", 0.001
SECONDS, ROUGH_ITEMS = 240, 12


def measured(category, item, second):
    """As time series have them: integers in one dimension, fractions in the other."""
    value = 10**7 + int(hashlib.sha256(f"{item} {second}".encode()).hexdigest()[:8], 16) % (9 * 10**7)
    return {f"{category[:-1]}{item:016x}.bytes": value, f"{category[:-1]}{item:016x}.load": value / 16777259}


def write_measured(client, from_s, seconds, points, add=0):
    for second in seconds:
        words = []
        for category in (PRECISE, ROUGH):
            for item in range(ROUGH_ITEMS):
                for name, value in measured(category, item, second).items():
                    words += [name, repr(value + add)]
                    points.setdefault(name, {})[(from_s + second) * 1000] = value + add
        reply = client.call("OBSERVE", "db1", from_s + second, *words)
        assert not isinstance(reply, Error), reply


def stored(client, points):
    reader = Reader(client)
    return {name: dict(reader.points(f"db1/{name}")) for name in points}


def check_within(got, points, error):
    for name, want in points.items():
        assert got[name].keys() == want.keys()
        for at, value in want.items():
            assert abs(got[name][at] - value) <= (error if ".rough." in name else 0) * value, (name, at)


def check_sums(client, got, from_s):
    """What TOPQ adds up is what RANGE reads, to the last bit: the values of `bytes` are integers."""
    reader = Reader(client)
    for category in (PRECISE, ROUGH):
        names = [name for name in got if name.startswith(category[:-1]) and name.endswith(".bytes")]
        sums = {name.split(".")[-2]: sum(got[name].values()) for name in names}
        rows, rest, total = reader.topq(from_s, from_s + HOUR, f"{category}.bytes", "sum", 5)
        assert rows == {item: sums[item] for item in rows} and len(rows) == 5
        assert total == sum(sums.values()) and sum(rows.values()) + rest == total


def compact_now(client):
    """All that was written, in one pass; the job was paused, and is again."""
    def offset(name):
        lines = [line.split(": ", 1) for line in client.call("STATUS", "partition") if ": " in line]
        return int(dict(lines)[name])

    client.call("CATEGORY", "LIST")  # waits until the head has it
    applied = offset("applied_offset")
    wait_for(lambda: offset("stored_offset") >= applied)
    pieces = jobs(client)["compact"]["pieces"]
    tell_jobs(client, "RESUME", "compact")
    wait_for(lambda: jobs(client)["compact"]["pieces"] > pieces)
    tell_jobs(client, "PAUSE", "compact")


def vector_bytes(server):
    """Category and dimension: bytes a point in the only compact hour."""
    hour, = (line.split()[0] for line in inspect(server, "tables").splitlines()
             if line.split()[1:5] == ["compact", "in", "force", "1"])
    lines = [line.split() for line in inspect(server, "bytes", run=hour).splitlines()[1:]]
    return {words[-1]: float(words[2]) for words in lines}


def test_values_are_rounded_to_the_precision(longtaild):
    server, from_s, points = longtaild(**JOBS), int(time.time()) // DAY * DAY - DAY, {}
    with Client(server.port) as client:
        for category, words in ((PRECISE, ()), (ROUGH, ("PRECISION", ERROR))):
            assert not isinstance(client.call("CATEGORY", "ADD", category, "KIND", "delta", *words), Error)
        tell_jobs(client, "PAUSE", "compact")
        write_measured(client, from_s, range(SECONDS), points)
        check_within(stored(client, points), points, 0)  # until then every value is what was sent
        check_sums(client, points, from_s)
        compact_now(client)
        first = stored(client, points)
        check_within(first, points, ERROR)
        changed = sum(first[name][at] != value for name, want in points.items() for at, value in want.items())
        assert changed > SECONDS * ROUGH_ITEMS
        check_sums(client, first, from_s)
        verify(server)
        spent = vector_bytes(server)
        print(spent)
        for dimension in ("bytes", "load"):
            assert spent[f"{ROUGH}.{dimension}"] < 0.6 * spent[f"{PRECISE}.{dimension}"]

        # The same again, with nothing new: not a bit changes.
        wait_for(lambda: is_downsampled(server))
        runs_before = jobs(client)["compact"]["pieces"]
        tell_jobs(client, "RUN", "compact", from_s, from_s + HOUR)
        wait_for(lambda: jobs(client)["compact"]["pieces"] > runs_before)
        assert stored(client, points) == first

        # Late points and overwrites come to what was rounded: exact until they are compacted too.
        late = {}
        write_measured(client, from_s, range(100, 150), late, add=1)
        write_measured(client, from_s, range(SECONDS, SECONDS + 50), late)
        expected = {name: {**first[name], **late[name]} for name in points}
        assert stored(client, points) == expected
        check_sums(client, expected, from_s)
        compact_now(client)
        second = stored(client, points)
        check_within(second, expected, ERROR)
        for name in points:
            assert all(second[name][at] == value for at, value in first[name].items() if at not in late[name])
        check_sums(client, second, from_s)
        wait_for(lambda: is_downsampled(server))
        check_sums(client, second, from_s)
        print(verify(server))
    server.restart()
    with Client(server.port) as client:
        assert ["app.rough.*", "delta", ROUGH_ITEMS, "0.001"] in client.call("CATEGORY", "LIST")
        assert stored(client, points) == second


STATEMENTS = os.environ.get("COMPACT_STATEMENTS", "").split() or [
    "close.fence", "runs.close", "close.commit", "run.fence", "run.create", "run.commit", "run.table", "run.pack",
    "run.rank", "run.total", "run.beats", "publish.fence", "publish.out", "publish.in", "publish.commit",
    "drop.fence", "drop.table", "drop.row", "drop.commit"]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_kill_at_each_statement(longtaild, statement, side):
    """The server dies at a statement of a job; the next one finishes the work, and nothing is lost or doubled."""
    server, story = longtaild(start=False, **JOBS), Story()
    server.start(environment={"LONGTAIL_FAILPOINT": f"{statement}.{side}:1"})
    with Client(server.port) as client:
        story.write(client)
        story.write(client, hours=(0,), seed=1)
    server.process.wait(60)
    server.start()
    with Client(server.port) as client:
        story.check(client)
        story.write(client, hours=(1,), seed=2)
        story.delete(client, 1, 0)
        wait_for(lambda: is_downsampled(server))
        story.check(client)
    verify(server)


PIECE_STATEMENTS = os.environ.get("COMPACT_STATEMENTS", "").split() or [
    "runs.close", "close.commit", "run.create", "run.commit", "run.table", "run.enter", "run.block", "run.pack",
    "run.rank", "run.total", "run.beats", "publish.fence", "publish.out", "publish.in", "publish.commit"]


@pytest.mark.parametrize("statement", PIECE_STATEMENTS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_kill_at_each_statement_of_a_piece(longtaild, statement, side):
    """The same of a piece of an hour that is still open, which leaves late points behind."""
    server, story = longtaild(start=False, **PIECES), OpenStory()
    time_passed = 1 if statement == "run.block" else 2  # only the first piece leaves something behind
    server.start(environment={"LONGTAIL_FAILPOINT": f"{statement}.{side}:{time_passed}"})
    with Client(server.port) as client:
        tell_jobs(client, "PAUSE", "compact")
        for seed in (0, 1, 2, 3):
            story.write(client, hours=(0,), seed=seed)
        story.write(client, hours=(0,), seed=1)
        story.delete(client, 1, 0)
        story.check(client)
        flushed(server.client())  # so that a piece has both kinds
        with contextlib.suppress(Lost):
            tell_jobs(client, "RESUME", "compact")
        with contextlib.suppress(Lost):  # another piece
            time.sleep(0.3)
            story.write(client, hours=(0,), seed=4)
    server.process.wait(60)
    server.start()
    with Client(server.port) as client:
        tell_jobs(client, "RESUME", "compact")  # the job may have begun, and died, before that was stored
        story.write(client, hours=(0,), seed=4)
        story.check(client)
        story.write(client, hours=(0,), seed=6)
        story.write(client, hours=(1,))
        story.delete(client, 2, 0)
        wait_for(lambda: compact_runs(server) >= 2)
        story.check(client)
        make_whole(client, server, story)
        story.check(client)
    verify(server)
