"""Declared series: TS.CREATE, TS.ALTER, TS.INFO, DEL, by redis-py in both protocols; and that what is declared is as
durable as a point."""

import time

import pytest
import redis

from check.wait import flushed
from harness import error, points

T = 1700000000000
KEY = "db1/host.cpu.user"
MISSING = "TSDB: the key does not exist"


def info(client, key, *words):
    """As a dict in both protocols, its labels too."""
    reply = client.execute_command("TS.INFO", key, *words)
    if isinstance(reply, list):
        assert len(reply) == (28 if not words else 32)
        reply = dict(zip(reply[::2], reply[1::2]))
        reply["labels"] = dict(reply["labels"])
    return reply


def settings(client, key):
    got = info(client, key)
    return {name: got[name] for name in ("retentionTime", "chunkSize", "chunkType", "duplicatePolicy", "labels",
                                         "ignoreMaxTimeDiff")} | {"ignoreMaxValDiff": float(got["ignoreMaxValDiff"])}


DEFAULTS = {"retentionTime": 0, "chunkSize": 4096, "chunkType": "compressed", "duplicatePolicy": None, "labels": {},
            "ignoreMaxTimeDiff": 0, "ignoreMaxValDiff": 0}


# ---- TS.CREATE, TS.INFO ----


def test_a_declared_series_is_there_without_points(client):
    assert client.execute_command("TS.CREATE", KEY) == "OK"
    assert settings(client, KEY) == DEFAULTS
    got = info(client, KEY)
    assert [got[n] for n in ("totalSamples", "firstTimestamp", "lastTimestamp", "chunkCount", "sourceKey")] == [0, 0, 0, 1, None]
    assert got["rules"] in ([], {}) and got["memoryUsage"] > 0
    assert client.execute_command("TS.GET", KEY) == []
    assert client.execute_command("TS.RANGE", KEY, "-", "+") == []
    assert client.exists(KEY, KEY) == 2 and client.type(KEY) == "TSDB-TYPE"
    assert client.execute_command("TS.DEL", KEY, "-", "+") == 0


def test_all_settings(client):
    client.execute_command("TS.CREATE", KEY, "RETENTION", 1000, "ENCODING", "UNCOMPRESSED", "CHUNK_SIZE", 128,
                           "DUPLICATE_POLICY", "MAX", "IGNORE", 10, "0.5", "LABELS", "region", "eu", "Rack", "r 1")
    assert settings(client, KEY) == {
        "retentionTime": 1000, "chunkSize": 128, "chunkType": "uncompressed", "duplicatePolicy": "max",
        "labels": {"region": "eu", "Rack": "r 1"}, "ignoreMaxTimeDiff": 10, "ignoreMaxValDiff": 0.5}


def test_words_are_found_anywhere(client):
    client.execute_command("TS.CREATE", "a", "foo", "uncompressed", "retention", 5, "LABELS", "a", "b", "IGNORE", 10, "0.5")
    assert settings(client, "a") == DEFAULTS | {"chunkType": "uncompressed", "retentionTime": 5, "ignoreMaxTimeDiff": 10,
                                                "ignoreMaxValDiff": 0.5, "labels": {"a": "b", "IGNORE": "10"}}


def test_a_key_exists_once(client):
    client.execute_command("TS.CREATE", KEY)
    assert error(client, "TS.CREATE", KEY).startswith("TSDB: key already exists")
    client.execute_command("TS.ADD", "db1/host.cpu.sys", T, 1)
    assert error(client, "TS.CREATE", "db1/host.cpu.sys", "LABELS", "a", "b").startswith("TSDB: key already exists")
    assert settings(client, "db1/host.cpu.sys") == DEFAULTS
    client.execute_command("TS.CREATE", "/x")
    assert error(client, "TS.CREATE", "x").startswith("TSDB: key already exists")


