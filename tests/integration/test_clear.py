"""FLUSHDB and FLUSHALL: nothing of what stands before them is left, nothing behind them is missing, whatever happens."""

import time

import pytest
import redis

from check.database import Database
from check.inspect import verify
from check.wait import flushed, wait_for

HOUR = 3600
KEY = "db1/host.queries.c.{:016x}.time_us"
FAST = {"flush_interval": "100ms", "jobs_interval": "100ms", "compact_grace": "0ms", "compact_late": "0ms"}


def begin_s():
    """An hour of yesterday, so that it is compacted and its day is downsampled."""
    return int(time.time()) // 86400 * 86400 - 20 * HOUR


def write(client, items, value=1, seconds=3):
    start = begin_s()
    for s in range(seconds):
        client.execute_command("OBSERVE", "db1", start + s,
                               *(word for i in items for word in (KEY.format(i).partition("/")[2], value)))


def points(client, item):
    try:
        return [(at, float(v)) for at, v in client.execute_command("TS.RANGE", KEY.format(item), "-", "+")]
    except redis.ResponseError as e:
        assert "does not exist" in str(e)
        return None


def everything(client):
    """All that reads can show: sizes, keys, ranks, intervals, the last point."""
    start = begin_s()
    topq = client.execute_command("TOPQ", start, start + HOUR, "host.queries.*.*.time_us", "FORMAT", "flat")
    buckets = client.execute_command("RANGE", start, start + HOUR, "INTERVALS", 1, "AGGREGATE", "sum", "FORMAT", "flat",
                                     "KEYS", KEY.format(1))
    return client.dbsize(), sorted(client.keys()), repr(topq), repr(buckets)


def runs(client, job):
    start = begin_s() // 86400 * 86400
    try:
        client.execute_command("JOBS", "RUN", job, start, start + 86400)
        return True
    except redis.ResponseError as e:
        assert "at the moment" in str(e)  # the lease is not there yet
        return False


def jobs_done(client):
    """All that was written is in observation rows, and its day in minutes and hours."""
    flushed(client)
    for job in ("compact", "downsample"):
        wait_for(job, lambda: runs(client, job))
    time.sleep(0.7)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("words", [["FLUSHDB"], ["FLUSHALL"], ["FLUSHDB", "ASYNC"], ["flushall", "sync"]])
def test_nothing_is_left_and_the_next_writes_stand(longtaild, protocol, words):
    client = longtaild().client(protocol)
    empty = everything(client)
    write(client, [1, 2])
    assert client.dbsize() == 2
    assert client.execute_command(*words) in ("OK", True)
    assert points(client, 1) is None and everything(client)[:2] == (0, [])
    assert client.exists(KEY.format(1)) == 0
    write(client, [2], value=5, seconds=1)
    assert points(client, 2) == [(begin_s() * 1000, 5)] and points(client, 1) is None
    assert client.keys() == [KEY.format(2)]
    assert empty[0] == 0


def test_a_wrong_word_deletes_nothing(longtaild):
    client = longtaild().client()
    write(client, [1])
    with pytest.raises(redis.ResponseError, match="syntax error.*FLUSHDB.*nothing is deleted"):
        client.execute_command("FLUSHDB", "NOW")
    assert len(points(client, 1)) == 3


def test_one_pipeline_has_one_order(longtaild):
    """Before, between and behind, without waiting: the order of the commands decides."""
    server = longtaild(**FAST)
    start = begin_s() * 1000
    with server.client().pipeline(transaction=False) as pipe:
        for turn in range(20):
            pipe.execute_command("TS.ADD", KEY.format(1), start + turn, turn)
            pipe.execute_command("TS.RANGE", KEY.format(1), "-", "+")
            pipe.execute_command("FLUSHDB")
            pipe.execute_command("EXISTS", KEY.format(1))
        replies = pipe.execute()
    for turn in range(20):
        at, seen, ok, exists = replies[4 * turn:4 * turn + 4]
        assert at == start + turn and [(t, float(v)) for t, v in seen] == [(at, turn)]
        assert ok in ("OK", True) and exists == 0
    flushed(server.client())


