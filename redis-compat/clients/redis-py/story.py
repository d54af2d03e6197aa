#!/usr/bin/python3 -B
"""The story of ../README.md, told by redis-py: HOST PORT PROTOCOL T."""

import sys
import threading
import time

import redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from redis.retry import Retry

HOST, PORT, PROTOCOL, T = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
NO_ANSWER = ("KAFKA", "BUSY", "LOADING")
ITEMS = ("1374c6821ead6f47", "2486d7932fbe7058", "3597e8a43fcf8169")


def connect(retry):
    return redis.Redis(host=HOST, port=PORT, protocol=PROTOCOL, decode_responses=True, socket_timeout=10, retry=retry)


r = connect(Retry(ConstantBackoff(0.02), 1000, supported_errors=(ConnectionError, TimeoutError)))
once = connect(Retry(NoBackoff(), 0))  # never sends a command twice by itself
ts = r.ts()


def say(line):
    print(line, flush=True)


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"expected {wanted!r}, came {got!r}")


def expect_error(words, call, *args, **kwargs):
    try:
        got = call(*args, **kwargs)
    except ResponseError as error:
        if words not in str(error):
            raise AssertionError(f"expected an error that says {words!r}, came {error}") from None
    else:
        raise AssertionError(f"expected an error that says {words!r}, came {got!r}")


def points(reply):
    return [tuple(point) for point in reply]


def series(reply):
    """{key: last element of its row}: a list of one-entry maps in RESP2, one map in RESP3."""
    rows = reply.items() if isinstance(reply, dict) else [item for row in reply for item in row.items()]
    return {key: row[-1] for key, row in rows}


def field(info, resp2, resp3):
    return info[resp3] if isinstance(info, dict) and resp3 in info else getattr(info, resp2)


# ---- the steps ----


def step_connect():
    expect(r.ping(), True)
    expect(r.echo("hello"), "hello")


def step_protocol():
    expect(str(r.client_info()["resp"]), str(PROTOCOL))


def step_create():
    for key, room in (("story:temp:1", "a"), ("story:temp:2", "b")):
        expect(ts.create(key, retention_msecs=86400000, duplicate_policy="last",
                         labels={"kind": "temp", "room": room}), True)


def step_create_twice():
    expect_error("key already exists", ts.create, "story:temp:1")


def step_add():
    expect(ts.add("story:temp:1", T, 20.5), T)
    expect(ts.add("story:temp:1", T + 1000, 21.5), T + 1000)


def step_add_now():
    at = ts.add("story:now", "*", 1)
    if abs(at - time.time() * 1000) > 60000:
        raise AssertionError(f"expected a time near {time.time() * 1000:.0f}, came {at}")


def step_add_declares():
    expect(ts.add("story:hum:1", T, 40, labels={"kind": "hum", "room": "a"}), T)


def step_madd():
    expect(ts.madd([("story:temp:1", T + 2000, 22.5), ("story:temp:2", T, 10.5), ("story:temp:2", T + 60000, 11.5)]),
           [T + 2000, T, T + 60000])


def step_madd_part():
    first, second = ts.madd([("story:temp:2", T + 61000, 12.5), ("story:temp:2", T + 62000, "abc")])
    expect(first, T + 61000)
    expect(isinstance(second, ResponseError), True)


def step_get():
    expect(tuple(ts.get("story:temp:1")), (T + 2000, 22.5))


def step_get_missing():
    expect_error("the key does not exist", ts.get, "story:none")


THREE = [(T, 20.5), (T + 1000, 21.5), (T + 2000, 22.5)]


def step_range():
    expect(points(ts.range("story:temp:1", "-", "+")), THREE)


def step_range_count():
    expect(points(ts.range("story:temp:1", "-", "+", count=2)), THREE[:2])


def step_range_value():
    expect(points(ts.range("story:temp:1", "-", "+", filter_by_min_value=21, filter_by_max_value=22)), THREE[1:2])


def step_range_buckets():
    expect(points(ts.range("story:temp:2", "-", "+", aggregation_type="avg", bucket_size_msec=60000)),
           [(T, 10.5), (T + 60000, 12.0)])


