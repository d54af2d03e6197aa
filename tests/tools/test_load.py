"""longtail-load judges its server: against a fake one, whose answers are right or wrong in a chosen way."""

import collections
import json
import os
import subprocess
import time

import pytest

from check.fakeserver import FakeServer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("BUILD", "build"), "longtail-load")


def times_of(words):
    """The times that a command's reply must name."""
    return [int(word) for word in words[2::3]] if words[0] in ("TS.MADD", "TS.ADD") else []


def array(times):
    return b"*%d\r\n" % len(times) + b"".join(b":%d\r\n" % time for time in times)


def bulk(text):
    return b"$%d\r\n%b\r\n" % (len(text), text)


class Honest:
    """Answers as longtaild does."""

    def __init__(self):
        self.offset = 0

    def __call__(self, words):
        if words[0] == "TS.MADD":
            return array(times_of(words))
        if words[0] == "TS.ADD":
            return b":%d\r\n" % times_of(words)[0]
        if words[0] == "OBSERVE":
            self.offset += 1
            return bulk(b"0:%d" % self.offset)
        return b"+OK\r\n"


def once(wrong):
    """An honest server whose third reply is wrong(words, the honest one)."""
    honest, count = Honest(), 0

    def answer(words):
        nonlocal count
        count += 1
        reply = honest(words)
        return wrong(words, reply) if count == 3 else reply

    return answer


@pytest.fixture
def load():
    servers = []

    def run(answer, *arguments, status=0):
        """(the report, or None; stderr; the server)"""
        server = FakeServer(answer)
        servers.append(server)
        argv = [PROGRAM, "--server", f"127.0.0.1:{server.port}", "--json", "yes", "--connections", "1", "--series", "1000",
                *map(str, arguments)]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else None, done.stderr, server

    yield run
    for server in servers:
        server.close()


# ---- good servers ----

@pytest.mark.parametrize("command, points", [("ts.madd", 7), ("ts.add", 1), ("observe", 7)])
def test_all_is_well(load, command, points):
    report, _, server = load(Honest(), "--command", command, "--points", points, "--count", 70 * points, "--depth", 4)
    assert (report["points_acked"], report["errors"], report["wrong"], report["unanswered"]) == (70 * points, 0, 0, 0)
    assert len(server.commands) == 70
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"]


def test_replies_in_pieces(load):
    """Each reply comes byte by byte, on its own or with the one before."""
    class Pieces:
        def __init__(self):
            self.rest = b""

        def __call__(self, words):
            whole = self.rest + array(times_of(words))
            cut = 5 if len(self.rest) == 0 and len(commands) < 19 else len(whole)
            commands.append(words)
            self.rest = whole[cut:]
            return whole[:cut]

    commands = []
    report, _, _ = load(Pieces(), "--points", 3, "--count", 60, "--depth", 20)
    assert report["points_acked"] == 60 and report["wrong"] == 0


def test_names_and_values(load):
    """1,000 series: as many 48-byte keys with 16 hex digits; walks of small steps."""
    _, _, server = load(Honest(), "--points", 10, "--count", 4000, "--draw", "each", "--times", "advance", "--start", 1700000000)
    series = collections.defaultdict(list)
    for _, words in server.commands:
        for key, when, value in zip(words[1::3], words[2::3], words[3::3]):
            series[key].append((int(when), int(value)))
    assert len(series) == 1000
    for key, points in series.items():
        assert len(key) == 48 and int(key[24:40], 16) >= 0
        assert [when for when, _ in points] == [1700000000_000 + i * 1000 for i in range(4)], "one point a pass"
        assert all(1000 <= value <= 9999 for _, value in points)
        assert all(abs(b - a) <= 10 for (_, a), (_, b) in zip(points, points[1:]))
    assert len({points[0][1] for points in series.values()}) > 900, "walks start anywhere"


def sent(server):
    return [words for _, words in server.commands]


def test_seed(load):
    arguments = ("--count", 500, "--points", 5, "--times", "advance", "--start", 1700000000)
    first, _, one = load(Honest(), *arguments, "--seed", 7)
    _, _, same = load(Honest(), *arguments, "--seed", 7)
    _, _, other = load(Honest(), *arguments, "--seed", 8)
    assert first["seed"] == 7
    assert sent(one) == sent(same) != sent(other)


def test_new_names(load):
    def keys(seed, *more):
        _, _, server = load(Honest(), "--count", 2000, "--points", 10, "--seed", seed, *more)
        return {key for _, words in server.commands for key in words[1::3]}

    known, first, second = keys(3), keys(3, "--draw", "new"), keys(4, "--draw", "new")
    assert len(first) == len(second) == 2000
    assert not first & second and not known & (first | second)


def test_create(load):
    _, _, server = load(lambda words: b"-ERR TSDB: key already exists\r\n" if words[1:2] == ["never"] else Honest()(words),
                        "--create", "yes", "--count", 500, "--points", 5)
    created = {words[1] for _, words in server.commands if words[0] == "TS.CREATE"}
    written = {key for _, words in server.commands if words[0] == "TS.MADD" for key in words[1::3]}
    assert len(created) == 1000 and written <= created


# ---- a stall, seen by those who would have come ----

