"""WATCH: a transaction runs where nobody wrote to what it watches, and not otherwise."""

import threading
import time

import pytest
import redis

from harness import points, refused
from test_roles import wait_for_state

T = 1000


def value(client, key):
    got = client.execute_command("TS.GET", key)
    return float(got[1]) if got else 0.0


def add_one(client, key, *command):
    """One optimistic increment, tried until it is taken; returns how often it was not."""
    refused = 0
    while True:
        with client.pipeline() as p:
            p.watch(key)
            now = value(p, key)
            p.multi()
            p.execute_command(*(command or ("TS.ADD", key, T)), now + 1)
            try:
                assert p.execute() == [T]
                return refused
            except redis.WatchError:
                refused += 1


def in_threads(count, work):
    faults = []

    def run(i):
        try:
            work(i)
        except Exception as fault:  # noqa: BLE001: told below
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize("flush_interval", ["10m", "50ms"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_optimistic_increments_lose_nothing(longtaild, protocol, flush_interval):
    server = longtaild(flush_interval=flush_interval)
    server.client().execute_command("TS.CREATE", "k")
    refused = []
    in_threads(4, lambda i: refused.extend(add_one(server.client(protocol), "k") for _ in range(25)))
    assert points(server.client(), "k") == [(T, 100)]
    assert sum(refused) > 0, "nobody ever came between: the test shows nothing"


def test_counts_beside_them_are_not_lost(longtaild):
    """INCRBY, plain writes of other series and optimistic increments at once."""
    server = longtaild()
    server.client().execute_command("TS.CREATE", "k")

    def work(i):
        c = server.client()
        for n in range(25):
            if i == 0:
                c.execute_command("TS.INCRBY", "k", 1, "TIMESTAMP", T)
            else:
                add_one(c, "k")
            c.execute_command("TS.ADD", f"other.{i}", n, 1)

    in_threads(3, work)
    assert points(server.client(), "k") == [(T, 75)]


def test_plain_writes_on_their_way_are_seen(longtaild):
    """SUM asks nobody: its points may be in the log's hands when WATCH comes."""
    server = longtaild()
    server.client().execute_command("TS.CREATE", "k", "DUPLICATE_POLICY", "SUM")

    def work(i):
        c = server.client()
        for n in range(40):
            if i > 0:
                pipeline = c.pipeline(transaction=False)
                for _ in range(5):
                    pipeline.execute_command("TS.ADD", "k", T, 1)
                pipeline.execute()
                continue
            add = 0
            while not add:
                with c.pipeline() as p:
                    p.watch("k")
                    now = value(p, "k")
                    p.multi()
                    p.execute_command("TS.ADD", "k", T, now + 1, "ON_DUPLICATE", "LAST")
                    try:
                        add = len(p.execute())
                    except redis.WatchError:
                        pass

    in_threads(3, work)
    assert points(server.client(), "k") == [(T, 2 * 40 * 5 + 40)]


CHANGES = {
    "add": ("TS.ADD", "k", T + 1, 5), "madd": ("TS.MADD", "z", 1, 1, "k", T + 1, 5), "count": ("TS.INCRBY", "k", 1),
    "erased": ("TS.DEL", "k", 0, T), "deleted": ("DEL", "k"), "expired": ("EXPIREAT", "k", 1), "expire": ("EXPIRE", "k", 100),
    "altered": ("TS.ALTER", "k", "LABELS", "a", "b"), "flushed": ("FLUSHDB",), "all": ("FLUSHALL",),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("own", [False, True], ids=["others", "own"])
def test_each_change_is_seen(longtaild, change, own):
    server = longtaild()
    c, other = server.client(), server.client()
    c.execute_command("TS.ADD", "k", T, 1)
    with c.pipeline() as p:
        p.watch("x", "k")
        (p if own else other).execute_command(*CHANGES[change])
        before = points(other, "k") if other.exists("k") else None
        p.multi()
        p.execute_command("TS.ADD", "k", T, 99)
        p.execute_command("TS.ADD", "fresh", T, 99)
        with pytest.raises(redis.WatchError):
            p.execute()
    assert (points(other, "k") if other.exists("k") else None) == before
    assert other.exists("fresh") == 0


def test_what_is_not_touched_runs(longtaild):
    server = longtaild()
    c, other = server.client(3), server.client()
    c.execute_command("TS.ADD", "k", T, 1)
    with c.pipeline() as p:
        p.watch("k", "new")
        other.execute_command("TS.ADD", "kk", T, 1)
        other.execute_command("OBSERVE", "h", 1, "k", 1)  # h/k
        p.multi()
        p.execute_command("TS.MADD", "k", T, 2, "new", T, 3)
        p.execute_command("TS.INCRBY", "k", 1, "TIMESTAMP", T)
        p.execute_command("TS.ADD", "k", T, 1, "ON_DUPLICATE", "SUM")
        p.execute_command("TS.GET", "k")
        assert p.execute() == [[T, T], T, T, [T, 4]]
    with c.pipeline() as p:
        p.watch("absent")
        other.execute_command("TS.ADD", "absent", 1, 1)
        p.multi()
        p.execute_command("TS.ADD", "k", T, 9)
        with pytest.raises(redis.WatchError):
            p.execute()
    with c.pipeline() as p:
        p.watch("k")
        other.execute_command("TS.ADD", "k", T, 5)
        p.unwatch()
        p.multi()
        p.execute_command("TS.ADD", "k", T, 6)
        assert p.execute() == [T]
    assert points(c, "k") == [(T, 6)]


def test_what_cannot_be_carried_is_refused(longtaild):
    server = longtaild()
    raw = server.client(single_connection_client=True)
    raw.execute_command("TS.ADD", "k", T, 1)
    for words in (("DEL", "k"), ("TS.DEL", "k", 0, 9), ("TS.CREATE", "n"), ("TS.ADD", "k", 2, 2, "LABELS", "a", "b"), ("FLUSHDB",),
                  ("OBSERVE", "h", 1, "a.b", 1), ("EXPIRE", "k", 5)):
        raw.execute_command("WATCH", "k")
        raw.execute_command("MULTI")
        raw.execute_command("TS.ADD", "k", T, 2)
        raw.execute_command(*words)
        assert refused(raw.execute_command, "EXEC").startswith("Transaction discarded: behind WATCH")
    raw.execute_command("WATCH", "k")
    raw.execute_command("MULTI")
    raw.execute_command("TS.GET", "k")
    raw.execute_command("TS.ADD", "k", T, 2)
    assert "behind WATCH" in refused(raw.execute_command, "EXEC"), "a read waits, others come between"
    raw.execute_command("MULTI")
    assert "WATCH inside MULTI" in refused(raw.execute_command, "WATCH", "k")
    raw.execute_command("TS.ADD", "k", T, 7)
    assert raw.execute_command("EXEC") == [T]
    assert points(server.client(), "k") == [(T, 7)]


def test_only_the_owner_takes_it_and_sees_what_others_write(longtaild):
    first = longtaild(log="kafka", flush_interval="50ms")
    wait_for_state(first, "owning")
    c = first.client()
    c.execute_command("TS.ADD", "k", T, 1)
    ingest = longtaild(**first.shared, roles="ingest").client()
    assert "NOTOWNER" in refused(ingest.execute_command, "WATCH", "k")
    second = longtaild(**first.shared)
    wait_for_state(second, "following")
    assert "NOTOWNER" in refused(second.client().execute_command, "WATCH", "k")
    with c.pipeline() as p:
        p.watch("k")
        ingest.execute_command("TS.ADD", "k", T, 5)
        deadline = time.monotonic() + 20
        while value(first.client(), "k") != 5:
            assert time.monotonic() < deadline
        p.multi()
        p.execute_command("TS.ADD", "k", T, 2)
        with pytest.raises(redis.WatchError):
            p.execute()
    assert value(c, "k") == 5


def test_a_kill_leaves_whole_increments(longtaild):
    """Each that was answered counts once; one whose answer was lost, once or not at all."""
    server = longtaild(flush_interval="50ms")
    server.client().execute_command("TS.CREATE", "k")
    done = lost = 0
    for _ in range(3):
        client = server.client()
        killer = threading.Timer(0.4, server.kill9)
        killer.start()
        try:
            while True:
                add_one(client, "k")
                done += 1
        except (redis.ConnectionError, redis.TimeoutError, redis.WatchError):  # one that watches says it so
            lost += 1
        killer.join()
        server.start()
    assert done <= value(server.client(), "k") <= done + lost and done > 0
