"""The commands that write, as clients see them: replies, errors that say what was expected, and that nothing of
a refused command is stored."""

import math
import re
import time

import pytest
import redis

T = 1700000000


@pytest.fixture
def server(lone):
    return lone


def refused(client, *command):
    with pytest.raises(redis.ResponseError) as error:
        client.execute_command(*command)
    return str(error.value)


def stored(client, key):
    """The times in ms and values of a series; empty where it is unknown."""
    try:
        return [(at, float(value)) for at, value in client.execute_command("TS.RANGE", key, "-", "+")]
    except redis.ResponseError as error:
        assert "does not exist" in str(error)
        return []


def test_observe_replies_receipts_in_order(client):
    receipts = [client.execute_command("OBSERVE", "db1", T + i, "host.cpu", i, "host.mem", -i) for i in range(3)]
    assert all(re.fullmatch(r"0:\d+", receipt) for receipt in receipts)
    offsets = [int(receipt.split(":")[1]) for receipt in receipts]
    assert offsets == sorted(set(offsets))
    assert stored(client, "db1/host.cpu") == [((T + i) * 1000, i) for i in range(3)]
    assert stored(client, "db1/host.mem") == [((T + i) * 1000, -i) for i in range(3)]


def test_observe_now(client):
    for now in ["*", "now", "NOW"]:
        before = int(time.time())
        client.execute_command("OBSERVE", "db1", now, f"host.cpu.{now}", 1)
        [(at, _)] = stored(client, f"db1/host.cpu.{now}")
        assert at % 1000 == 0 and before * 1000 <= at <= time.time() * 1000


LONG = "n" * 513


BAD_OBSERVATIONS = [
    (("", T, "m.a", 1), "without '/'"),
    (("a/b", T, "m.a", 1), "without '/'"),
    ((LONG, T, "m.a", 1), "1 to 512 bytes"),
    (("h", -1, "m.a", 1), "Unix seconds from 0 to 4294967295"),
    (("h", 2**32, "m.a", 1), "Unix seconds from 0 to 4294967295"),
    (("h", "1.5", "m.a", 1), "Unix seconds"),
    (("h", "yesterday", "m.a", 1), "Unix seconds"),
    (("h", T, "", 1), "1 to 512 bytes"),
    (("h", T, LONG, 1), "1 to 512 bytes"),
    (("h", T, "m.a", "nan"), "finite"),
    (("h", T, "m.a", "inf"), "finite"),
    (("h", T, "m.a", "-inf"), "finite"),
    (("h", T, "m.a", "1e999"), "finite"),
    (("h", T, "m.a", "0x10"), "decimal"),
    (("h", T, "m.a", "+1"), "decimal"),
    (("h", T, "m.a", ""), "decimal"),
    (("h", T, "m.a", 1, "m.b"), "has no value"),
]


def test_bad_observations_teach_and_store_nothing(client):
    for (host, at, *points), expected in BAD_OBSERVATIONS:
        # The good point that stands before the bad one must not be stored either.
        assert expected in refused(client, "OBSERVE", host, at, "m.good", 1, *points), (host, at, points)
    assert "wrong number of arguments" in refused(client, "OBSERVE", "h", T)
    assert stored(client, "h/m.good") == [] and stored(client, "h/m.a") == []


def test_names_at_their_limit_and_odd_ones(client):
    host, metric = "h" * 512, "m" * 512
    client.execute_command("OBSERVE", host, T, metric, 7)
    assert stored(client, f"{host}/{metric}") == [(T * 1000, 7)]
    for odd in ["a.*.b", "a..b", ".", "a.", "with blank.x", "a/b.c", "\x00\x01", "ü.ö"]:
        client.execute_command("OBSERVE", "h", T, odd, 1)
        assert stored(client, f"h/{odd}") == [(T * 1000, 1)], odd


def test_ts_add_replies_its_time(client):
    assert client.execute_command("TS.ADD", "db1/a.b", 5, "1.5") == 5
    assert stored(client, "db1/a.b") == [(5, 1.5)]
    before = time.time() * 1000
    assert before - 1 <= client.execute_command("TS.ADD", "b", "*", 1) <= time.time() * 1000 + 1
    client.execute_command("TS.ADD", "c", 1, "NaN")
    assert math.isnan(stored(client, "c")[0][1])


