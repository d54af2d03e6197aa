"""TS.RANGE and its kin: shapes, options, errors; and against a real RedisTimeSeries where one can be had."""

import math
import os
import random
import shutil
import sys
import threading
import time

import pytest
import redis

from harness import ask
from harness import error as error_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
AGGREGATORS = ["avg", "sum", "min", "max", "range", "count", "first", "last", "std.p", "std.s", "var.p", "var.s", "twa"]
NAN = float("nan")


@pytest.fixture
def peer(tmp_path):
    """RedisTimeSeries 1.12 beside us."""
    sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))
    from benchlib.redis_timeseries import RedisTimeSeries, fetch
    programs = fetch()
    if programs is None:
        pytest.skip("RedisTimeSeries cannot be fetched here")
    folder = str(tmp_path / "peer")
    with RedisTimeSeries(programs, folder) as running:
        yield redis.Redis(port=running.port, decode_responses=True, protocol=2)
    shutil.rmtree(folder, ignore_errors=True)


def number(x):
    return float(x) if isinstance(x, (str, float)) else x


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return type(a) is type(b) and a == b


def rows(reply):
    """Times as they came, values as floats."""
    return [[row[0]] + [number(x) if not isinstance(x, list) else [number(y) for y in x] for x in row[1:]] for row in reply]


def fill(client, key, points):
    if points:
        ask(client, "TS.MADD", *[x for t, v in points for x in (key, t, v)])


STORY = [(10, 1), (20, 2), (30, 3), (45, 4)]


# ---- shapes ----


def test_shapes(server, protocol):
    c = server.client(protocol)
    fill(c, "a", STORY)
    fill(c, "b", [(20, 5), (50, "nan")])
    value = (lambda x: str(x)) if protocol == 2 else float
    assert ask(c, "TS.RANGE", "a", "-", "+") == [[t, value(v)] for t, v in STORY]
    assert ask(c, "TS.REVRANGE", "a", 20, 30) == [[30, value(3)], [20, value(2)]]
    assert ask(c, "TS.RANGE", "a", "-", "+", "AGGREGATION", "min,max,count", 20) == \
        [[0, value(1), value(1), value(1)], [20, value(2), value(3), value(2)], [40, value(4), value(4), value(1)]]
    got = ask(c, "TS.NRANGE", 3, "a", "b", "a", 20, "+")
    assert [row[0] for row in got] == [20, 30, 45, 50] and got[0] == [20, [value(2), value(5), value(2)]]
    if protocol == 2:
        assert got[3] == [50, ["NaN", "NaN", "NaN"]]
    else:
        assert all(math.isnan(x) for x in got[3][1])
    got = ask(c, "TS.NREVRANGE", 2, "a", "b", "-", "+", "COUNT", 1, "AGGREGATION", "min,max", "countall", 100)
    assert got == [[0, [value(1), value(4), value(2)]]]
    assert ask(c, "TS.RANGE", "a", 31, 44) == []
    assert ask(c, "TS.NRANGE", 1, "a", 31, 44) == []
    assert ask(c, "TS.GET", "a", "LATEST") == [45, value(4)]
    assert ask(c, "COMMAND GETKEYS", "TS.NRANGE", 2, "a", "b", "-", "+") == ["a", "b"]
    assert error_of(c, "COMMAND GETKEYS", "TS.NRANGE", 9, "a", "b", "-", "+").startswith("Invalid arguments")
    assert ask(c, "TS.RANGE", "b", "-", "+", "AGGREGATION", "count", 2 ** 63 - 1, "BUCKETTIMESTAMP", "+") == [[2 ** 63 - 1, value(1)]]


def test_values_are_simple_strings_and_doubles_on_the_wire(lone):
    import socket
    c = lone.client()
    fill(c, "w", [(10, 1.5), (20, "nan")])
    with socket.create_connection(("127.0.0.1", lone.port), 10) as s:
        for request, answer in ((b"TS.RANGE w - +\r\n", b"*2\r\n*2\r\n:10\r\n+1.5\r\n*2\r\n:20\r\n+NaN\r\n"),
                                (b"TS.NRANGE 1 w - 10 AGGREGATION min,max 5\r\n", b"*1\r\n*2\r\n:10\r\n*2\r\n+1.5\r\n+1.5\r\n"),
                                (b"HELLO 3\r\n", None),
                                (b"TS.RANGE w - +\r\n", b"*2\r\n*2\r\n:10\r\n,1.5\r\n*2\r\n:20\r\n,nan\r\n")):
            s.sendall(request)
            got = b""
            while len(got) < (len(answer) if answer else 1):
                got += s.recv(65536)
            if answer is None:
                time.sleep(0.1)
                s.setblocking(False)
                try:
                    s.recv(65536)
                except BlockingIOError:
                    pass
                s.setblocking(True)
            assert answer is None or got == answer


# ---- options ----