@pytest.mark.parametrize("words, expected", [
    (("LABELS", "a", ""), "TSDB: Couldn't parse LABELS"),
    (("LABELS", "", "a"), "TSDB: Couldn't parse LABELS"),
    (("LABELS", "a", "b,c"), "TSDB: Couldn't parse LABELS"),
    (("LABELS", "a", "(b"), "TSDB: Couldn't parse LABELS"),
    (("LABELS", "a", "b" * 1025), "TSDB: Couldn't parse LABELS"),
    (("LABELS", *(word for i in range(129) for word in (f"l{i}", "v"))), "TSDB: Couldn't parse LABELS"),
    (("RETENTION",), "TSDB: Couldn't parse RETENTION"),
    (("RETENTION", "-1"), "TSDB: Couldn't parse RETENTION"),
    (("RETENTION", "soon"), "TSDB: Couldn't parse RETENTION"),
    (("CHUNK_SIZE", "x"), "TSDB: Couldn't parse CHUNK_SIZE"),
    (("CHUNK_SIZE", "0"), "TSDB: Couldn't parse CHUNK_SIZE"),
    (("CHUNK_SIZE", "40"), "TSDB: CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]"),
    (("CHUNK_SIZE", "100"), "TSDB: CHUNK_SIZE value must be a multiple of 8"),
    (("CHUNK_SIZE", "1048584"), "TSDB: CHUNK_SIZE value must be a multiple of 8"),
    (("ENCODING", "zip"), "TSDB: unknown ENCODING parameter"),
    (("ENCODING",), "TSDB: unknown ENCODING parameter"),
    (("DUPLICATE_POLICY", "all"), "TSDB: Unknown DUPLICATE_POLICY"),
    (("DUPLICATE_POLICY",), "TSDB: Unknown DUPLICATE_POLICY"),
    (("IGNORE", "1"), "TSDB: Couldn't parse IGNORE"),
    (("IGNORE", "-1", "1"), "TSDB: Couldn't parse IGNORE"),
    (("IGNORE", "1", "-1"), "TSDB: Couldn't parse IGNORE"),
    (("IGNORE", "1", "nan"), "TSDB: Couldn't parse IGNORE"),
])
def test_errors_say_what_was_expected(lone_client, words, expected):
    text = error(lone_client, "TS.CREATE", KEY, *words)
    assert text.startswith(expected) and "expected" in text
    assert lone_client.exists(KEY) == 0
    if words[0] != "ENCODING":
        lone_client.execute_command("TS.CREATE", KEY)
        assert error(lone_client, "TS.ALTER", KEY, *words).startswith(expected)
        assert settings(lone_client, KEY) == DEFAULTS


def test_limits_are_taken(lone_client):
    labels = [word for i in range(128) for word in (f"{i:04}" + "n" * 1020, f"{i:04}" + "v" * 1020)]
    key = "h" * 512 + "/" + "m" * 512
    lone_client.execute_command("TS.CREATE", key, "CHUNK_SIZE", 48, "LABELS", *labels)
    assert info(lone_client, key)["labels"] == dict(zip(labels[::2], labels[1::2]))
    lone_client.execute_command("TS.CREATE", "k2", "CHUNK_SIZE", 1048576)
    assert "expected host/metric" in error(lone_client, "TS.CREATE", "m" * 513)
    assert "expected host/metric" in error(lone_client, "TS.CREATE", "h/")


def test_info_counts_what_is_stored(client):
    for i in (5, 3, 9, 3):
        client.execute_command("TS.ADD", KEY, T + i, i)
    got = info(client, KEY)
    assert [got[n] for n in ("totalSamples", "firstTimestamp", "lastTimestamp")] == [3, T + 3, T + 9]
    assert settings(client, KEY) == DEFAULTS
    client.execute_command("TS.DEL", KEY, T + 9, T + 9)
    assert info(client, KEY)["lastTimestamp"] == T + 5
    client.execute_command("TS.ALTER", KEY, "RETENTION", 1)
    got = info(client, KEY)
    assert [got[n] for n in ("totalSamples", "firstTimestamp", "lastTimestamp")] == [1, T + 5, T + 5]
    assert error(client, "TS.INFO", "no/such").startswith(MISSING)


def test_info_debug(client):
    client.execute_command("TS.CREATE", KEY, "LABELS", "a", "b")
    client.execute_command("TS.ADD", KEY, T, 1)
    got = info(client, KEY, "DEBUG")
    assert got["keySelfName"] == KEY
    chunk = got["Chunks"][0]
    chunk = chunk if isinstance(chunk, dict) else dict(zip(chunk[::2], chunk[1::2]))
    assert [chunk[n] for n in ("startTimestamp", "endTimestamp", "samples")] == [T, T, 1]
    assert chunk["size"] > 0 and float(chunk["bytesPerSample"]) > 0