def test_what_the_owner_still_decides_is_before_it(longtaild):
    """A write that waits for its series' state keeps its place in the pipeline: it does not come back behind the clear."""
    client = longtaild().client()
    for round in range(20):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("TS.CREATE", "blocks", "DUPLICATE_POLICY", "BLOCK")
        pipe.execute_command("TS.ADD", "blocks", 1000, 1)
        pipe.execute_command("TS.INCRBY", "counts", 1, "TIMESTAMP", 1000)
        pipe.execute_command("FLUSHDB")
        pipe.dbsize()
        assert pipe.execute()[1:] == [1000, 1000, True, 0], round


def test_what_was_declared_does_not_decide_what_comes_behind_it(longtaild):
    client = longtaild().client()
    for round in range(20):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("TS.CREATE", "k", "DUPLICATE_POLICY", "MIN", "LABELS", "old", "1")
        pipe.execute_command("FLUSHDB")
        pipe.execute_command("TS.ADD", "k", 1000, 1, "LABELS", "new", "1")
        pipe.execute_command("TS.ADD", "k", 1000, 2)
        pipe.execute_command("TS.GET", "k")
        pipe.execute_command("TS.QUERYINDEX", "new=1")
        pipe.execute_command("FLUSHALL")
        replies = pipe.execute()
        assert float(replies[4][1]) == 2 and list(replies[5]) == ["k"], round


def test_multi(longtaild):
    client = longtaild().client()
    write(client, [1])
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("FLUSHDB")
        pipe.execute_command("TS.ADD", KEY.format(2), 1000, 7)
        pipe.execute()
    assert client.keys() == [KEY.format(2)]


def test_stored_and_compacted_points_go_and_their_tables_too(longtaild):
    server = longtaild(**FAST, query_deadline="300ms")
    client = server.client()
    write(client, [1, 2])
    jobs_done(client)
    write(client, [1, 3], seconds=5)  # late ones beside them
    client.execute_command("FLUSHDB")
    assert points(client, 1) is None and client.dbsize() == 0
    write(client, [3], value=9, seconds=1)
    after = everything(client)
    assert after[:2] == (1, [KEY.format(3)])
    flushed(client)
    assert everything(client) == after
    jobs_done(client)
    assert everything(client) == after
    wait_for("the tables are dropped", lambda: Database(server).left() == 0)
    print(verify(server))


def test_a_policy_folds_with_nothing_that_is_gone(longtaild):
    client = longtaild(**FAST).client()
    client.execute_command("TS.ADD", KEY.format(1), 1000, 7)
    flushed(client)
    client.execute_command("FLUSHDB")
    client.execute_command("TS.ADD", KEY.format(1), 1000, 2, "ON_DUPLICATE", "SUM")
    client.execute_command("TS.ADD", KEY.format(2), 1000, 2, "ON_DUPLICATE", "FIRST")
    for _ in range(2):
        assert points(client, 1) == points(client, 2) == [(1000, 2)]
        flushed(client)


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_it_is_as_durable_as_a_write(longtaild, log):
    """Killed before the flush: what comes back is what stood behind."""
    server = longtaild(log=log, flush_interval="1h")
    client = server.client()
    write(client, [1, 2])
    client.execute_command("FLUSHDB")
    write(client, [2], value=5, seconds=1)
    for _ in range(2):
        server.kill9()
        server.start()
        client = server.client()
        assert client.keys() == [KEY.format(2)] and points(client, 2) == [(begin_s() * 1000, 5)]


@pytest.mark.parametrize("failpoint", ["flush.clear:1", "clear.mark.before:1", "clear.mark.after:1", "clear.runs.before:1",
                                       "clear.runs.after:1", "flush.commit.before:2", "flush.commit.after:2"])
