"""RENAME and RENAMENX: all of a series under another name, and at no moment less than one whole series."""

import random
import threading
import time

import pytest
import redis

from harness import ask
from harness import error as error_of

T = 1700000000000


@pytest.fixture(params=[("10m", 2), ("50ms", 3)], ids=["head-resp2", "flushed-resp3"])
def client(request, longtaild):
    return longtaild(flush_interval=request.param[0]).client(request.param[1])


def rows(client, key):
    """{} where there is no such key."""
    try:
        return {time: float(value) for time, value in ask(client, "TS.RANGE", key, "-", "+")}
    except redis.ResponseError as error:
        assert "does not exist" in str(error)
        return {}


def fill(client, key, times):
    for at in range(0, len(times), 10000):
        ask(client, "TS.MADD", *[x for time in times[at:at + 10000] for x in (key, time, time % 1000)])


def test_points_go_with_the_name(client):
    fill(client, "db1/host.cpu.a", range(T, T + 50))
    before = rows(client, "db1/host.cpu.a")
    assert ask(client, "RENAME", "db1/host.cpu.a", "db2/other.name") in ("OK", True)
    assert rows(client, "db2/other.name") == before
    assert ask(client, "EXISTS", "db1/host.cpu.a") == 0
    ask(client, "TS.ADD", "db1/host.cpu.a", T, 7) # the name is free
    assert rows(client, "db1/host.cpu.a") == {T: 7} and rows(client, "db2/other.name") == before


def test_more_points_than_a_round_has(client):
    fill(client, "a", range(T, T + 45001))
    ask(client, "TS.DEL", "a", T + 100, T + 199)
    before = rows(client, "a")
    assert ask(client, "RENAMENX", "a", "b") in (1, True)
    assert rows(client, "b") == before and len(before) == 44901
    assert ask(client, "EXISTS", "a") == 0


def test_what_is_declared_goes_with_the_name(client):
    ask(client, "TS.CREATE", "a", "RETENTION", 1000, "DUPLICATE_POLICY", "SUM", "LABELS", "team", "infra")
    ask(client, "TS.ADD", "a", T, 1)
    ask(client, "TS.ADD", "a", T, 2)
    ask(client, "RENAME", "a", "b")
    assert list(ask(client, "TS.QUERYINDEX", "team=infra")) == ["b"]
    ask(client, "TS.ADD", "b", T, 4)
    assert rows(client, "b") == {T: 7}
    info = ask(client, "TS.INFO", "b")
    info = dict(zip(info[::2], info[1::2])) if isinstance(info, list) else info
    assert info["retentionTime"] == 1000 and dict(info["labels"]) == {"team": "infra"}
    ask(client, "TS.CREATE", "empty", "LABELS", "team", "web")
    ask(client, "RENAME", "empty", "still-empty")
    assert list(ask(client, "TS.QUERYINDEX", "team=web")) == ["still-empty"]


def test_a_rules_destination_goes_with_its_rule(client):
    for key in ("s", "d"):
        ask(client, "TS.CREATE", key)
    ask(client, "TS.CREATERULE", "s", "d", "AGGREGATION", "sum", 10)
    for time_ms in range(100, 135):
        ask(client, "TS.ADD", "s", time_ms, 1)
    ask(client, "TS.DEL", "d", 110, 110)
    ask(client, "TS.ADD", "d", 5, 5)
    assert "is the source of rules" in error_of(client, "RENAME", "s", "t")
    ask(client, "RENAME", "d", "e")
    ask(client, "TS.ADD", "s", 140, 1)
    assert rows(client, "e") == {5: 5, 100: 10, 120: 10, 130: 5}
    assert ask(client, "EXISTS", "d") == 0


def test_nothing_is_renamed_over(client):
    fill(client, "a", [1, 2])
    fill(client, "b", [3])
    assert "is there, and is not renamed over" in error_of(client, "RENAME", "a", "b")
    assert ask(client, "RENAMENX", "a", "b") in (0, False)
    assert len(rows(client, "a")) == 2 and len(rows(client, "b")) == 1
    assert "no such key" in error_of(client, "RENAME", "nobody", "c")
    assert "no such key" in error_of(client, "RENAMENX", "nobody", "b")
    assert ask(client, "RENAME", "a", "/a") in ("OK", True) # the same
    assert ask(client, "RENAMENX", "a", "a") in (0, False)
    assert len(rows(client, "a")) == 2
    assert "wrong number of arguments" in error_of(client, "RENAME", "a")


def test_who_writes_meanwhile_loses_nothing(longtaild):
    server = longtaild(flush_interval="50ms")
    client, writer = server.client(), server.client()
    fill(client, "a", range(T, T + 30000))
    acked, stop = [], threading.Event()

    def write():
        time_ms = T + 100000
        while not stop.is_set():
            writer.execute_command("TS.ADD", "a", time_ms, 1)
            acked.append(time_ms)
            time_ms += 1
            time.sleep(0.002)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        time.sleep(0.05)
        try:
            ask(client, "RENAME", "a", "b")
        except redis.ResponseError as error:
            assert "written all the time" in str(error)
    finally:
        stop.set()
        thread.join()
    here, there = rows(client, "a"), rows(client, "b")
    assert not here.keys() & there.keys()
    assert here.keys() | there.keys() == set(range(T, T + 30000)) | set(acked)
    assert len(there) >= 30000


@pytest.mark.parametrize("seed", range(6))
def test_a_kill_leaves_one_of_the_two_whole(longtaild, seed):
    server = longtaild(flush_interval="50ms")
    client = server.client()
    all_of_it = set(range(T, T + 40000))
    ask(client, "TS.CREATE", "a", "LABELS", "l", "v")
    fill(client, "a", sorted(all_of_it))
    connection = client.connection_pool.get_connection()
    connection.send_command("RENAME", "a", "b")
    time.sleep(random.Random(seed).random() * 0.1)
    server.kill9()
    server.start()
    client = server.client()
    here, there = rows(client, "a"), rows(client, "b")
    labelled = set(ask(client, "TS.QUERYINDEX", "l=v"))
    assert (here.keys() == all_of_it and "a" in labelled) or (there.keys() == all_of_it and "b" in labelled)