# ---- TS.ALTER ----


def test_alter_changes_what_it_names(client):
    client.execute_command("TS.CREATE", KEY, "RETENTION", 1000, "DUPLICATE_POLICY", "MIN", "LABELS", "a", "1", "b", "2")
    expected = DEFAULTS | {"retentionTime": 1000, "duplicatePolicy": "min", "labels": {"a": "1", "b": "2"}}
    for words, change in [
            (("CHUNK_SIZE", 64), {"chunkSize": 64}),
            (("RETENTION", 0), {"retentionTime": 0}),
            (("IGNORE", 3, 4), {"ignoreMaxTimeDiff": 3, "ignoreMaxValDiff": 4}),
            (("ENCODING", "UNCOMPRESSED"), {}),
            (("LABELS", "c", "3"), {"labels": {"c": "3"}}),
            (("DUPLICATE_POLICY", "last"), {"duplicatePolicy": "last"}),
            (("LABELS",), {"labels": {}}),
            ((), {})]:
        assert client.execute_command("TS.ALTER", KEY, *words) == "OK"
        expected |= change
        assert settings(client, KEY) == expected, words


def test_alter_declares_a_series_that_has_points_only(client):
    assert error(client, "TS.ALTER", KEY, "RETENTION", 5).startswith(MISSING)
    client.execute_command("TS.ADD", KEY, T, 1)
    client.execute_command("TS.ALTER", KEY, "LABELS", "a", "b")
    assert settings(client, KEY) == DEFAULTS | {"labels": {"a": "b"}}
    client.execute_command("TS.DEL", KEY, "-", "+")
    assert client.exists(KEY) == 1


# ---- DEL, UNLINK ----


@pytest.mark.parametrize("word", ["DEL", "UNLINK"])
def test_del_removes_points_and_declaration(client, word):
    client.execute_command("TS.CREATE", KEY, "LABELS", "a", "b")
    client.execute_command("TS.CREATE", "db1/empty")
    for i in range(5):
        client.execute_command("TS.ADD", KEY, T + i, i)
        client.execute_command("TS.ADD", "db2/implicit.x", T + i, i)
    assert client.execute_command(word, KEY, "no/such", "db1/empty", KEY, "db2/implicit.x") == 3
    for key in (KEY, "db1/empty", "db2/implicit.x"):
        assert client.exists(key) == 0
        assert error(client, "TS.INFO", key).startswith(MISSING)
    assert client.execute_command(word, KEY) == 0
    client.execute_command("TS.CREATE", KEY, "LABELS", "c", "d")
    assert info(client, KEY)["labels"] == {"c": "d"} and client.execute_command("TS.RANGE", KEY, "-", "+") == []


def test_del_takes_what_retention_hides(lone_client):
    for i in range(3):
        lone_client.execute_command("TS.ADD", KEY, T + i * 1000, i)
    lone_client.execute_command("TS.ALTER", KEY, "RETENTION", 10)
    assert lone_client.execute_command("DEL", KEY) == 1
    assert lone_client.exists(KEY) == 0
    lone_client.execute_command("TS.CREATE", KEY)
    assert lone_client.execute_command("TS.RANGE", KEY, "-", "+") == []


def test_del_of_more_points_than_a_record_takes(lone_client):
    for at in range(0, 45000, 5000):
        lone_client.execute_command("TS.MADD", *(word for i in range(at, at + 5000) for word in (KEY, T + i, 1)))
    assert lone_client.execute_command("DEL", KEY) == 1
    assert lone_client.exists(KEY) == 0


def test_limits_of_del(lone_client):
    assert "expected at most 1000" in error(lone_client, "DEL", *["k"] * 1001)
    assert "expected host/metric" in error(lone_client, "DEL", "k", "h/")


# ---- TS.ADD with options, and what a declaration says about writes ----


def test_add_declares_what_is_new(client):
    assert client.execute_command("TS.ADD", KEY, T, 1, "RETENTION", 100000, "CHUNK_SIZE", 128, "ENCODING", "UNCOMPRESSED",
                                  "DUPLICATE_POLICY", "SUM", "ON_DUPLICATE", "MAX", "LABELS", "a", "b") == T
    assert settings(client, KEY) == DEFAULTS | {"retentionTime": 100000, "chunkSize": 128, "chunkType": "uncompressed",
                                                "duplicatePolicy": "sum", "labels": {"a": "b"}}
    assert client.execute_command("TS.ADD", KEY, T + 1, 2, "RETENTION", 5, "LABELS", "a", "c") == T + 1
    assert info(client, KEY)["labels"] == {"a": "b"} and info(client, KEY)["retentionTime"] == 100000
    assert points(client, KEY) == [(T, 1), (T + 1, 2)]