def stall(seconds, after=0.5):
    honest, begin, stalled = Honest(), time.monotonic(), False

    def answer(words):
        nonlocal stalled
        if not stalled and time.monotonic() - begin > after:
            stalled = True
            time.sleep(seconds)
        return honest(words)

    return answer


def test_paced(load):
    """200 a second for 2 s, of which the server sleeps through half a second: a quarter of the commands wait."""
    report, _, _ = load(stall(0.5), "--points", 1, "--rate", 200, "--seconds", 2, "--warm-up", 0)
    assert report["points_acked"] == 400, "what was due has been sent, the stall notwithstanding"
    assert report["latency_ms"]["p90"] > 200 and report["latency_ms"]["max"] > 450
    assert report["latency_ms"]["p50"] < 100
    assert report["lateness_ms"]["max"] > 400


def test_what_was_due_leaves_even_after_the_end(load):
    report, _, _ = load(stall(0.5, after=0.8), "--points", 1, "--rate", 200, "--seconds", 1, "--warm-up", 0)
    assert report["points_acked"] == 200
    assert report["points_per_s"] < 190, "the rate is that of replies within the second"


def test_unpaced(load):
    """The same, as fast as it goes: one command waits, and nobody else was ever sent."""
    report, _, _ = load(stall(0.5), "--points", 1, "--seconds", 2, "--warm-up", 0)
    assert report["latency_ms"]["max"] > 450 > 50 > report["latency_ms"]["p90"]


# ---- bad servers ----

def replace_time(words, reply):
    times = times_of(words)
    return reply.replace(b":%d" % times[0], b":%d" % (times[0] + 1), 1)


LIES = {
    "another time": ("ts.madd", replace_time, 39, 1),
    "another time, the last": ("ts.madd", lambda words, reply: array(times_of(words)[:-1] + [1]), 39, 1),
    "one element less": ("ts.madd", lambda words, reply: array(times_of(words)[:-1]), 39, 1),
    "one element more": ("ts.madd", lambda words, reply: array(times_of(words) + [1]), 40, 2),
    "no array": ("ts.madd", lambda words, reply: b"+OK\r\n", 36, 1),
    "an empty array": ("ts.madd", lambda words, reply: b"*0\r\n", 36, 1),
    "a text within": ("ts.madd", lambda words, reply: b"*4\r\n$2\r\nno\r\n" + array(times_of(words)[:3])[4:], 39, 1),
    "of one point another time": ("ts.add", replace_time, 9, 1),
    "of one point an array": ("ts.add", lambda words, reply: array(times_of(words)), 10, 1),
    "no number": ("ts.add", lambda words, reply: b":\r\n", 9, 1),
    "an offset that goes back": ("observe", lambda words, reply: bulk(b"0:1"), 36, 1),
    "another partition": ("observe", lambda words, reply: bulk(b"1:7"), 36, 1),
    "no receipt": ("observe", lambda words, reply: bulk(b"OK"), 36, 1),
    "a null": ("observe", lambda words, reply: b"$-1\r\n", 36, 1),
    "a number for a receipt": ("observe", lambda words, reply: b":3\r\n", 36, 1),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_found(load, name):
    command, wrong, acked, count = LIES[name]
    points = 1 if command == "ts.add" else 4
    # The connection's second receipt is 0:2, so that 0:1 goes back.
    report, _, _ = load(once(wrong), "--command", command, "--points", points, "--count", 10 * points, status=1)
    assert (report["wrong"], report["errors"], report["points_acked"]) == (count, 0, acked), report
    assert report["first_wrong"] != ""


@pytest.mark.parametrize("command, reply, acked", [
    ("ts.madd", lambda words, reply: b"-KAFKA failed\r\n", 36),
    ("ts.madd", lambda words, reply: reply.replace(b":%d" % times_of(words)[0], b"-KAFKA failed", 1), 39),
    ("ts.add", lambda words, reply: b"-KAFKA failed\r\n", 9),
    ("observe", lambda words, reply: b"-KAFKA failed\r\n", 36),
])
def test_errors_are_counted(load, command, reply, acked):
    points = 1 if command == "ts.add" else 4
    report, _, _ = load(once(reply), "--command", command, "--points", points, "--count", 10 * points, status=1)
    assert (report["wrong"], report["errors"], report["points_acked"]) == (0, 1, acked), report
    assert report["first_error"] == "-KAFKA failed"


def test_no_resp(load):
    _, stderr, _ = load(once(lambda words, reply: b"HTTP/1.1 400\r\n"), "--points", 4, "--count", 40, status=1)
    assert "speaks no RESP" in stderr


def test_a_reply_to_nothing(load):
    _, stderr, _ = load(once(lambda words, reply: reply + b":1\r\n"), "--command", "ts.add", "--count", 10, status=1)
    assert "a reply to nothing" in stderr


def test_options(load):
    for arguments, expected in ((("--command", "set"), "--command ts.madd, ts.add or observe"),
                                (("--server", "192.0.2.1:1"), "--server to be an address on loopback"),
                                (("--draw", "each", "--points", "7"), "multiple of --points"),
                                (("--start", "5"), "--start 1000000000")):
        _, stderr, _ = load(Honest(), *arguments, status=1)
        assert expected in stderr