def step_revrange():
    expect(points(ts.revrange("story:temp:1", "-", "+")), THREE[::-1])


def step_mget():
    rows = ts.mget(["kind=temp"])
    if isinstance(rows, dict):
        got = {key: tuple(row[-1]) for key, row in rows.items()}
    else:
        got = {key: tuple(row[1:]) for one in rows for key, row in one.items()}
    expect(got, {"story:temp:1": (T + 2000, 22.5), "story:temp:2": (T + 61000, 12.5)})


def step_mrange():
    got = series(ts.mrange(T, T + 59999, ["kind=temp"]))
    expect({key: points(row) for key, row in got.items()}, {"story:temp:1": THREE, "story:temp:2": [(T, 10.5)]})


def step_mrange_group():
    got = series(ts.mrange(T, T + 59999, ["kind=temp"], groupby="kind", reduce="max"))
    expect({key: points(row) for key, row in got.items()}, {"kind=temp": THREE})


def step_queryindex():
    expect(sorted(ts.queryindex(["kind=temp"])), ["story:temp:1", "story:temp:2"])


def step_info():
    info = ts.info("story:temp:1")
    expect((field(info, "total_samples", "totalSamples"), field(info, "retention_msecs", "retentionTime"),
            info["labels"]["room"]), (3, 86400000, "a"))


def step_alter():
    expect(ts.alter("story:temp:1", labels={"kind": "temp", "room": "c"}), True)
    expect(list(ts.queryindex(["room=c"])), ["story:temp:1"])


def step_incrby():
    expect(ts.incrby("story:level", 2, timestamp=T), T)
    expect(ts.incrby("story:level", 3, timestamp=T + 1000), T + 1000)
    expect(ts.decrby("story:level", 1, timestamp=T + 2000), T + 2000)
    expect(tuple(ts.get("story:level")), (T + 2000, 4.0))


def step_block():
    expect(ts.create("story:block", duplicate_policy="block"), True)
    expect(ts.add("story:block", T, 1), T)
    expect_error("DUPLICATE_POLICY", ts.add, "story:block", T, 2)
    expect(tuple(ts.get("story:block")), (T, 1.0))


def step_ignore():
    expect(ts.create("story:calm", duplicate_policy="last", ignore_max_time_diff=10000, ignore_max_val_diff=1), True)
    expect(ts.add("story:calm", T, 1), T)
    expect(ts.add("story:calm", T + 1000, 1.5), T)


def step_del():
    expect(ts.delete("story:temp:2", T + 61000, T + 61000), 1)


def step_rule():
    expect(ts.create("story:raw"), True)
    expect(ts.create("story:avg"), True)
    expect(ts.createrule("story:raw", "story:avg", "avg", 60000), True)
    for at, value in ((T, 1), (T + 1000, 3), (T + 60000, 10)):
        expect(ts.add("story:raw", at, value), at)
    expect(points(ts.range("story:avg", "-", "+")), [(T, 2.0)])
    expect(ts.deleterule("story:raw", "story:avg"), True)


