"""The log does not go on where the tables end: the partition halts and says so; it never skips."""

import glob
import os
import re
import time

import pytest
import redis

PATTERN = "app.*.n"


def status(server):
    return str(server.client().execute_command("STATUS", "partition"))


def wait_for(server, wanted, limit_s=30):
    deadline = time.monotonic() + limit_s
    while wanted not in status(server):
        assert time.monotonic() < deadline, f"not '{wanted}' in {limit_s} s:\n{status(server)}"
        time.sleep(0.05)


def number(server, name):
    return int(re.search(rf"\b{name}: (\d+)", status(server)).group(1))


def wait_until_stored(server, limit_s=30):
    deadline = time.monotonic() + limit_s
    while number(server, "applied_offset") == 0 or number(server, "stored_offset") < number(server, "applied_offset"):
        assert time.monotonic() < deadline, status(server)
        time.sleep(0.05)


def write(server, begin, numbers):
    client = server.client()
    for n in numbers:
        client.execute_command("OBSERVE", "h", begin + n % 50, f"app.{n:08d}.n", 1)


def totals(server, begin):
    rows = server.client().execute_command("TOPQ", begin, begin + 60, PATTERN, "LIMIT", 0, "FORMAT", "flat")
    return dict(zip(rows[0], rows[-1]))


def table(server, begin):
    return server.client().execute_command("TOPQ", begin, begin + 60, PATTERN, "FORMAT", "table")


def newest_segment(stack, topic):
    segments = glob.glob(os.path.join(stack.var, "kafka", "**", f"{topic}-0", "*.log"), recursive=True)
    assert segments, "the broker's files are not where this test looks"
    return max(segments)


def test_a_damaged_tail_is_noticed(longtaild, private_stack):
    """The broker cuts a damaged tail off when it starts. What was stored from it must not be numbered anew."""
    stack = private_stack(kafka=True)
    server = longtaild(log="kafka", stack=stack, flush_interval="100ms")
    begin = int(time.time())
    write(server, begin, range(100))
    wait_until_stored(server)
    topic = server.shared["kafka_topic"]
    server.kill9()
    stack.kafka.process.kill()
    path = newest_segment(stack, topic)
    with open(path, "r+b") as f:
        f.seek(-30, os.SEEK_END)
        f.write(b"\xff" * 30)
    stack.kafka.start(lambda text: None)
    server.start()
    wait_for(server, "halted")
    assert "nothing is skipped" in status(server)
    # What is stored can be read, and the reply says what it is. Writes are acknowledged all the same: nothing of
    # them is mixed into it, and who has to see them is told at once that they cannot be seen.
    for n in range(4):
        write(server, begin, range(200 + 10 * n, 210 + 10 * n))
        found = totals(server, begin)
        assert int(found["items"]) == 100 and not int(found["complete"])
        assert "INCOMPLETE: the partition is halted" in "\n".join(table(server, begin))
        with pytest.raises(redis.ResponseError, match="the partition is halted: what the log holds from offset"):
            server.client().execute_command("TS.GET", "h/app.00000200.n")