def test_add_with_options_of_a_series_that_has_points(client):
    client.execute_command("TS.ADD", KEY, T, 1)
    client.execute_command("TS.ADD", KEY, T, 5, "DUPLICATE_POLICY", "SUM", "LABELS", "a", "b")
    assert settings(client, KEY) == DEFAULTS and points(client, KEY) == [(T, 5)]
    client.execute_command("TS.DEL", KEY, "-", "+")
    assert client.exists(KEY) == 1, "it was declared, with nothing in it"


@pytest.mark.parametrize("policy, expected", [("FIRST", 5), ("LAST", 3), ("MIN", 3), ("MAX", 8), ("SUM", 16)])
def test_the_policy_of_a_series(client, policy, expected):
    client.execute_command("TS.CREATE", KEY, "DUPLICATE_POLICY", policy)
    client.execute_command("TS.ADD", KEY, T, 5)
    assert client.execute_command("TS.MADD", KEY, T, 8, "other.x", T, 1, "other.x", T, 2, KEY, T, 3) == [T] * 4
    assert points(client, KEY) == [(T, expected)] and points(client, "other.x") == [(T, 2)]
    client.execute_command("TS.ADD", KEY, T, 100, "ON_DUPLICATE", "LAST")
    assert points(client, KEY) == [(T, 100)]
    client.execute_command("TS.ALTER", KEY, "DUPLICATE_POLICY", "LAST")
    client.execute_command("TS.MADD", KEY, T, 1)
    assert points(client, KEY) == [(T, 1)]


def test_the_policy_holds_from_the_reply_on(client):
    for i in range(30):
        key = f"db/app.n{i}x"
        client.execute_command("TS.ADD", key, T, 1, "DUPLICATE_POLICY", "SUM")
        client.execute_command("TS.ADD", key, T, 2)
        assert points(client, key) == [(T, 3)]
        client.execute_command("DEL", key)
        client.execute_command("TS.ADD", key, T, 1)
        client.execute_command("TS.ADD", key, T, 2)
        assert points(client, key) == [(T, 2)]


def test_the_policy_holds_after_a_restart(longtaild):
    server = longtaild(flush_interval="50ms")
    server.client().execute_command("TS.CREATE", KEY, "DUPLICATE_POLICY", "SUM")
    server.client().execute_command("TS.ADD", KEY, T, 1)
    server.kill9()
    server.start()
    client = server.client()
    points(client, KEY)  # the catalog is loaded
    client.execute_command("TS.ADD", KEY, T, 2)
    assert points(client, KEY) == [(T, 3)]


def test_errors_of_add_store_nothing(lone_client):
    for words in (("CHUNK_SIZE", 7), ("LABELS", "a", ""), ("RETENTION", "x"), ("ON_DUPLICATE", "x"), ("DUPLICATE_POLICY", "x")):
        assert error(lone_client, "TS.ADD", KEY, T, 1, *words).startswith("TSDB: ")
        assert lone_client.exists(KEY) == 0


def test_what_telegraf_sends(client):
    """Points with their tags, and a time to live with each, in one pipeline; thrice, as often as it flushes."""
    for turn in range(3):
        pipe = client.pipeline(transaction=False)
        for i in range(40):
            key = f"cpu_usage_{i}"
            pipe.execute_command("TS.ADD", key, T + turn, i, "LABELS", "host", f"h{i % 3}", "cpu", f"cpu{i}")
            pipe.expire(key, 3600)
        assert pipe.execute() == [T + turn, 1] * 40
    assert settings(client, "cpu_usage_7") == DEFAULTS | {"retentionTime": 3600000, "labels": {"host": "h1", "cpu": "cpu7"}}
    assert points(client, "cpu_usage_7") == [(T, 7), (T + 1, 7), (T + 2, 7)]
    assert len(client.execute_command("TS.QUERYINDEX", "host=h1")) == 13