def test_options(server):
    c = server.client(3)
    fill(c, "a", STORY)

    def got(*args):
        return rows(ask(c, "TS.RANGE", "a", *args))

    assert got("-", "+", "COUNT", 2, "COUNT", 1) == [[10, 1], [20, 2]], "the first of two counts"
    assert got("-", "+", "foo", "5", "bar") == [[t, v] for t, v in STORY], "unknown words are ignored"
    assert got("-", "+", "aggregation", "COUNT", 20, "count", 1) == [[0, 1]], "COUNT is an aggregator, and an option"
    assert got("-", "+", "FILTER_BY_TS", 45, 10, 10, 11, "x") == [[10, 1], [45, 4]]
    assert got(20, "+", "FILTER_BY_TS", 10, 45) == [[45, 4]]
    assert got("-", "+", "FILTER_BY_VALUE", 2, 3) == [[20, 2], [30, 3]]
    assert got("-", "+", "FILTER_BY_VALUE", 3, "inf", "FILTER_BY_TS", 45) == [[45, 4]]
    assert got("-", "+", "FILTER_BY_VALUE", 3, 2) == []
    assert got(3, "+", "ALIGN", "start", "AGGREGATION", "sum", 10) == [[3, 1], [13, 2], [23, 3], [43, 4]]
    assert got(3, 47, "AGGREGATION", "sum", 10, "ALIGN", "+") == [[7, 1], [17, 2], [27, 3], [37, 4]]
    assert got("-", "+", "ALIGN", 13, "AGGREGATION", "sum", 20, "BUCKETTIMESTAMP", "~") == [[10, 1], [23, 5], [43, 4]], \
        "a bucket that begins before 0 is told as 0"
    assert got("-", "+", "AGGREGATION", "sum", 10, "BUCKETTIMESTAMP", "END", "EMPTY") == [[20, 1], [30, 2], [40, 3], [50, 4]]
    assert got("-", "+", "AGGREGATION", "sum", 5, "EMPTY") == \
        [[10, 1], [15, 0], [20, 2], [25, 0], [30, 3], [35, 0], [40, 0], [45, 4]]
    assert got("-", "+", "FILTER_BY_VALUE", 2, 4, "AGGREGATION", "last", 8, "EMPTY") == [[16, 2], [24, 3], [32, 3], [40, 4]]
    assert rows(ask(c, "TS.REVRANGE", "a", "-", "+", "COUNT", 2, "AGGREGATION", "first,last", 100)) == [[0, 1, 4]], \
        "first and last follow time, also in reverse"
    assert rows(ask(c, "TS.REVRANGE", "a", "-", "+", "COUNT", 2)) == [[45, 4], [30, 3]]
    assert got("-", "+", "EMPTY", "BUCKETTIMESTAMP") == [[t, v] for t, v in STORY], "nothing without AGGREGATION"


def test_nan_is_counted_by_countnan_and_countall_only(server):
    c = server.client(3)
    fill(c, "n", [(0, 1), (5, "nan"), (10, "nan"), (15, "nan"), (20, 3), (21, 5)])

    def got(*args):
        return rows(ask(c, "TS.RANGE", "n", "-", "+", "AGGREGATION", *args))

    assert got("count", 10) == [[0, 1], [20, 2]], "a bucket of NaN alone is empty"
    assert same(got("avg", 10, "EMPTY"), [[0, 1.0], [10, NAN], [20, 4.0]])
    assert got("countNaN", 10) == [[0, 1], [10, 2]]
    assert got("countAll", 10) == [[0, 2], [10, 2], [20, 2]]
    assert same(got("sum,countnan,countall,last,twa", 10), [[0, 1.0, 1.0, 2.0, 1.0, 1.5], [10, 0.0, 2.0, 2.0, 1.0, 2.5], [20, 8.0, 0.0, 2.0, 5.0, 4.0]])
    assert len(ask(c, "TS.RANGE", "n", "-", "+", "FILTER_BY_VALUE", "-inf", "inf")) == 3