def test_the_last_time_there_is(client):
    assert client.execute_command("TS.ADD", "a", 2**63 - 1, "-1e-300") == 2**63 - 1
    assert stored(client, "a") == [(2**63 - 1, -1e-300)]


def test_two_spellings_are_one_series(client):
    client.execute_command("TS.ADD", "x", 1, 10)
    client.execute_command("TS.ADD", "/x", 2, 20)
    assert stored(client, "x") == stored(client, "/x") == [(1, 10), (2, 20)]
    client.execute_command("TS.ADD", "/a/b", 1, 1)
    client.execute_command("TS.ADD", "a/b", 1, 2)
    assert stored(client, "/a/b") == [(1, 1)] and stored(client, "a/b") == [(1, 2)]


def test_on_duplicate(client):
    for policy, expected in [("LAST", 1), ("first", 5), ("Min", 1), ("max", 5), ("SUM", 6)]:
        client.execute_command("TS.ADD", policy, 1, 5)
        client.execute_command("TS.ADD", policy, 1, 1, "ON_DUPLICATE", policy)
        assert stored(client, policy) == [(1, expected)]


BAD_POINTS = [
    (("x", -1, 1), "TSDB: invalid timestamp"),
    (("x", 2**63, 1), "TSDB: invalid timestamp"),
    (("x", "1.0", 1), "TSDB: invalid timestamp"),
    (("x", 1, "inf"), "TSDB: invalid value"),
    (("x", 1, "one"), "TSDB: invalid value"),
    (("", 1, 1), "TSDB: invalid key"),
    (("h/", 1, 1), "TSDB: invalid key"),
    ((LONG, 1, 1), "TSDB: invalid key"),
    ((LONG + "/x", 1, 1), "TSDB: invalid key"),
    (("x", 1, 1, "RETENTION", -5), "TSDB: Couldn't parse RETENTION"),
    (("x", 1, 1, "LABELS", "a", ""), "TSDB: Couldn't parse LABELS"),
    (("x", 1, 1, "ON_DUPLICATE"), "ON_DUPLICATE"),
    (("x", 1, 1, "ON_DUPLICATE", "avg"), "expected BLOCK, LAST, FIRST, MIN, MAX or SUM"),
]


def test_bad_points_teach_and_store_nothing(client):
    for arguments, expected in BAD_POINTS:
        assert expected in refused(client, "TS.ADD", *arguments), arguments
    assert stored(client, "x") == []


def test_madd_answers_point_by_point(client):
    reply = client.execute_command("TS.MADD", "x", 1, 10, "x", "soon", 20, "y", 3, 30, "y", 4, "inf")
    assert reply[0] == 1 and reply[2] == 3
    assert "TSDB: invalid timestamp" in str(reply[1]) and "TSDB: invalid value" in str(reply[3])
    assert isinstance(reply[1], redis.ResponseError)
    assert stored(client, "x") == [(1, 10)] and stored(client, "y") == [(3, 30)]
    assert client.execute_command("TS.MADD", "x", 5, 1, "y", 6, 2) == [5, 6]


def test_madd_of_bad_points_only_writes_nothing(client):
    reply = client.execute_command("TS.MADD", "x", -1, 10, "x", 1, "")
    assert [isinstance(error, redis.ResponseError) for error in reply] == [True, True]
    assert "wrong number of arguments" in refused(client, "TS.MADD", "x", 1, 1, "y", 2)
    assert stored(client, "x") == []


def test_a_large_command_is_stored_whole_or_not_at_all(client):
    def name(i):  # letters: records hold text around digits once
        return f"big/{'m' * 480}." + str(i).translate(str.maketrans("0123456789", "ghijklmnop"))

    def points(count):
        return [part for i in range(count) for part in (name(i), 1, i)]

    assert client.execute_command("TS.MADD", *points(1500)) == [1] * 1500
    assert stored(client, name(1499)) == [(1, 1499)]
    message = refused(client, "TS.MADD", "fresh", 1, 1, *(part for part in points(4000)))
    assert "too large" in message and "900000" in message
    assert stored(client, "fresh") == []