@pytest.mark.parametrize("protocol", [2, 3])
def test_madd_need_not_create(longtaild, protocol):
    client = longtaild(madd_creates="no").client(protocol)
    client.execute_command("TS.ADD", "h/implicit.x", T, 1)
    client.execute_command("TS.CREATE", KEY, "DUPLICATE_POLICY", "SUM")
    reply = client.execute_command("TS.MADD", KEY, T, 1, "new", T, 2, "h/implicit.x", T + 1, 3, "h/", T, 4, KEY, T, 5, KEY, "x", 6)
    assert [reply[i] for i in (0, 2, 4)] == [T, T + 1, T]
    for i, text in ((1, MISSING), (3, "TSDB: invalid key"), (5, "TSDB: invalid timestamp")):
        assert isinstance(reply[i], redis.ResponseError) and str(reply[i]).startswith(text)
    assert client.exists("new") == 0 and points(client, KEY) == [(T, 6)]
    assert client.execute_command("TS.MADD", KEY, T + 1, 1, "h/implicit.x", T + 2, 2) == [T + 1, T + 2]
    assert all(isinstance(r, redis.ResponseError) for r in client.execute_command("TS.MADD", "new", T, 1, "new2", T, 1))
    pipe = client.pipeline(transaction=False)
    for i in range(20):
        pipe.execute_command("TS.ADD", f"p/n{i}", T, i).execute_command("TS.MADD", f"p/n{i}", T + 1, i)
    assert pipe.execute()[1::2] == [[T + 1]] * 20


# ---- EXPIRE, PERSIST, TTL ----


def test_a_time_to_live_is_a_retention(client):
    client.execute_command("TS.ADD", KEY, T, 1)
    assert client.ttl(KEY) == -1 and client.pttl(KEY) == -1 and client.ttl("no/such") == -2 and client.persist(KEY) == 0
    assert client.expire(KEY, 100) == 1 and client.expire("no/such", 100) == 0 and client.persist("no/such") == 0
    assert client.ttl(KEY) == 100 and client.pttl(KEY) == 100000 and info(client, KEY)["retentionTime"] == 100000
    now = time.time()
    assert abs(client.execute_command("EXPIRETIME", KEY) - now - 100) < 30
    assert abs(client.execute_command("PEXPIRETIME", KEY) / 1000 - now - 100) < 30
    assert client.pexpire(KEY, 1600) == 1 and client.ttl(KEY) == 2 and client.pttl(KEY) == 1600
    assert client.expireat(KEY, int(now) + 1000) == 1 and 900 < client.ttl(KEY) <= 1000
    assert client.pexpireat(KEY, int(now * 1000) + 2000000) == 1 and 1900 < client.ttl(KEY) <= 2000
    assert client.persist(KEY) == 1 and client.ttl(KEY) == -1 and client.persist(KEY) == 0
    assert points(client, KEY) == [(T, 1)]


@pytest.mark.parametrize("before, condition, seconds, answer", [
    (0, "NX", 10, 1), (50, "NX", 10, 0), (0, "XX", 10, 0), (50, "XX", 10, 1), (50, "GT", 60, 1), (50, "GT", 50, 0),
    (0, "GT", 60, 0), (50, "LT", 40, 1), (50, "LT", 60, 0), (0, "LT", 60, 1), (50, "nx", 10, 0)])
def test_conditions_of_expire(lone_client, before, condition, seconds, answer):
    lone_client.execute_command("TS.CREATE", KEY, "RETENTION", before * 1000)
    assert lone_client.execute_command("EXPIRE", KEY, seconds, condition) == answer
    assert lone_client.ttl(KEY) == (seconds if answer else before or -1)


def test_a_time_that_has_passed_deletes(client):
    for words in (("EXPIRE", KEY, 0), ("PEXPIRE", KEY, -5), ("EXPIREAT", KEY, 1000), ("PEXPIREAT", KEY, 1)):
        client.execute_command("TS.ADD", KEY, T, 1)
        assert client.execute_command(*words) == 1 and client.exists(KEY) == 0
        assert client.execute_command(*words) == 0


@pytest.mark.parametrize("words, expected", [
    (("EXPIRE", KEY, "soon"), "value is not an integer"), (("EXPIRE", KEY, 1 << 62), "invalid expire time in 'expire'"),
    (("EXPIRE", KEY, 1, "YY"), "Unsupported option YY: expected NX"), (("EXPIRE", KEY, 1, "NX", "XX"), "Unsupported option"),
    (("EXPIRE", "h/", 1), "bad key 'h/': expected host/metric"), (("PERSIST", "h/"), "bad key 'h/'")])