def test_errors_in_the_references_first_words(lone, protocol):
    c = lone.client(protocol)
    fill(c, "a", STORY)
    every = "-", "+"
    for args, words in [
            (("TS.RANGE", "nope", "x", "y"), "TSDB: the key does not exist"),
            (("TS.REVRANGE", "nope", *every, "COUNT"), "TSDB: the key does not exist"),
            (("TS.NRANGE", 2, "a", "nope", *every), "TSDB: the key does not exist"),
            (("TS.GET", "nope"), "TSDB: the key does not exist"),
            (("TS.GET", "a", "foo"), "TSDB: wrong 3rd argument"),
            (("TS.GET", "a", "LATEST", "foo"), "wrong number of arguments for 'ts.get' command"),
            (("TS.RANGE", "a"), "wrong number of arguments for 'ts.range' command"),
            (("TS.RANGE", "a", "x", "y"), "TSDB: wrong fromTimestamp"),
            (("TS.RANGE", "a", "+", "-"), "TSDB: wrong fromTimestamp"),
            (("TS.RANGE", "a", "0", "-1"), "TSDB: wrong toTimestamp"),
            (("TS.RANGE", "a", *every, "COUNT"), "TSDB: COUNT argument is missing"),
            (("TS.RANGE", "a", *every, "COUNT", "x"), "TSDB: Couldn't parse COUNT"),
            (("TS.RANGE", "a", *every, "COUNT", 0), "TSDB: Invalid COUNT value"),
            (("TS.RANGE", "a", *every, "AGGREGATION"), "TSDB: Couldn't parse AGGREGATION"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "avg"), "TSDB: Couldn't parse AGGREGATION"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "avg", "1.5"), "TSDB: Couldn't parse AGGREGATION"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "COUNT", "COUNT", 10), "TSDB: Couldn't parse AGGREGATION"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "foo", 10), "TSDB: Unknown aggregation type"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "min,", 10), "TSDB: Unknown aggregation type"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "avg", 0), "TSDB: bucketDuration must be greater than zero"),
            (("TS.RANGE", "a", *every, "ALIGN"), "wrong number of arguments for 'ts.range' command"),
            (("TS.RANGE", "a", *every, "ALIGN", "x", "AGGREGATION", "sum", 10), "TSDB: unknown ALIGN parameter"),
            (("TS.RANGE", "a", *every, "ALIGN", 5), "TSDB: ALIGN parameter can only be used with AGGREGATION"),
            (("TS.RANGE", "a", *every, "ALIGN", "-", "AGGREGATION", "sum", 10), "TSDB: start alignment can only be used with explicit start timestamp"),
            (("TS.RANGE", "a", *every, "ALIGN", "end", "AGGREGATION", "sum", 10), "TSDB: end alignment can only be used with explicit end timestamp"),
            (("TS.RANGE", "a", *every, "EMPTY", "AGGREGATION", "sum", 10), "TSDB: EMPTY flag should be the 3rd or 5th flag after AGGREGATION flag"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "sum", 10, "foo", "bar", "BUCKETTIMESTAMP", "+"), "TSDB: BUCKETTIMESTAMP flag should be the 3rd or 4th flag after AGGREGATION flag"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "sum", 10, "BUCKETTIMESTAMP", "x"), "TSDB: unknown BUCKETTIMESTAMP parameter"),
            (("TS.RANGE", "a", *every, "AGGREGATION", "sum", 10, "BUCKETTIMESTAMP"), "wrong number of arguments for 'ts.range' command"),
            (("TS.RANGE", "a", *every, "FILTER_BY_TS"), "TSDB: FILTER_BY_TS one or more arguments are missing"),
            (("TS.RANGE", "a", *every, "FILTER_BY_TS", "x"), "TSDB: FILTER_BY_TS one or more arguments are missing"),
            (("TS.RANGE", "a", *every, "FILTER_BY_TS", *range(129)), "TSDB: FILTER_BY_TS takes at most 128"),
            (("TS.RANGE", "a", *every, "FILTER_BY_VALUE", 1), "TSDB: FILTER_BY_VALUE one or more arguments are missing"),
            (("TS.RANGE", "a", *every, "FILTER_BY_VALUE", "nan", 1), "TSDB: Couldn't parse MIN"),
            (("TS.RANGE", "a", *every, "FILTER_BY_VALUE", 1, "x"), "TSDB: Couldn't parse MAX"),
            (("TS.NRANGE", "x", "a", "b", "-", "+"), "TSDB: invalid numkeys"),
            (("TS.NRANGE", -1, "a", "b", "-", "+"), "TSDB: invalid numkeys"),
            (("TS.NRANGE", 9223372036854775807, "a", "-", "+"), "TSDB: invalid numkeys"),
            (("TS.NRANGE", 3, "a", "-", "+"), "wrong number of arguments for 'ts.nrange' command"),
            (("TS.NRANGE", 2, "a", "a", *every, "AGGREGATION", "avg", 2), "TSDB: wrong number of aggregators"),
            (("TS.NRANGE", 2, "a", "a", *every, "AGGREGATION", "avg,min", 2), "TSDB: wrong number of aggregators"),
            (("TS.NRANGE", 2, "a", "a", *every, "AGGREGATION", "avg", "min", "x"), "TSDB: Couldn't parse AGGREGATION"),
    ]:
        assert error_of(c, *args).startswith(words), args


def test_count_takes_the_end_that_is_asked_for(server):
    c = server.client(3)
    now = int(time.time()) * 1000
    points = [(now - i * 7200_000, i) for i in range(40, -1, -1)]
    fill(c, "h/long", points)
    assert [r[1] for r in rows(ask(c, "TS.REVRANGE", "h/long", "-", "+", "COUNT", 1))] == [0]
    assert [r[1] for r in rows(ask(c, "TS.REVRANGE", "h/long", "-", "+", "COUNT", 30))] == list(range(30))
    assert [r[1] for r in rows(ask(c, "TS.RANGE", "h/long", "-", "+", "COUNT", 3))] == [40, 39, 38]
    assert [r[1] for r in rows(ask(c, "TS.REVRANGE", "h/long", "-", now - 1, "COUNT", 2))] == [1, 2]


def test_points_written_again_and_late_ones(server):
    c = server.client(3)
    now = int(time.time()) // 60 * 60_000
    for i in range(100):
        ask(c, "TS.ADD", "h/app.late", now - 50_000 + (i * 37 % 100) * 1000, i)
    for i in range(0, 100, 3):
        ask(c, "TS.ADD", "h/app.late", now - 50_000 + i * 1000, -1)
    want = {now - 50_000 + (i * 37 % 100) * 1000: i for i in range(100)}
    want.update({now - 50_000 + i * 1000: -1 for i in range(0, 100, 3)})
    assert rows(ask(c, "TS.RANGE", "h/app.late", "-", "+")) == [[t, want[t]] for t in sorted(want)]
    assert rows(ask(c, "TS.RANGE", "h/app.late", "-", "+", "AGGREGATION", "sum,count", 600_000, "ALIGN", 0)) == \
        rows_by(want, 600_000)


