"""RENAME and RENAMENX: all of a series under another name, and at no moment less than one whole series."""

import random
import threading
import time

import pytest
import redis

from harness import ask
from harness import error as error_of
from test_roles import wait_for_state
from test_state import OWNER, later, wait_frozen

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


def rules_of(client, key):
    reply = ask(client, "TS.INFO", key)
    rules = (dict(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply)["rules"]
    return sorted(rules) if isinstance(rules, dict) else sorted(rule[0] for rule in rules)


def test_rules_go_with_their_ends(client):
    for key in ("s", "d", "m"):
        ask(client, "TS.CREATE", key)
    ask(client, "TS.CREATERULE", "s", "d", "AGGREGATION", "sum", 10)
    for time_ms in range(100, 135):
        ask(client, "TS.ADD", "s", time_ms, 1)
    ask(client, "TS.CREATERULE", "s", "m", "AGGREGATION", "max", 10)
    ask(client, "TS.DEL", "d", 110, 110)
    ask(client, "TS.ADD", "d", 5, 5)
    ask(client, "RENAME", "d", "e")
    assert rules_of(client, "s") == ["e", "m"]
    ask(client, "RENAME", "s", "db7/t")
    assert rules_of(client, "db7/t") == ["e", "m"]
    assert ask(client, "EXISTS", "s", "d") == 0
    ask(client, "TS.ADD", "db7/t", 140, 1)
    ask(client, "TS.ADD", "db7/t", 150, 1)
    assert rows(client, "e") == {5: 5, 100: 10, 120: 10, 130: 5, 140: 1}, "what was hidden is hidden"
    assert rows(client, "m") == {140: 1}, "what was there before the rule counts no more than it did"
    ask(client, "TS.CREATE", "s") # nobody's source
    ask(client, "TS.ADD", "s", 160, 9)
    assert rules_of(client, "s") == [] and len(rows(client, "e")) == 5
    ask(client, "TS.DELETERULE", "db7/t", "e")
    assert rows(client, "e") == {5: 5, 100: 10, 120: 10, 130: 5, 140: 1}


@pytest.mark.parametrize("way", ["source over its destination", "destination over its source"])
def test_the_ends_of_one_rule(client, way):
    for key in ("s", "d"):
        ask(client, "TS.CREATE", key)
    ask(client, "TS.CREATERULE", "s", "d", "AGGREGATION", "sum", 10)
    for time_ms in range(100, 125):
        ask(client, "TS.ADD", "s", time_ms, 1)
    source, destination = rows(client, "s"), rows(client, "d")
    if way.startswith("source"):
        ask(client, "RENAME", "s", "d")
        assert rows(client, "d") == source and ask(client, "EXISTS", "s") == 0
        assert rules_of(client, "d") == []
    else:
        ask(client, "RENAME", "d", "s")
        assert rows(client, "s") == destination == {100: 10, 110: 10} and ask(client, "EXISTS", "d") == 0


def test_over_a_key_that_is_there(client):
    fill(client, "a", [1, 2])
    fill(client, "b", [2, 3])
    ask(client, "TS.CREATE", "b2", "LABELS", "old", "yes")
    fill(client, "b2", [9])
    assert ask(client, "RENAMENX", "a", "b") in (0, False)
    assert len(rows(client, "a")) == 2 and len(rows(client, "b")) == 2
    for target in ("b", "b2"):
        assert ask(client, "RENAME", "a", target) in ("OK", True)
        assert rows(client, target) == {1: 1, 2: 2} and ask(client, "EXISTS", "a") == 0
        ask(client, "RENAME", target, "a")
    assert ask(client, "TS.QUERYINDEX", "old=yes") in ([], set())
    ask(client, "TS.CREATE", "empty", "LABELS", "team", "web")
    ask(client, "RENAME", "empty", "a")
    assert rows(client, "a") == {} and list(ask(client, "TS.QUERYINDEX", "team=web")) == ["a"]


def test_names_that_cannot_be(client):
    fill(client, "a", [1, 2])
    assert "no such key" in error_of(client, "RENAME", "nobody", "c")
    assert "no such key" in error_of(client, "RENAMENX", "nobody", "a")
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


def test_two_at_once(longtaild):
    """Of two that do the same, one finds it done; two that share one key come one after the other."""
    server = longtaild(flush_interval="50ms")
    client = server.client()
    all_of_it = set(range(T, T + 40000))
    fill(client, "a", sorted(all_of_it))
    fill(client, "b", range(T, T + 20000))
    fill(client, "c", [7])
    clients = [server.client() for _ in range(3)]
    threads = [later(ask, each, "RENAME", "a", "b") for each in clients[:2]]
    time.sleep(0.05)
    threads.append(later(ask, clients[2], "RENAME", "c", "d"))  # has nothing to wait for
    for thread in threads:
        thread.join(60)
    assert sorted(str(thread.result) for thread in threads) == ["True", "True", "no such key"]
    assert rows(client, "b").keys() == all_of_it and rows(client, "a") == {} and rows(client, "d") == {7: 7}


@pytest.mark.parametrize("at", ["erase.append:1", "erase.append:2", "erase.append:4", "rename.mark:1", "rename.mark:2", "rename.mark:3",
                                "rename.dropped:1"])
def test_what_a_thawed_owner_renames_changes_nothing(longtaild, at):
    """Frozen before any of its records, or between the last two."""
    first = longtaild(log="kafka", start=False, flush_interval="1h", **OWNER)
    first.start(environment={"LONGTAIL_FAILPOINT": f"{at}:stop"})
    wait_for_state(first, "owning")
    client = first.client(socket_timeout=60)
    ask(client, "TS.CREATE", "a", "LABELS", "l", "old")
    ask(client, "TS.CREATE", "b", "LABELS", "l", "gone")
    fill(client, "a", range(T, T + 25000))
    fill(client, "b", range(T, T + 100))
    second = longtaild(**first.shared, flush_interval="100ms", **OWNER)
    wait_for_state(second, "following")
    waiting = later(ask, client, "RENAME", "a", "b")
    wait_frozen(first)
    wait_for_state(second, "owning")
    other = second.client()
    assert ask(other, "RENAME", "a", "b") in ("OK", True)
    assert rows(other, "b").keys() == set(range(T, T + 25000))
    ask(other, "TS.CREATE", "a", "LABELS", "l", "new")
    fill(other, "a", [1, T, T + 24999])
    before = [rows(other, key) for key in "ab"], list(ask(other, "TS.QUERYINDEX", "l=(old,new,gone)"))
    assert before[1] == ["a", "b"]
    first.thaw()
    waiting.join(30)
    nearly_done = at in ("rename.mark:3", "rename.dropped:1")  # all that was left was done by the other one
    assert waiting.result is True if nearly_done else isinstance(waiting.result, redis.RedisError), waiting.result
    wait_for_state(first, "following")
    for each in (other, first.client()):
        assert ([rows(each, key) for key in "ab"], list(ask(each, "TS.QUERYINDEX", "l=(old,new,gone)"))) == before
    assert "NOTOWNER" in error_of(first.client(), "RENAME", "a", "b")
    assert ask(other, "RENAMENX", "a", "b") in (0, False)


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
@pytest.mark.parametrize("seed", range(4))
def test_what_a_kill_cuts_short_goes_on(longtaild, seed, command):
    """At each moment one of the two is whole; sent again until it is answered, it is as if nothing had happened."""
    server = longtaild(flush_interval="50ms")
    chance = random.Random(seed)
    client = server.client()
    all_of_it = set(range(T, T + 40000))
    ask(client, "TS.CREATE", "a", "LABELS", "l", "v")
    ask(client, "TS.CREATE", "d")
    ask(client, "TS.CREATERULE", "a", "d", "AGGREGATION", "count", 10000)
    fill(client, "a", sorted(all_of_it))
    if command == "RENAME":
        fill(client, "b", range(T - 5000, T + 5000))
    computed = rows(client, "d")
    assert len(computed) == 3
    for _ in range(6):
        connection = client.connection_pool.get_connection()
        connection.send_command(command, "a", "b")
        time.sleep(chance.random() * 0.15)
        server.kill9()
        server.start()
        client = server.client()
        here, there = rows(client, "a"), rows(client, "b")
        labelled = set(ask(client, "TS.QUERYINDEX", "l=v"))
        assert (here.keys() == all_of_it and "a" in labelled) or (there.keys() == all_of_it and "b" in labelled)
    try:
        assert ask(client, command, "a", "b") in ("OK", True, 1)
    except redis.ResponseError as error:  # one of those that were cut short was done
        assert "no such key" in str(error)
    assert rows(client, "b").keys() == all_of_it and rows(client, "a") == {}
    assert list(ask(client, "TS.QUERYINDEX", "l=v")) == ["b"] and rules_of(client, "b") == ["d"]
    assert rows(client, "d") == computed
    assert "no such key" in error_of(client, command, "a", "b"), "nothing is left to be done"


def cut_short(longtaild, failpoint, *words):
    """A server that was killed there, in mid-command, and started again."""
    server = longtaild(flush_interval="50ms", start=False)
    server.start(environment={"LONGTAIL_FAILPOINT": failpoint})
    client = server.client()
    fill(client, "a", [1, 2])
    with pytest.raises(redis.ConnectionError):
        ask(client, *words)
    server.process.wait(10)
    server.start()
    return server.client()


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
def test_what_others_wrote_to_a_copy(longtaild, command):
    """Killed before all is copied; then somebody writes to the new name."""
    client = cut_short(longtaild, "rename.mark:2", command, "a", "b")
    fill(client, "b", [3])
    assert rows(client, "a") == {1: 1, 2: 2}
    assert ask(client, command, "a", "b") in ("OK", True)
    assert rows(client, "b") == ({1: 1, 2: 2, 3: 3} if command == "RENAMENX" else {1: 1, 2: 2})
    assert ask(client, "EXISTS", "a") == 0


@pytest.mark.parametrize("again", ["nobody", "another", "another, declared"])
def test_the_old_name_is_free_before_all_is_done(longtaild, again):
    """Killed where the old one is gone and the new one is still marked."""
    client = cut_short(longtaild, "rename.dropped", "RENAME", "a", "b")
    assert ask(client, "EXISTS", "a") == 0 and rows(client, "b") == {1: 1, 2: 2}
    if again == "another, declared":
        ask(client, "TS.CREATE", "a")
    if again != "nobody":
        fill(client, "a", [3])
        assert ask(client, "RENAMENX", "a", "b") in (0, False)
    assert ask(client, "RENAME", "a", "b") in ("OK", True)
    assert rows(client, "b") == ({1: 1, 2: 2} if again == "nobody" else {3: 3})
    assert "no such key" in error_of(client, "RENAME", "a", "b")
