"""Writes of declared series by a process that does not know yet, or never knows, what is declared."""

import signal
import threading
import time

import pytest
import redis

from harness import points, refused
from test_roles import wait_for_state

NEVER = "10m"  # nothing is flushed
POLICIES = {"SUM": 3, "MIN": 1, "MAX": 2, "FIRST": 1, "LAST": 2}  # what 1 and 2 come to


def declare(client):
    for policy in POLICIES:
        client.execute_command("TS.CREATE", f"k.{policy}", "DUPLICATE_POLICY", policy)
    client.execute_command("TS.CREATE", "k.BLOCK", "DUPLICATE_POLICY", "BLOCK")
    client.execute_command("TS.CREATE", "k.IGNORE", "DUPLICATE_POLICY", "LAST", "IGNORE", 10, 5)


def first_words(server, *words):
    """The reply to what is sent as soon as the server listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = server.client()
            client.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < deadline, server.log_tail()
            time.sleep(0.002)
    pipeline = client.pipeline(transaction=False)
    for word in words:
        pipeline.execute_command(*word)
    return pipeline.execute(raise_on_error=False)


@pytest.mark.parametrize("flush_interval", [NEVER, "20ms"])
def test_the_first_writes_after_a_kill_follow_what_is_declared(longtaild, flush_interval):
    """From storage or from the log: the catalog is loaded before a write that it decides about is taken."""
    server = longtaild(flush_interval=flush_interval)
    declare(server.client())
    for t in range(1, 9):
        server.kill9()
        server.start(ready_s=None)
        replies = first_words(
            server,
            *(("TS.ADD", f"k.{policy}", t, 1) for policy in POLICIES),
            ("TS.MADD", *(word for policy in POLICIES for word in (f"k.{policy}", t, 2))),
            ("TS.ADD", "k.BLOCK", t, 1), ("TS.ADD", "k.BLOCK", t, 2), ("TS.ADD", "k.IGNORE", 1, 1))
        assert replies[:5] == [t] * 5 and replies[5] == [t] * 5 and replies[6] == t
        assert "DUPLICATE_POLICY is set to BLOCK" in str(replies[7])
        assert replies[8] == 1
        c = server.client()
        for policy, value in POLICIES.items():
            assert points(c, f"k.{policy}") == [(i, value) for i in range(1, t + 1)], policy
    assert server.client().execute_command("TS.ADD", "k.IGNORE", 2, 1) == 1
    assert "undecided" not in server.log_tail(500)


def test_exec_waits_too(longtaild):
    server = longtaild(flush_interval=NEVER)
    declare(server.client())
    for t in range(1, 5):
        server.kill9()
        server.start(ready_s=None)
        replies = first_words(server, ("MULTI",), ("TS.ADD", "k.SUM", t, 1), ("TS.MADD", "k.SUM", t, 2, "k.SUM", t, 4),
                              ("EXEC",), ("TS.ADD", "k.SUM", t, 8))
        assert replies[3] == [t, [t, t]] and replies[4] == t
    assert points(server.client(), "k.SUM") == [(t, 15) for t in range(1, 5)]


def test_while_the_database_is_away_the_logs_order_tells(longtaild, private_stack):
    """It starts without the database, and takes writes: their policies are found when the log is applied."""
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval=NEVER)
    declare(server.client())
    server.client().execute_command("TS.ADD", "k.BLOCK", 5, 1)
    stack.mariadb.process.kill()
    server.kill9()
    server.start(ready_s=None)
    begin = time.monotonic()
    replies = first_words(server, *(("TS.ADD", f"k.{policy}", 5, v) for policy in POLICIES for v in (1, 2)),
                          ("TS.ADD", "k.BLOCK", 5, 2), ("TS.ADD", "plain", 5, 1), ("TS.ADD", "plain", 5, 2))
    assert replies == [5] * 13 and time.monotonic() - begin < 10
    for i in range(20):
        assert server.client().execute_command("TS.MADD", "k.SUM", 6, 1, "k.MAX", 6, i) == [6, 6]
    server.kill9()  # and what the log has is found once more
    server.start(ready_s=None)
    first_words(server, ("TS.ADD", "k.SUM", 6, 1))
    stack.mariadb.start(print)
    wait_for_state(server, "owning")
    server.options["flush_interval"] = "50ms"
    for _ in range(2):
        c = server.client()
        for policy, value in POLICIES.items():
            assert points(c, f"k.{policy}")[0] == (5, value), policy
        assert points(c, "k.BLOCK") == [(5, 1)]
        assert points(c, "plain") == [(5, 2)]
        assert points(c, "k.SUM")[1] == (6, 21) and points(c, "k.MAX")[1] == (6, 19)
        server.restart()
    assert "BLOCK" in refused(server.client().execute_command, "TS.ADD", "k.BLOCK", 5, 3)


def test_a_process_that_only_takes_writes_leaves_it_to_the_log(longtaild):
    first = longtaild(log="kafka", flush_interval="50ms")
    c = first.client()
    declare(c)
    ingest = longtaild(**first.shared, roles="ingest")
    w = ingest.client()
    for t in range(1, 6):
        for policy in POLICIES:
            assert w.execute_command("TS.ADD", f"k.{policy}", t, 1) == t
        assert w.execute_command("TS.MADD", *(word for policy in POLICIES for word in (f"k.{policy}", t, 2))) == [t] * 5
        assert w.execute_command("TS.ADD", "k.SUM", t, 7, "ON_DUPLICATE", "SUM") == t
    receipt = w.execute_command("OBSERVE", "h", 1, "a.b", 1)
    c.execute_command("RANGE", 1, 2, "AFTER", receipt, "KEYS", "h/a.b")
    for policy, value in POLICIES.items():
        assert points(c, f"k.{policy}") == [(t, value + 7 * (policy == "SUM")) for t in range(1, 6)], policy
    reader = longtaild(**first.shared, roles="query").client()
    assert points(reader, "k.SUM") == [(t, 10) for t in range(1, 6)]


def test_a_declaration_between_two_such_writes_counts_where_it_stands(longtaild):
    first = longtaild(log="kafka", flush_interval="50ms")
    c, w = first.client(), longtaild(**first.shared, roles="ingest").client()
    for round in range(5):
        key = f"r.{round}"
        for v in (1, 2):
            w.execute_command("TS.ADD", key, 9, v)
        receipt = w.execute_command("OBSERVE", "h", 1, "a.b", 1)
        c.execute_command("RANGE", 1, 2, "AFTER", receipt, "KEYS", "h/a.b")
        c.execute_command("TS.ALTER", key, "DUPLICATE_POLICY", "SUM")
        w.execute_command("TS.ADD", key, 9, 5)
        c.execute_command("TS.ALTER", key, "DUPLICATE_POLICY", "MIN")
        w.execute_command("TS.ADD", key, 9, 6)
        w.execute_command("TS.ADD", key, 9, 3)
        receipt = w.execute_command("OBSERVE", "h", 1, "a.b", 1)
        c.execute_command("RANGE", 1, 2, "AFTER", receipt, "KEYS", "h/a.b")
        assert points(c, key) == [(9, 3)]
        w.execute_command("TS.ADD", key, 9, 30)
    first.kill9()
    first.start()
    assert [points(first.client(), f"r.{round}") for round in range(5)] == [[(9, 3)]] * 5


def test_writers_that_wait_may_leave(longtaild, private_stack):
    """The database hangs: writes wait for a few seconds at most, and who hangs up leaves nothing behind."""
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval=NEVER)
    declare(server.client())
    server.kill9()
    assert stack.mariadb.process.signal(signal.SIGSTOP)
    server.start(ready_s=None)
    impatient = [threading.Thread(target=lambda: give_up(server)) for _ in range(10)]
    for thread in impatient:
        thread.start()
    begin = time.monotonic()
    assert first_words(server, ("TS.ADD", "k.SUM", 5, 1), ("TS.ADD", "k.SUM", 5, 2)) == [5, 5]
    assert time.monotonic() - begin < 15
    for thread in impatient:
        thread.join()
    stack.mariadb.process.signal(signal.SIGCONT)
    wait_for_state(server, "owning")
    assert points(server.client(), "k.SUM") == [(5, 3)]
    assert points(server.client(), "k.MAX") in ([], [(5, 1)])


def give_up(server):
    while True:
        try:
            server.client(socket_timeout=0.2).execute_command("TS.ADD", "k.MAX", 5, 1)
            return
        except redis.TimeoutError:
            return
        except redis.ConnectionError:
            time.sleep(0.01)