def rows_by(points, bucket):
    out = {}
    for t, v in points.items():
        s, n = out.get(t // bucket * bucket, (0, 0))
        out[t // bucket * bucket] = s + v, n + 1
    return [[t, *out[t]] for t in sorted(out)]


# ---- TS.READ ----


def read_later(server, *args):
    """TS.READ by a client of its own: a thread, and where its outcome will be."""
    outcome = {}

    def run():
        client = server.client(3, socket_timeout=60)
        began = time.monotonic()
        try:
            outcome["rows"] = ask(client, "TS.READ", *args)
        except redis.RedisError as e:
            outcome["error"] = str(e)
        outcome["took"] = time.monotonic() - began
        client.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome


def wait_blocked(client, count):
    """Until so many reads are blocked; their ids."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        requests = [dict(zip(r[::2], r[1::2])) if isinstance(r, list) else r for r in ask(client, "REQUESTS")]
        blocked = [r["id"] for r in requests if r["phase"] == "blocked"]
        if len(blocked) == count:
            return blocked
        time.sleep(0.01)
    raise AssertionError("the reads did not block")


def test_read(server, protocol):
    c = server.client(protocol)
    fill(c, "r", [(100, 1), (200, 2), (300, 3)])
    value = str if protocol == 2 else float
    every = [[100, value(1)], [200, value(2)], [300, value(3)]]
    assert ask(c, "TS.READ", "r", 0) == every
    assert ask(c, "TS.READ", "r", 200) == every[1:]
    assert ask(c, "TS.READ", "r", "-", "max_count", 2) == every[:2]
    assert ask(c, "TS.READ", "r", "+") == every[2:]
    assert ask(c, "TS.READ", "r", "$") == ask(c, "TS.READ", "r", 301) == ask(c, "TS.READ", "missing", 0) == []
    assert ask(c, "TS.READ", "r", 0, "MAX_COUNT", 4, "BLOCK", 60000, 3) == every, "enough is there: at once"
    assert ask(c, "TS.READ", "r", 101, "BLOCK", 1, 10) == every[1:], "what there is, after its time"
    fill(c, "end", [(2 ** 63 - 1, 1)])
    assert ask(c, "TS.READ", "end", "+") == [[2 ** 63 - 1, value(1)]]
    assert ask(c, "TS.READ", "end", "$", "BLOCK", 1, 1) == []


def test_read_errors(lone):
    c = lone.client()
    fill(c, "r", [(100, 1)])
    for args, words in [
            (("r",), "wrong number of arguments for 'ts.read' command"),
            (("r", "abc"), "TSDB: invalid timestamp"), (("r", -1), "TSDB: invalid timestamp"),
            (("r", 0, "BLOCK", -1, 1), "TSDB: invalid BLOCK milliseconds"), (("r", 0, "BLOCK", "x", 1), "TSDB: invalid BLOCK milliseconds"),
            (("r", 0, "BLOCK", 10, 0), "TSDB: invalid BLOCK min_count"), (("r", 0, "BLOCK", 10, "1.5"), "TSDB: invalid BLOCK min_count"),
            (("r", 0, "BLOCK", 10), "wrong number of arguments"), (("r", 0, "MAX_COUNT"), "wrong number of arguments"),
            (("r", 0, "MAX_COUNT", 0), "TSDB: invalid MAX_COUNT"), (("r", 0, "BLOCK", 10, 1, "MAX_COUNT", 1, "x"), "wrong number of arguments"),
            (("r", 0, "MAX_COUNT", 2, "MAX_COUNT", 3), "wrong number of arguments"),
            (("r", 0, "BLOCK", 10, 5, "MAX_COUNT", 2), "TSDB: min_count is greater than MAX_COUNT")]:
        assert error_of(c, "TS.READ", *args).startswith(words), args
    with c.pipeline(transaction=True) as pipe:
        replies = pipe.execute_command("TS.READ", "r", 0).execute_command("TS.READ", "r", 0, "BLOCK", 0, 1).execute(raise_on_error=False)
    assert rows(replies[0]) == [[100, 1]] and "not allowed in MULTI" in str(replies[1])


def test_blocked_reads_get_what_is_written(server):
    c = server.client(3)
    fill(c, "h/b", [(100, 1), (200, 2), (300, 3)])
    readers = [read_later(server, "h/b", "$", "BLOCK", 0, 2, "MAX_COUNT", 3), read_later(server, "h/b", "+", "BLOCK", 0, 3),
               read_later(server, "h/none", "-", "BLOCK", 0, 1)]
    wait_blocked(c, 3)
    fill(c, "h/other", [(1000, 1)])
    fill(c, "h/b", [(250, 9), (400, 4)])
    assert len(wait_blocked(c, 3)) == 3, "too little yet"
    fill(c, "h/b", [(500, 5), (600, 6), (700, 7)])
    fill(c, "h/none", [(5, 5)])
    want = [[[400, 4], [500, 5], [600, 6]], [[300, 3], [400, 4], [500, 5], [600, 6], [700, 7]], [[5, 5]]]
    for (thread, outcome), rows_wanted in zip(readers, want):
        thread.join(20)
        assert outcome["rows"] == rows_wanted


def test_a_blocked_read_ends_by_its_time_by_kill_and_by_hang_up(longtaild):
    server = longtaild(query_deadline="2s", query_requests_max="2")
    c = server.client(3)
    fill(c, "k", [(100, 1)])
    readers = []
    for count in (1, 2, 3):
        readers.append(read_later(server, "k", 0, "BLOCK", 0, 5))
        wait_blocked(c, count)
    timed = read_later(server, "k", 0, "BLOCK", 3000, 5)
    timed[0].join(20)
    assert timed[1]["rows"] == [[100, 1]] and timed[1]["took"] >= 2.95, "no deadline but its own"
    gone = redis.Redis(port=server.port, socket_timeout=0.2)
    with pytest.raises(redis.TimeoutError):
        ask(gone, "TS.READ", "k", 0, "BLOCK", 0, 7)
    gone.close()
    wait_blocked(c, 3)
    assert rows(ask(c, "TS.RANGE", "k", "-", "+")) == [[100, 1]], "blocked reads take no other's place"
    ask(c, "REQUEST", "KILL", wait_blocked(c, 3)[0])
    wait_blocked(c, 2)
    server.terminate()
    for thread, _ in readers:
        thread.join(20)
    assert sorted("killed" in outcome.get("error", "") for _, outcome in readers) == [False, False, True]


@pytest.mark.parametrize("erase", [("DEL", "e/b"), ("UNLINK", "e/b"), ("TS.DEL", "e/b", 0, 1000), ("FLUSHDB",)], ids=lambda words: words[0])
def test_a_blocked_read_ends_when_its_key_is_erased(server, erase):
    """With what there is then: nothing. Who waits for a key that is not there yet goes on."""
    c = server.client(3)
    fill(c, "e/b", [(100, 1), (200, 2)])
    readers = [read_later(server, "e/b", *args) for args in (("-", "BLOCK", 0, 3), ("$", "BLOCK", 0, 1), ("+", "BLOCK", 60000, 2))]
    waits = read_later(server, "e/none", "-", "BLOCK", 0, 2)
    wait_blocked(c, 4)
    ask(c, *erase)
    for thread, outcome in readers:
        thread.join(20)
        assert outcome["rows"] == []
    assert ask(c, "EXISTS", "e/b") == 0 and len(wait_blocked(c, 1)) == 1
    fill(c, "e/none", [(150, 5), (160, 6)])
    waits[0].join(20)
    assert waits[1]["rows"] == [[150, 5], [160, 6]]


def test_many_blocked_reads_while_others_write(lone):
    c = lone.client(3)
    readers = [read_later(lone, f"m/{i % 5}", 0, "BLOCK", 0, 100) for i in range(40)]
    wait_blocked(c, 40)
    for n in range(100):
        fill(c, "m/noise", [(n, n)])
        ask(c, "TS.MADD", *[x for i in range(5) for x in (f"m/{i}", n, n)])
    for thread, outcome in readers:
        thread.join(30)
        assert outcome.get("rows") == [[n, n] for n in range(100)], outcome


def test_twa_under_filters(server):
    """A filtered point does not count, neither within the range nor next to it: as if it had never been written. (The reference, 1.12,
    looks at filtered points next to the range.)"""
    c = server.client(3)
    r = random.Random(5)
    points = [(at, r.choice([1, 5, 20, 1000, NAN])) for at in sorted(r.sample(range(1000), 200))]
    kept = [(at, value) for at, value in points if value <= 20]
    times = sorted(at for at, _ in r.sample(points, 100))
    fill(c, "twa/all", points)
    fill(c, "twa/kept", kept)
    fill(c, "twa/times", [(at, value) for at, value in points if at in times])
    for _ in range(60):
        low = r.randint(0, 900)
        bounds = [low, low + r.randint(0, 300)]
        tail = ["AGGREGATION", "twa", r.randint(1, 60)] + (["EMPTY"] if r.random() < 0.5 else [])
        command = r.choice(["TS.RANGE", "TS.REVRANGE"])
        assert same(ask(c, command, "twa/all", *bounds, "FILTER_BY_VALUE", 0, 20, *tail), ask(c, command, "twa/kept", *bounds, *tail)), (bounds, tail)
        assert same(ask(c, command, "twa/all", *bounds, "FILTER_BY_TS", *times, *tail), ask(c, command, "twa/times", *bounds, *tail)), (bounds, tail)
    fill(c, "twa/one", [(0, 0), (10, 1000), (20, 20), (30, 30), (40, 1000)])
    assert ask(c, "TS.RANGE", "twa/one", 20, 39, "FILTER_BY_VALUE", 0, 100, "AGGREGATION", "twa", 20) == [[20, 25]]


# ---- the reference beside us ----


def a_question(r, base):
    """Options in an order that both take. twa with ALIGN beyond the range ends the reference, as does twa EMPTY in reverse."""
    low = base + r.randint(-5, 60)
    high = low + r.randint(0, 70)
    bounds = [r.choice([low, low, "-"]), r.choice([high, high, "+"])]
    options = []
    if r.random() < 0.25:
        options += ["FILTER_BY_VALUE", *sorted((r.randint(-10, 10), r.randint(-10, 10)))]
    if r.random() < 0.2:
        options += ["FILTER_BY_TS", *r.sample(range(base, base + 60), 20)]
    count = r.randint(1, 6) if r.random() < 0.3 else None
    aggregation = []
    if r.random() < 0.85:
        which = r.choice(AGGREGATORS)
        filtered = bool(options)
        if which == "twa" and filtered:
            which = "avg"  # the reference looks at filtered points outside of the range
        if r.random() < 0.4:
            align = r.randint(0, 40)
            if bounds[0] != "-" and r.random() < 0.4:
                align = r.choice(["start", "-"])
            elif bounds[1] != "+" and r.random() < 0.3 and which != "twa":
                align = r.choice(["end", "+"])
            aggregation += ["ALIGN", align]
        aggregation += ["AGGREGATION", r.choice([which, which.upper()]), r.randint(1, 40)]
        if r.random() < 0.3:
            aggregation += ["BUCKETTIMESTAMP", r.choice(["-", "+", "~", "start", "end", "mid"])]
        if r.random() < 0.4:
            aggregation += ["EMPTY"]
    return bounds, options, count, aggregation


def test_differential(longtaild, peer):
    """Random series and ranges: the same rows, whether points are in the head or in tables."""
    r = random.Random(20261122)
    clients = [longtaild(flush_interval=f).client() for f in ("10m", "20ms")]
    for series in range(120):
        key = f"diff/{series}"
        base = 1_700_000_000_000 + r.randint(0, 1000)
        points = sorted((base + t, r.choice([r.randint(-10, 10), r.uniform(-10, 10)])) for t in r.sample(range(60), r.randint(1, 25)))
        r.shuffle(points)
        ask(peer, "TS.CREATE", key)
        for c in clients + [peer]:
            fill(c, key, points)
        for _ in range(12):
            bounds, options, count, aggregation = a_question(r, base)
            want = rows(ask(peer, "TS.RANGE", key, *bounds, *options, *aggregation))
            limit = ["COUNT", count] if count else []
            for c in clients:
                got = rows(ask(c, "TS.RANGE", key, *bounds, *options, *limit, *aggregation))
                assert same(got, want[:count]), (points, bounds, options, limit, aggregation)
                got = rows(ask(c, "TS.REVRANGE", key, *bounds, *options, *aggregation, *limit))
                assert same(got, want[::-1][:count]), ("reverse", points, bounds, options, limit, aggregation)


def test_nonsense_gets_the_references_kind_of_answer(lone, peer):
    """Random words from the language: an error here where the reference has one, in the same words; else the same rows."""
    r = random.Random(7)
    c = lone.client()
    ask(peer, "TS.CREATE", "a")
    for x in (c, peer):
        fill(x, "a", STORY)
    words = ["COUNT", "AGGREGATION", "ALIGN", "EMPTY", "BUCKETTIMESTAMP", "FILTER_BY_TS", "FILTER_BY_VALUE", "LATEST", "foo",
             "avg", "sum", "count", "last", "-", "+", "~", "start", "end", "10", "20", "3", "0", "x", "1.5", "-1"]
    for _ in range(4000):
        args = [r.choice(words) for _ in range(r.randint(0, 7))]
        bounds = r.choice([("-", "+"), ("5", "40"), ("-", "40"), ("5", "+"), ("+", "-"), ("x", "3")])
        outcomes = []
        for x in (c, peer):
            try:
                outcomes.append(rows(ask(x, "TS.RANGE", "a", *bounds, *args)))
            except redis.ResponseError as e:
                outcomes.append(str(e))
        ours, theirs = outcomes
        if isinstance(theirs, str):
            assert isinstance(ours, str), (bounds, args, ours, theirs)
            assert ours.startswith(theirs), (bounds, args, ours, theirs)
        else:
            assert same(ours, theirs), (bounds, args, ours, theirs)


# ---- TS.MRANGE ----


def floats(reply):
    """Numbers that came as text, as floats; NaN as a word, so that replies can be compared."""
    if isinstance(reply, list):
        return [floats(x) for x in reply]
    if isinstance(reply, dict):
        return {k: floats(v) for k, v in reply.items()}
    if isinstance(reply, str):
        try:
            reply = float(reply)
        except ValueError:
            return reply
    if isinstance(reply, float):
        return "NaN" if math.isnan(reply) else round(reply, 9) + 0.0
    return reply


@pytest.fixture
def labelled(server):
    c = server.client()
    for key, *labels in (("s1", "t", "x", "n", "a", "z", "1"), ("s2", "t", "x", "n", "b"), ("s3", "t", "x"), ("s0", "t", "x", "n", "a"), ("s4", "t", "x")):
        ask(c, "TS.CREATE", key, "LABELS", *labels)
    ask(c, "TS.MADD", "s1", 10, 1, "s1", 20, 2, "s2", 10, 5, "s2", 30, 6, "s0", 10, 3, "s3", 5, 1)
    return server


def test_mrange_shapes(labelled):
    two, three = labelled.client(2), labelled.client(3)
    q = "TS.MRANGE", "-", "+"
    assert ask(two, *q, "FILTER", "t=x") == [["s0", [], [[10, "3"]]], ["s1", [], [[10, "1"], [20, "2"]]],
                                             ["s2", [], [[10, "5"], [30, "6"]]], ["s3", [], [[5, "1"]]], ["s4", [], []]]
    assert ask(three, *q, "FILTER", "n=b") == {"s2": [{}, {"aggregators": []}, [[10, 5.0], [30, 6.0]]]}
    assert ask(two, *q, "5", "WITHLABELS", "FILTER", "z=1") == [["s1", [["t", "x"], ["n", "a"], ["z", "1"]], [[10, "1"], [20, "2"]]]]
    assert ask(three, *q, "WITHLABELS", "FILTER", "z=1") == {"s1": [{"t": "x", "n": "a", "z": "1"}, {"aggregators": []}, [[10, 1.0], [20, 2.0]]]}
    assert ask(two, *q, "SELECTED_LABELS", "n", "q", "metric", "COUNT", 1, "FILTER", "t=x", "n=") == \
        [["s3", [["n", None], ["q", None], ["metric", "s3"]], [[5, "1"]]], ["s4", [["n", None], ["q", None], ["metric", "s4"]], []]]
    assert ask(three, *q, "SELECTED_LABELS", "n", "q", "FILTER", "z=1") == {"s1": [{"n": "a", "q": None}, {"aggregators": []}, [[10, 1.0], [20, 2.0]]]}
    assert ask(three, *q, "AGGREGATION", "MIN,countNaN", 100, "FILTER", "z=1") == {"s1": [{}, {"aggregators": ["min", "countnan"]}, [[0, 1.0, 0.0]]]}
    assert [row[0] for row in ask(two, "TS.MRANGE", 6, "+", "EXCLUDEEMPTY", "FILTER", "t=x")] == ["s0", "s1", "s2"]
    assert ask(three, "TS.MRANGE", 1, 2, "EXCLUDEEMPTY", "FILTER", "t=x") == {}
    assert ask(two, *q, "FILTER", "t=nothing") == []
    assert ask(two, "TS.MREVRANGE", "-", "+", "COUNT", 1, "FILTER", "n=(a,b)") == [["s0", [], [[10, "3"]]], ["s1", [], [[20, "2"]]], ["s2", [], [[30, "6"]]]]


def test_mrange_groups(labelled):
    two, three = labelled.client(2), labelled.client(3)
    q = "TS.MRANGE", "-", "+"
    by_n = "FILTER", "t=x", "GROUPBY", "n", "REDUCE"
    assert ask(two, *q, *by_n, "sum") == [["n=a", [], [[10, "4"], [20, "2"]]], ["n=b", [], [[10, "5"], [30, "6"]]]]
    assert ask(two, *q, "WITHLABELS", *by_n, "SUM") == \
        [["n=a", [["n", "a"], ["__reducer__", "sum"], ["__source__", "s0,s1"]], [[10, "4"], [20, "2"]]],
         ["n=b", [["n", "b"], ["__reducer__", "sum"], ["__source__", "s2"]], [[10, "5"], [30, "6"]]]]
    assert ask(three, *q, "WITHLABELS", *by_n, "max") == \
        {"n=a": [{"n": "a"}, {"reducers": ["max"]}, {"sources": ["s0", "s1"]}, [[10, 3.0], [20, 2.0]]],
         "n=b": [{"n": "b"}, {"reducers": ["max"]}, {"sources": ["s2"]}, [[10, 5.0], [30, 6.0]]]}
    assert ask(two, *q, "SELECTED_LABELS", "t", "n", *by_n, "min") == \
        [["n=a", [["t", None], ["n", "a"]], [[10, "1"], [20, "2"]]], ["n=b", [["t", None], ["n", "b"]], [[10, "5"], [30, "6"]]]]
    assert ask(three, *q, "FILTER", "t=x", "GROUPBY", "nope", "REDUCE", "sum") == {}
    assert ask(two, "TS.MRANGE", 1, 2, *by_n, "sum") == [["n=a", [], []], ["n=b", [], []]]
    assert ask(two, "TS.MREVRANGE", "-", "+", "COUNT", 2, "FILTER", "t=x", "GROUPBY", "t", "REDUCE", "count") == [["t=x", [], [[30, "1"], [20, "1"]]]]
    assert ask(two, *q, "FILTER", "t=x", "GROUPBY", "host", "REDUCE", "count") == [], "all of them are of no host"
    assert len(ask(two, *q, "FILTER", "t=x", "GROUPBY", "metric", "REDUCE", "COUNT")) == 5, "an implied label, asked for by name"
    ask(two, "TS.MADD", "s0", 40, "nan", "s1", 40, "nan")
    got = {name: ask(three, "TS.MRANGE", 40, 40, *by_n, name)["n=a"][3] for name in ("sum", "avg", "count", "countnan", "countall")}
    assert [math.isnan(got[name][0][1]) for name in ("sum", "avg")] == [True, True]
    assert [got[name] for name in ("count", "countnan", "countall")] == [[[40, 0.0]], [[40, 2.0]], [[40, 2.0]]]


def test_mrange_of_the_implied_labels(server):
    c = server.client(3)
    now = int(time.time()) // 60 * 60
    for s in range(30):
        for host in ("db1", "db2"):
            ask(c, "OBSERVE", host, now - 60 + s, "host.cpu.user", s, "host.cpu.sys", 1)
    q = "TS.MRANGE", "-", "+", "AGGREGATION", "sum", 3600_000, "FILTER"
    got = ask(c, *q, "metric=host.cpu.user")
    assert sorted(got) == ["db1/host.cpu.user", "db2/host.cpu.user"]
    assert [sum(row[1] for row in got[k][2]) for k in got] == [435, 435]
    got = ask(c, *q, "host=(db1,db2)", "GROUPBY", "metric", "REDUCE", "sum")
    assert {k: sum(row[1] for row in v[3]) for k, v in got.items()} == {"metric=host.cpu.user": 870, "metric=host.cpu.sys": 60}


def test_mrange_errors(labelled):
    c = labelled.client()
    q = "TS.MRANGE", "-", "+"
    for args, words in [
            (("TS.MRANGE", "-"), "wrong number of arguments for 'ts.mrange' command"),
            ((*q, "1", "2"), "TSDB: missing FILTER argument"), ((*q, "a", "FILTER"), "TSDB: missing labels for filter argument"),
            (("TS.MRANGE", "x", "+", "FILTER", "t=x"), "TSDB: wrong fromTimestamp"),
            ((*q, "FILTER", "t!=x"), "TSDB: please provide at least one matcher"), ((*q, "FILTER", "foo"), "TSDB: failed parsing labels"),
            ((*q, "FILTER", "t=x", "COUNT", 1), "TSDB: failed parsing labels"), ((*q, "FILTER", "t=x", "WITHLABELS"), "TSDB: failed parsing labels"),
            ((*q, "GROUPBY", "t", "REDUCE", "sum", "FILTER", "t=x"), "TSDB: GROUPBY should always come after filter"),
            ((*q, "FILTER", "t=x", "GROUPBY", "t", "REDUCE", "first"), "TSDB: Invalid reducer type"),
            ((*q, "EXCLUDEEMPTY", "FILTER", "t=x", "GROUPBY", "t", "REDUCE", "sum"), "TSDB: EXCLUDEEMPTY is not allowed with GROUPBY"),
            ((*q, "AGGREGATION", "min,max", 5, "FILTER", "t=x", "GROUPBY", "t", "REDUCE", "sum"), "TSDB: GROUPBY is not allowed"),
            ((*q, "WITHLABELS", "SELECTED_LABELS", "n", "FILTER", "t=x"), "TSDB: cannot accept WITHLABELS and SELECT_LABELS together"),
            ((*q, "SELECTED_LABELS", *["l"] * 51, "FILTER", "t=x"), "TSDB: reached max size for SELECT_LABELS")]:
        assert error_of(c, *args).startswith(words), args


def test_retention_hides_what_is_older_than_the_last_point(server):
    c = server.client(3)
    now = int(time.time()) * 1000
    ask(c, "TS.CREATE", "ret", "RETENTION", 5000, "LABELS", "r", "1")
    fill(c, "ret", [(now + i * 1000, i) for i in range(-10, 1)])
    assert [r[1] for r in rows(ask(c, "TS.RANGE", "ret", "-", "+"))] == [-5, -4, -3, -2, -1, 0]
    assert [r[1] for r in rows(ask(c, "TS.RANGE", "ret", "-", now - 3000))] == [-5, -4, -3]
    assert ask(c, "TS.RANGE", "ret", "-", "+", "AGGREGATION", "count", 10 ** 15) == [[0, 6.0]]
    assert ask(c, "TS.MRANGE", "-", "+", "AGGREGATION", "min", 10 ** 15, "FILTER", "r=1")["ret"][2] == [[0, -5.0]]
    assert [r[1] for r in rows(ask(c, "TS.READ", "ret", "-"))] == [-5, -4, -3, -2, -1, 0]


def test_differential_of_many_series(longtaild, peer):
    """Random series with labels, in groups and alone: the same replies in both protocols."""
    r = random.Random(20261123)
    servers = [longtaild(flush_interval=f) for f in ("10m", "20ms")]
    base = 1_700_000_000_000
    peer3 = redis.Redis(port=peer.connection_pool.connection_kwargs["port"], decode_responses=True, protocol=3)
    pairs = [(peer, [s.client(2) for s in servers]), (peer3, [s.client(3) for s in servers])]
    for n in range(30):
        labels = [x for name in "uvw" if r.random() < 0.8 for x in (name, r.choice("123"))] + ["all", "1"]
        points = [(base + t, r.choice([r.randint(-10, 10), r.uniform(-10, 10)])) for t in r.sample(range(60), r.choice([0, 3, 20]))]
        for c in [peer] + pairs[0][1]:
            ask(c, "TS.CREATE", f"m{n:02}", "LABELS", *labels)
            fill(c, f"m{n:02}", points)
    for _ in range(400):
        bounds, options, count, aggregation = a_question(r, base)
        if "twa" in aggregation or "TWA" in aggregation:
            continue  # ends the reference now and then
        limit = ["COUNT", count] if count else []
        shown = r.choice([[], ["WITHLABELS"], ["SELECTED_LABELS", "u", "q"]])
        filters = ["FILTER", "all=1", *r.sample(["u=1", "v=(1,2)", "w!=3", "u!=", "v="], r.randint(0, 2))]
        grouped = r.random() < 0.5
        group = ["GROUPBY", r.choice("uvw"), "REDUCE", r.choice([a for a in AGGREGATORS if a not in ("first", "last", "twa")])] if grouped else []
        if "EMPTY" in aggregation and "count" in group:
            continue  # of NaN alone: NaN in 1.12, 0 since 8.6 and here
        args = [*bounds, *limit, *options, *aggregation, *shown, *filters, *group]
        by_time = {"first", "last", "FIRST", "LAST", "EMPTY"} & set(aggregation)  # in reverse, the reference has its own idea of them
        name = "TS.MRANGE" if by_time else r.choice(["TS.MRANGE", "TS.MREVRANGE"])
        for theirs, ours in pairs:
            want = floats(ask(theirs, name, *args))
            for c in ours:
                got = floats(ask(c, name, *args))
                assert almost(got, want), " ".join(map(str, [name, *args, [(x, y) for x, y in zip(got, want) if not almost(x, y)][:3] if isinstance(got, list) else (got, want)]))


def almost(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(almost(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(almost(a[k], b[k]) for k in a)
    return a == b