def step_observe():
    words = [word for item, value in zip(ITEMS, (600, 300, 100)) for word in (f"host.queries.q.{item}.time_us", value)]
    receipt = r.execute_command("OBSERVE", "story1", T // 1000, *words)
    partition, offset = receipt.split(":")
    expect((partition.isdigit(), offset.isdigit()), (True, True))


def step_topq():
    rows = r.execute_command("TOPQ", T // 1000, T // 1000 + 60, "host.queries.q.*.time_us", "LIMIT", 2, "FORMAT", "flat")
    expect(len(rows), 5)
    item, value = rows[0].index("item"), rows[0].index("time_us")
    expect([(row[item], float(row[value])) for row in rows[1:3]], [(ITEMS[0], 600.0), (ITEMS[1], 300.0)])
    expect([float(row[value]) for row in rows[3:]], [100.0, 1000.0])


def step_draw():
    rows = r.execute_command("RANGE", T // 1000, T // 1000 + 1, "STEP", 1, "FORMAT", "flat",
                             "KEYS", f"story1/host.queries.q.{ITEMS[0]}.time_us")
    expect(len(rows), 2)
    expect((int(rows[1][0]), float(rows[1][1])), (T // 1000, 600.0))


def step_errors():
    with r.client() as one:  # one connection for all five
        expect_error("unknown command", one.execute_command, "NOSUCH")
        expect_error("wrong number of arguments", one.execute_command, "TS.ADD", "story:temp:1")
        expect_error("invalid value", one.ts().add, "story:temp:1", T, "abc")
        expect_error("invalid timestamp", one.ts().add, "story:temp:1", "when", 1)
        expect(one.ping(), True)


def step_pipeline():
    pipe = ts.pipeline(transaction=False)
    for i in range(101):
        pipe.add("story:pipe", T + i * 1000, "x" if i == 50 else i)
    replies = pipe.execute(raise_on_error=False)
    expect(isinstance(replies[50], ResponseError), True)
    expect(replies[:50] + replies[51:], [T + i * 1000 for i in range(101) if i != 50])
    expect(len(ts.range("story:pipe", "-", "+")), 100)


def step_transaction():
    pipe = ts.pipeline(transaction=True)
    pipe.add("story:tx", T, 1)
    pipe.add("story:tx", T + 1000, 2)
    expect(pipe.execute(), [T, T + 1000])


def step_keys():
    expect(r.exists("story:temp:1"), 1)
    expect(r.type("story:temp:1"), "TSDB-TYPE")
    expect(sorted(r.scan_iter(match="story:temp:*")), ["story:temp:1", "story:temp:2"])


def step_drop():
    expect(r.delete("story:hum:1"), 1)
    expect(r.exists("story:hum:1"), 0)


def step_restart():
    say("ask restart")
    sys.stdin.readline()
    expect(tuple(ts.get("story:temp:1")), (T + 2000, 22.5))
    expect(ts.add("story:restart", T, 1), T)


# ---- the stream ----


def unanswered(error):
    return isinstance(error, (ConnectionError, TimeoutError)) or str(error).startswith(NO_ANSWER)


def until_answered(call, *args, **kwargs):
    """Repeating must be harmless."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return call(*args, **kwargs)
        except redis.RedisError as error:
            if not unanswered(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def once_stored(key, at, call):
    """Repeating would count twice: where no answer came, it reads back first."""
    while True:
        try:
            return call()
        except redis.RedisError as error:
            if not unanswered(error):
                raise
        try:
            if until_answered(ts.range, key, at, at):
                return at
        except ResponseError as error:  # the first point of the key was not stored either
            if "the key does not exist" not in str(error):
                raise


def stream_add(i, at):
    expect(until_answered(ts.add, "story:stream:add", at, i), at)


def stream_sum(i, at):
    expect(once_stored("story:stream:sum", at,
                       lambda: once.ts().add("story:stream:sum", at, i + 1, on_duplicate="sum")), at)


def stream_count(i, at):
    expect(once_stored("story:stream:count", at, lambda: once.ts().incrby("story:stream:count", 1, timestamp=at)), at)


def stream():
    back = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), back.set()), daemon=True).start()
    names = {"add": stream_add, "sum": stream_sum, "count": stream_count}
    wrote, failed, left, i = dict.fromkeys(names, 0), {}, 50, 0
    while left > 0 or i < 150:
        if i == 50:
            say("ask kill")
        if back.is_set():
            left -= 1
        for name, write in names.items():
            if name in failed:
                continue
            try:
                write(i, T + i * 1000)
                wrote[name] += 1
            except (AssertionError, redis.RedisError) as error:
                failed[name] = error
        i += 1
    for name in names:
        say(f"wrote story:stream:{name} {wrote[name]}")
        say(f"not ok stream-{name}: {failed[name]}" if name in failed else f"ok stream-{name}")


def main():
    steps = [(name[5:].replace("_", "-"), step) for name, step in globals().items() if name.startswith("step_")]
    for name, step in steps:
        try:
            step()
            say(f"ok {name}")
        except (AssertionError, redis.RedisError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
            say(f"not ok {name}: {type(error).__name__}: {error}".replace("\n", " "))
    stream()


if __name__ == "__main__":
    main()