def test_a_crash_clears_all_or_nothing_and_then_all(longtaild, failpoint):
    server = longtaild(**FAST, log="local")
    client = server.client()
    write(client, [1, 2])
    jobs_done(client)
    server.kill9()
    server.start(environment={"LONGTAIL_FAILPOINT": failpoint})
    client = server.client()
    client.execute_command("TS.ADD", KEY.format(4), 1000, 1)
    try:
        client.execute_command("FLUSHDB")
        server.process.wait(20)
        cleared = True
    except redis.ConnectionError:
        cleared = False  # it died of an earlier flush, and nothing says that the log has it
        server.process.wait(20)
    server.start()
    client = server.client()
    if not cleared:
        client.execute_command("FLUSHDB")
    assert client.dbsize() == 0
    write(client, [3], seconds=1)
    wait_for("compact", lambda: client.keys() == [KEY.format(3)])
    jobs_done(client)
    assert client.keys() == [KEY.format(3)] and points(client, 1) is None
    print(verify(server))


def test_while_mariadb_is_away(private_stack, longtaild):
    """The head alone knows: what was stored is gone at once, and for good."""
    stack = private_stack()
    server = longtaild(stack=stack, **FAST)
    client = server.client()
    write(client, [1])
    flushed(client)
    stack.mariadb.process.kill()
    client.execute_command("FLUSHDB")
    write(client, [2], seconds=1)
    start = begin_s()
    reply = client.execute_command("TOPQ", start, start + HOUR, "host.queries.*.*.time_us", "FORMAT", "flat")
    assert "1".rjust(16, "0") not in repr(reply) and "2".rjust(16, "0") in repr(reply)
    stack.mariadb.start(print)
    wait_for("stored", lambda: readable(client) == [KEY.format(2)])
    flushed(client)
    assert client.keys() == [KEY.format(2)]


def readable(client):
    try:
        return client.keys()
    except redis.ResponseError:
        return None


def test_a_follower_sees_the_same(longtaild):
    """A process that only reads tails the log by itself, and the owner's flush empties what it reads."""
    owner = longtaild(log="kafka", flush_interval="1h")
    follower = longtaild(**owner.shared, roles="query")
    client, reader = owner.client(), follower.client()
    write(client, [1])
    receipt = client.execute_command("OBSERVE", "db1", begin_s(), "host.queries.c.00000000000000aa.time_us", 1)
    client.execute_command("FLUSHDB")
    after = client.execute_command("OBSERVE", "db1", begin_s(), "host.queries.c.00000000000000bb.time_us", 1)
    start = begin_s()
    reply = repr(reader.execute_command("TOPQ", start, start + HOUR, "host.queries.*.*.time_us", "FORMAT", "flat",
                                        "AFTER", after))
    assert receipt != after and "aa" not in reply and "bb" in reply
    assert reader.keys() == ["db1/host.queries.c.00000000000000bb.time_us"]


def test_declared_series_go_too(longtaild):
    """Declared, cleared, declared again: at once, after a flush, and after a restart."""
    server = longtaild(**FAST)
    client = server.client()
    for turn in range(3):
        client.execute_command("TS.CREATE", KEY.format(1), "LABELS", "turn", turn)
        info = client.execute_command("TS.INFO", KEY.format(1))
        assert [["turn", str(turn)]] == dict(zip(info[::2], info[1::2]))["labels"]
        if turn == 1:
            flushed(client)
        client.execute_command("FLUSHDB")
        assert client.exists(KEY.format(1)) == 0
        with pytest.raises(redis.ResponseError, match="does not exist"):
            client.execute_command("TS.INFO", KEY.format(1))
        if turn == 1:
            server.kill9()
            server.start()
            client = server.client()
            assert client.exists(KEY.format(1)) == 0
