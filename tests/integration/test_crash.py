"""SIGKILL of longtaild and of MariaDB, under load, with flushes so frequent that they are hit."""

import os
import random
import signal
import time

import pytest

from check.checker import check
from check.history import OK, History
from check.load import start_writers, wait_ok
from check.reader import ReadError, Reader
from check.resp import Client

RESUME_S = 10


def seeded():
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(1 << 32))
    print(f"CRASH_SEED={seed}")
    return random.Random(seed)


def finish_and_check(writers, history, server, note=""):
    for writer in writers:
        writer.finish()
    with Client(server.port) as client:
        assert check(history, Reader(client)) == [], note
        time.sleep(1)
        assert check(history, Reader(client)) == [], f"{note}, after everything was flushed"


@pytest.mark.parametrize("log, kills", [("local", 20), ("kafka", 20)])
def test_kill_longtaild_at_random(longtaild, tmp_path, log, kills):
    chance = seeded()
    server = longtaild(log=log, flush_interval="300ms")
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history)
    wait_ok(history, time.monotonic(), 10)
    for kill in range(kills):
        time.sleep(chance.uniform(0, 0.9))
        server.kill9()
        server.start()
        up = time.monotonic()
        assert wait_ok(history, up, RESUME_S) <= RESUME_S
        if kill == kills // 2:
            finish_and_check(writers, history, server, f"after {kill + 1} kills")
            writers = start_writers(server.port, history, base_s=int(time.time()) - 3 * 3600)
    finish_and_check(writers, history, server)
    print(history.count())


FLUSH_FAILPOINTS = [f"{statement}.{side}:{time}" for side in ("before", "after") for statement, time in (
    ("ensure.run", 1), ("ensure.commit", 1), ("ensure.create", 1), ("ensure.manifest", 1), ("flush.begin", 2),
    ("flush.fence", 2), ("flush.runs", 2), ("flush.arrival", 2),
    ("flush.heartbeat", 2), ("flush.catalog", 1), ("flush.watermark", 2), ("flush.commit", 2))] + ["flush.done:2"]
LOG_FAILPOINTS = ["locallog.before-commit:50", "locallog.after-commit:50"]


@pytest.mark.parametrize("failpoint", FLUSH_FAILPOINTS + LOG_FAILPOINTS)
def test_kill_at_each_statement_of_a_flush_and_at_the_logs_commit(longtaild, tmp_path, failpoint):
    server = longtaild(log="local", flush_interval="100ms", start=False)
    server.start(ready_s=None, environment={"LONGTAIL_FAILPOINT": failpoint})
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history, count=2, pipelined=1)
    server.process.wait(10)
    server.start()
    wait_ok(history, time.monotonic(), RESUME_S)
    finish_and_check(writers, history, server, failpoint)


def test_kill_mariadb(private_stack, longtaild, tmp_path):
    chance = seeded()
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval="300ms")
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history)
    wait_ok(history, time.monotonic(), 10)
    for _ in range(4):
        time.sleep(chance.uniform(0.2, 1.2))
        stack.mariadb.process.kill()
        down = time.monotonic()
        wait_ok(history, down, 5, count=100)  # writes go on
        read_while_down(history, server)
        assert [r for r in history.settled("failed", down)] == [], "a write was refused because MariaDB is down"
        stack.mariadb.start(print)
        wait_complete(history, server)
    finish_and_check(writers, history, server)
    print(history.count())


def read_while_down(history, server):
    """Recent points are served; what cannot be is said, never left out silently."""
    key, at_ms, value = next(p for r in reversed(history.settled(OK)) for p in r.points if p[1] % 1000 == 0)
    with Client(server.port) as client:
        reader = Reader(client)
        with pytest.raises(ReadError):
            reader.points(key)
        complete, why, values = reader.completeness(key, at_ms // 1000, at_ms // 1000 + 1)
        assert not complete and why
        assert values == [value], "the newest points are in memory"


def is_complete(reader, key, at_ms):
    try:
        return reader.completeness(key, at_ms // 1000, at_ms // 1000 + 1)[0]
    except ReadError:  # it has just started, and knows no names yet
        return False


def wait_complete(history, server):
    """The database is back: within RESUME_S reads are whole again, without anyone's help."""
    key, at_ms, _ = history.settled(OK)[-1].points[0]
    deadline = time.monotonic() + RESUME_S
    with Client(server.port) as client:
        while not is_complete(Reader(client), key, at_ms):
            assert time.monotonic() < deadline, "reads are still incomplete"
            time.sleep(0.1)


def test_kill_both(private_stack, longtaild, tmp_path):
    """Two faults at once: the server dies while the database is down, and starts before it is back."""
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval="300ms")
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history)
    wait_ok(history, time.monotonic(), 10)
    stack.mariadb.process.kill()
    wait_ok(history, time.monotonic(), 5, count=100)
    server.kill9()
    server.start(ready_s=None)
    time.sleep(1)
    stack.mariadb.start(print)
    wait_ok(history, time.monotonic(), RESUME_S)
    wait_complete(history, server)
    finish_and_check(writers, history, server)


def test_term_does_not_wait_for_a_frozen_database(longtaild, private_stack):
    """A statement waits up to 30 s for its answer; a supervisor's patience may end earlier."""
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval="100ms")
    client = server.client()
    client.execute_command("OBSERVE", "h", 1700000000, "host.load.load1", 1)
    assert stack.mariadb.process.signal(signal.SIGSTOP)
    client.execute_command("OBSERVE", "h", 1700000001, "host.load.load1", 2)
    time.sleep(0.5)  # its flush waits by now
    assert server.terminate(15) == 0
    stack.mariadb.process.signal(signal.SIGCONT)
    server.start()
    points = server.client().execute_command("TS.RANGE", "h/host.load.load1", "-", "+")
    assert [float(value) for _, value in points] == [1, 2]