def test_errors_of_expire(lone_client, words, expected):
    lone_client.execute_command("TS.CREATE", KEY)
    assert expected in error(lone_client, *words)
    assert lone_client.ttl(KEY) == -1


# ---- order and durability ----


def test_pipelines_see_their_own_changes(client):
    pipe = client.pipeline(transaction=False)
    for i in range(20):
        key = f"db{i}/app.n"
        pipe.execute_command("TS.ADD", key, T, i).execute_command("TS.CREATE", key)
        pipe.execute_command("DEL", key).execute_command("TS.CREATE", key).execute_command("TS.INFO", key)
    replies = pipe.execute(raise_on_error=False)
    for i in range(20):
        added, again, gone, created, _ = replies[5 * i:5 * i + 5]
        assert added == T and isinstance(again, redis.ResponseError) and gone == 1 and created == "OK"


def test_one_of_many_creates_it(longtaild):
    server = longtaild()
    clients = [server.client() for _ in range(20)]
    for c in clients:
        c.ping()
        c.connection = c.connection_pool.get_connection()
    for round in range(5):
        for i, c in enumerate(clients):
            c.connection.send_command("TS.CREATE", f"db/round.n{round}", "LABELS", "who", str(i))
        won = []
        for i, c in enumerate(clients):
            try:
                won += [str(i)] if c.connection.read_response() in ("OK", b"OK") else []
            except redis.ResponseError as e:
                assert str(e).startswith("TSDB: key already exists")
        assert [info(clients[0], f"db/round.n{round}")["labels"]["who"]] == won


STORY = [("TS.CREATE", "a", "LABELS", "x", "1", "y", "2"), ("TS.CREATE", "b/c.d", "RETENTION", "7"), ("TS.CREATE", "gone"),
         ("TS.ADD", "b/c.d", T, 1), ("TS.ALTER", "a", "LABELS", "x", "2"), ("DEL", "gone"),
         ("TS.ADD", "implicit", T, 1), ("TS.ALTER", "implicit", "DUPLICATE_POLICY", "SUM"), ("TS.CREATE", "db/q.1374c6821ead6f47.t")]


def check_story(client):
    assert settings(client, "a") == DEFAULTS | {"labels": {"x": "2"}}
    assert settings(client, "b/c.d") == DEFAULTS | {"retentionTime": 7}
    assert settings(client, "implicit") == DEFAULTS | {"duplicatePolicy": "sum"}
    assert settings(client, "db/q.1374c6821ead6f47.t") == DEFAULTS
    assert client.exists("gone") == 0
    assert error(client, "TS.CREATE", "a").startswith("TSDB: key already exists")


@pytest.mark.parametrize("flush_interval", ["10m", "50ms"], ids=["log", "flushed"])
def test_what_is_declared_survives_a_kill(longtaild, flush_interval):
    server = longtaild(flush_interval=flush_interval)
    client = server.client()
    for words in STORY:
        client.execute_command(*words)
    for _ in range(2):
        check_story(server.client())  # its reads wait until all is applied
        if flush_interval != "10m":
            flushed(server.client())
        server.kill9()
        server.start()
    check_story(server.client())


FAILPOINTS = [f"{statement}.{side}:{time}" for side in ("before", "after")
              for statement, time in (("flush.series", 1), ("flush.series", 2), ("flush.commit", 1))]


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_kill_in_a_flush_loses_and_doubles_nothing(longtaild, failpoint):
    server = longtaild(flush_interval="100ms", start=False)
    server.start(ready_s=None, environment={"LONGTAIL_FAILPOINT": failpoint})
    server.wait_ready()
    done = 0
    try:
        client = server.client()
        for words in STORY:
            client.execute_command(*words)
            done += 1
    except redis.ConnectionError:
        pass
    server.process.wait(15)
    server.start()
    client = server.client()
    for words in STORY[done:]:
        try:
            client.execute_command(*words)
        except redis.ResponseError as e:  # the one whose reply was lost
            assert words[0] == "TS.CREATE" and str(e).startswith("TSDB: key already exists")
    check_story(client)
    server.kill9()
    server.start()
    check_story(server.client())