def test_a_pipeline_of_several_batches(client):
    pipe = client.pipeline(transaction=False)
    for i in range(20000):
        pipe.execute_command("TS.ADD", f"pipe/m.{i % 500}.value", i, i)
    assert pipe.execute() == list(range(20000))
    assert len(stored(client, "pipe/m.7.value")) == 40


def categories(client):
    """Name: kind, items, precision."""
    return {name: (kind, items, float(precision))
            for name, kind, items, precision in client.execute_command("CATEGORY", "LIST")}


def test_categories(client):
    client.execute_command("OBSERVE", "h", T, "host.procs.bash.cpu", 1)
    client.execute_command("CATEGORY", "ADD", "host.procs.*", "KIND", "delta")
    client.execute_command("CATEGORY", "ADD", "host.procs.*", "KIND", "delta")
    client.execute_command("OBSERVE", "h", T, "host.procs.sshd.cpu", 1, "host.queries.c.1374c6821ead6f47.time_us", 2)
    listed = categories(client)
    assert listed["host.procs.*"] == ("delta", 1, 0)
    assert listed["host.procs.bash"] == ("gauge", 1, 0)  # a series keeps its first category
    assert listed["host.queries.c.*"] == ("delta", 1, 0)
    assert "delta" in refused(client, "CATEGORY", "ADD", "host.procs.*", "KIND", "gauge")
    assert "'*' stands for a whole component" in refused(client, "CATEGORY", "ADD", "host.p*")
    assert "empty component" in refused(client, "CATEGORY", "ADD", "host..x")
    assert "KIND gauge|delta|counter" in refused(client, "CATEGORY", "ADD", "a.*", "KIND", "sum")


def test_precision_of_categories(client):
    client.execute_command("CATEGORY", "ADD", "app.*", "PRECISION", "0.001", "KIND", "counter")
    assert categories(client)["app.*"] == ("counter", 0, 0.001)
    client.execute_command("OBSERVE", "h", T, "app.one.hits", 1, "host.cpu.user", 1,
                           "host.queries.c.1374c6821ead6f47.time_us", 2)
    assert categories(client)["app.*"] == ("counter", 1, 0.001)
    client.execute_command("CATEGORY", "ADD", "app.*", "KIND", "counter")  # says nothing of it
    assert categories(client)["app.*"] == ("counter", 1, 0.001)
    client.execute_command("CATEGORY", "ADD", "app.*", "precision", "0.05")  # nor of the kind
    assert categories(client)["app.*"] == ("counter", 1, 0.05)
    client.execute_command("CATEGORY", "ADD", "app.*", "PRECISION", 0)
    assert categories(client)["app.*"] == ("counter", 1, 0)
    client.execute_command("CATEGORY", "ADD", "host.cpu", "PRECISION", "1e-9")
    client.execute_command("CATEGORY", "ADD", "host.queries.c.*", "PRECISION", "0.1")
    client.execute_command("CATEGORY", "ADD", "host.queries.q.*", "PRECISION", "0.1")
    listed = categories(client)
    assert listed["host.cpu"] == ("gauge", 1, 1e-09)
    assert listed["host.queries.c.*"] == ("delta", 1, 0.1)
    assert listed["host.queries.q.*"] == ("delta", 0, 0.1)  # the kind that it would have by itself
    for bad in ("0.2", "-0.1", "nan", "1e-10", "x", ""):
        assert "from 0.000000001 to 0.1" in refused(client, "CATEGORY", "ADD", "app.*", "PRECISION", bad)
    for words in (["PRECISION"], ["PRECISION", "0", "PRECISION", "0"], ["KIND", "gauge", "0.1"]):
        assert "[PRECISION error]" in refused(client, "CATEGORY", "ADD", "app.*", *words)


def test_item_text(client):
    stem = "host.queries.q.1374c6821ead6f47"
    assert re.fullmatch(r"0:\d+", client.execute_command("ITEM", "TEXT", stem, "SELECT ?"))
    client.execute_command("ITEM", "TEXT", stem, "x" * 65536)
    assert "65536" in refused(client, "ITEM", "TEXT", stem, "x" * 65537)
    assert "1 to 512" in refused(client, "ITEM", "TEXT", "", "x")


def test_ready(client):
    assert client.execute_command("READY") == "OK"
