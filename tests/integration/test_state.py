"""Writes that depend on their series' state: counted, refused or dropped by the partition's owner, exactly once."""

import math
import statistics
import threading
import time

import pytest
import redis

from check.wait import flushed
from harness import points, refused
from test_roles import wait_for_state


def incrby(client, key, n, *rest):
    return client.execute_command("TS.INCRBY", key, n, *rest)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_count_is_the_newest_point_and_a_number(longtaild, protocol):
    c = longtaild().client(protocol)
    before = time.time() * 1000
    first = incrby(c, "a/b", 5)
    assert before - 2 <= first <= time.time() * 1000 + 2
    assert points(c, "a/b") == [(first, 5)]
    assert incrby(c, "k", "2.5", "TIMESTAMP", 1000) == 1000
    assert incrby(c, "k", 1, "timestamp", 1000) == 1000
    assert c.execute_command("TS.DECRBY", "k", 7, "TIMESTAMP", 1001) == 1001
    assert points(c, "k") == [(1000, 3.5), (1001, -3.5)]
    assert "TSDB: timestamp must be equal to or higher" in refused(incrby, c, "k", 1, "TIMESTAMP", 1000)
    now = incrby(c, "k", 1, "TIMESTAMP", "*")
    assert now >= before
    assert points(c, "k")[2:] == [(now, -2.5)]
    ahead = int(time.time() * 1000) + 3600_000
    assert incrby(c, "k", 1, "TIMESTAMP", ahead) == ahead
    assert incrby(c, "k", 1) == ahead, "the server's own time is never below the newest"
    assert points(c, "k")[3:] == [(ahead, -0.5)]
    for bad in ("x", "inf", "nan", ""):
        assert "TSDB: invalid increase/decrease value" in refused(incrby, c, "k", bad)
    for bad in ("x", "-1", ""):
        assert "TSDB: invalid timestamp" in refused(incrby, c, "k", 1, "TIMESTAMP", bad)
    assert "TSDB: invalid timestamp" in refused(incrby, c, "k", 1, "TIMESTAMP")
    assert incrby(c, "huge", "1e308", "TIMESTAMP", 1) == 1
    assert "TSDB: " in refused(incrby, c, "huge", "1e308", "TIMESTAMP", 2)
    assert points(c, "huge") == [(1, 1e308)]


def test_a_count_sees_what_other_commands_wrote(longtaild):
    c = longtaild(flush_interval="50ms").client()
    for round in range(60):
        key = f"h/app.{round % 3}.n"
        t = 1000 * (round + 1)
        c.execute_command("TS.ADD", key, t, round)
        incrby(c, key, 1, "TIMESTAMP", t)
        c.execute_command("TS.MADD", key, t + 1, 10, key, t + 2, 20)
        incrby(c, key, 1, "TIMESTAMP", t + 2)
        c.execute_command("TS.DEL", key, t + 2, t + 2)
        incrby(c, key, 0.5, "TIMESTAMP", t + 3)
        c.execute_command("OBSERVE", "h", round + 2, f"app.{round % 3}.n", 7)
        incrby(c, key, 1, "TIMESTAMP", 1000 * (round + 2))
        assert points(c, key)[-4:] == [(t, round + 1), (t + 1, 10), (t + 3, 10.5), (t + 1000, 8)]


def test_what_is_deleted_is_not_counted_on(longtaild):
    c = longtaild(flush_interval="50ms").client()
    for round in range(10):
        for key in ("a/x.n", "y"):
            incrby(c, key, 5, "TIMESTAMP", 2000)
            incrby(c, key, 5, "TIMESTAMP", 3000)
            assert add_once(c, key, 1000, 1) == 1000
        if round % 3 == 0:
            c.execute_command("FLUSHDB")
        elif round % 3 == 1:
            assert c.execute_command("DEL", "a/x.n", "y") == 2
        else:
            for key in ("a/x.n", "y"):
                c.execute_command("TS.DEL", key, "-", "+")
        for key in ("a/x.n", "y"):
            incrby(c, key, 1, "TIMESTAMP", 500)
            assert points(c, key) == [(500, 1)]
            c.execute_command("TS.DEL", key, "-", "+")


def test_one_clients_pipeline_is_in_order(longtaild):
    c = longtaild().client()
    for round in range(20):
        key = f"p.{round}.n"
        pipe = c.pipeline(transaction=round % 2 == 0)
        for n in range(200):
            pipe.execute_command("TS.INCRBY", key, 1, "TIMESTAMP", 1 + n // 3)
            if n == 100:
                pipe.execute_command("TS.ADD", key, 1 + n // 3, 1000)
            if n == 150:
                pipe.execute_command("TS.MADD", key, 1 + n // 3, 5000, "other", 7, round)
            if n == 160:
                pipe.execute_command("TS.GET", key)
        replies = pipe.execute()
        assert (replies[163][0], float(replies[163][1])) == (1 + 160 // 3, 5010)
        assert points(c, key)[-1] == (1 + 199 // 3, 5000 + 49)


def at_once(threads, work):
    """work(0), work(1) ... each in a thread of its own; none may raise."""
    errors = []

    def run(number):
        try:
            work(number)
        except Exception as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_concurrent_counts_add_up(longtaild, log):
    server = longtaild(log=log, flush_interval="100ms")
    clients, each, keys = 12, 150, 5

    def work(number):
        c = server.client()
        for n in range(each):
            incrby(c, f"n.{n % keys}", 1 + number)
            if n % 10 == number % 10:
                c.execute_command("OBSERVE", "elsewhere", 1000 + n, f"app.{n:08x}.n", 1)

    at_once(clients, work)
    wanted = each // keys * sum(1 + n for n in range(clients))
    c = server.client()
    for key in range(keys):
        assert float(c.execute_command("TS.GET", f"n.{key}")[1]) == wanted
    server.restart()
    c = server.client()
    for key in range(keys):
        incrby(c, f"n.{key}", 1)
        assert float(c.execute_command("TS.GET", f"n.{key}")[1]) == wanted + 1


def test_a_count_waits_for_nothing_but_the_log(longtaild):
    """As an add does; in turn with adds, so that a busy machine is as busy for both."""
    c = longtaild().client()
    incrby(c, "k", 1)
    counts, adds = [], []
    for n in range(1000):
        began = time.perf_counter()
        incrby(c, "k", 1)
        between = time.perf_counter()
        c.execute_command("TS.ADD", "a", 1000 + n, 1)
        counts.append(between - began)
        adds.append(time.perf_counter() - between)
    count, add = statistics.median(counts), statistics.median(adds)
    assert count < 4 * add, f"{1000 * count:.3f} ms a count, {1000 * add:.3f} an add"
    assert float(c.execute_command("TS.GET", "k")[1]) == 1001


# ---- ON_DUPLICATE BLOCK ----

BLOCKED = "TSDB: Error at upsert"


def add_once(client, key, t, value):
    return client.execute_command("TS.ADD", key, t, value, "ON_DUPLICATE", "BLOCK")


@pytest.mark.parametrize("flush_interval", ["50ms", "1h"])
def test_a_blocked_time_is_written_once(longtaild, flush_interval):
    c = longtaild(flush_interval=flush_interval).client()
    for t in (1000, 3000, 2000, 5000, 4000):
        assert add_once(c, "a/b", t, t) == t
        assert BLOCKED in refused(add_once, c, "a/b", t, -1)
    time.sleep(0.3)
    for t in (1000, 3000, 5000):
        assert BLOCKED in refused(add_once, c, "a/b", t, -1)
    assert points(c, "a/b") == [(t, t) for t in (1000, 2000, 3000, 4000, 5000)]
    c.execute_command("TS.DEL", "a/b", 5000, 5000)
    c.execute_command("TS.DEL", "a/b", 2000, 2000)
    assert BLOCKED in refused(add_once, c, "a/b", 4000, -1)
    assert add_once(c, "a/b", 2000, 2) == 2000
    assert add_once(c, "a/b", 5000, 5) == 5000
    c.execute_command("TS.ADD", "a/b", 5000, 6)
    assert points(c, "a/b") == [(1000, 1000), (2000, 2), (3000, 3000), (4000, 4000), (5000, 6)]
    assert add_once(c, "a/b", "*", 7) > 5000


def test_old_times_in_a_pipeline_take_one_read(longtaild):
    c = longtaild(flush_interval="50ms").client()
    c.execute_command("TS.ADD", "k", 10**6, 1)
    for t in range(0, 5000, 7):
        c.execute_command("TS.ADD", "k", t, 1)
    pipe = c.pipeline(transaction=False)
    for t in list(range(3000)) * 2:
        pipe.execute_command("TS.ADD", "k", t, 2, "ON_DUPLICATE", "BLOCK")
    before = status(c, "decide", "reads")
    replies = pipe.execute(raise_on_error=False)
    for n, reply in enumerate(replies):
        t = n % 3000
        if n < 3000 and t % 7 != 0:
            assert reply == t
        else:
            assert BLOCKED in str(reply)
    assert status(c, "decide", "reads") - before <= 5
    assert points(c, "k")[:3000] == [(t, 1 if t % 7 == 0 else 2) for t in range(3000)]


# ---- NaN under MIN, MAX, SUM ----


def shown(client, key):
    """NaN as None, so that it equals itself."""
    return [(t, None if math.isnan(v) else v) for t, v in points(client, key)]


@pytest.mark.parametrize("policy", ["MIN", "MAX", "SUM"])
@pytest.mark.parametrize("given", ["series", "command"])
def test_no_nan_where_a_number_is(server, protocol, policy, given):
    c = server.client(protocol)
    if given == "series":
        c.execute_command("TS.CREATE", "a/b", "DUPLICATE_POLICY", policy)

    def add(t, value):
        return c.execute_command("TS.ADD", "a/b", t, value, *(("ON_DUPLICATE", policy) if given == "command" else ()))

    assert [add(t, v) for t, v in ((10, 6), (20, "nan"), (30, 7))] == [10, 20, 30]
    if server.options["flush_interval"] == "50ms":
        flushed(server.client())
    for t in (10, 30):
        assert BLOCKED in refused(add, t, "nan")
    assert add(20, "NaN") == 20 and add(40, "nan") == 40 and add(40, "-nan") == 40
    assert shown(c, "a/b") == [(10, 6), (20, None), (30, 7), (40, None)]
    assert add(40, 8) == 40 and add(20, 9) == 20, "a number takes a NaN's place"
    assert BLOCKED in refused(add, 40, "nan") and BLOCKED in refused(add, 20, "nan")
    pipe = c.pipeline(transaction=False)
    for t, value in ((50, "nan"), (50, 1), (50, "nan"), (15, 2), (15, "nan"), (16, "nan"), (16, "nan")):
        pipe.execute_command("TS.ADD", "a/b", t, value, "ON_DUPLICATE", policy)
    assert [r if isinstance(r, int) else BLOCKED in str(r) for r in pipe.execute(raise_on_error=False)] == \
        [50, 50, True, 15, True, 16, 16]
    assert shown(c, "a/b") == [(10, 6), (15, 2), (16, None), (20, 9), (30, 7), (40, 8), (50, 1)]
    for value in ("nan", 5):
        c.execute_command("TS.ADD", "a/b", 10, value, "ON_DUPLICATE", "LAST")
        c.execute_command("TS.ADD", "a/b", 30, "nan", "ON_DUPLICATE", "FIRST")
    assert shown(c, "a/b")[0] == (10, 5) and shown(c, "a/b")[4] == (30, 7), "LAST and FIRST do not mind"


def test_no_nan_by_madd(server, protocol):
    c = server.client(protocol)
    c.execute_command("TS.CREATE", "m", "DUPLICATE_POLICY", "MAX")
    reply = c.execute_command("TS.MADD", "m", 1, 6, "m", 2, "nan", "l", 1, 6, "l", 1, "nan")
    assert reply == [1, 2, 1, 1]
    reply = c.execute_command("TS.MADD", "m", 1, "nan", "m", 2, "nan", "m", 3, 4, "l", 2, 1)
    assert BLOCKED in str(reply[0]) and reply[1:] == [2, 3, 2]
    assert shown(c, "m") == [(1, 6), (2, None), (3, 4)] and shown(c, "l") == [(1, None), (2, 1)]


@pytest.mark.parametrize("policy", ["SUM", "MIN", "MAX"])
def test_a_number_behind_a_nan_of_its_madd(lone_client, policy):
    """One that is decided must not be overtaken by one that is not."""
    c = lone_client
    c.execute_command("TS.CREATE", policy, "DUPLICATE_POLICY", policy)
    reply = c.execute_command("TS.MADD", policy, 7, "nan", "other", 1, 1, policy, 8, 1, policy, 7, 40.25)
    assert reply == [7, 1, 8, 7]
    assert points(c, policy) == [(7, 40.25), (8, 1)]
    assert BLOCKED in refused(c.execute_command, "TS.ADD", policy, 7, "nan")


def test_an_observation_behind_what_is_decided(lone_client):
    """One client's writes of a series keep their order, whichever command they come by."""
    c = lone_client
    for n in range(50):
        pipe = c.pipeline(transaction=n % 2 == 1)
        pipe.execute_command("TS.ADD", "h/o.nan", (n + 10) * 1000, "nan", "ON_DUPLICATE", "MAX")
        pipe.execute_command("OBSERVE", "h", n + 10, "o.other", 1, "o.nan", n)
        pipe.execute_command("TS.INCRBY", "h/o.count", 1, "TIMESTAMP", (n + 10) * 1000)
        pipe.execute_command("OBSERVE", "h", n + 10, "o.count", 7)
        pipe.execute()
    assert points(c, "h/o.nan") == [((n + 10) * 1000, n) for n in range(50)]
    assert points(c, "h/o.count") == [((n + 10) * 1000, 7) for n in range(50)]


def test_nothing_is_counted_from_nan(server, protocol):
    c = server.client(protocol)
    c.execute_command("TS.ADD", "a/b", 10, 1)
    c.execute_command("TS.ADD", "a/b", 20, "nan")
    for command in ("TS.INCRBY", "TS.DECRBY"):
        assert BLOCKED in refused(c.execute_command, command, "a/b", 1, "TIMESTAMP", 20)
        assert BLOCKED in refused(c.execute_command, command, "a/b", 1)
    assert shown(c, "a/b") == [(10, 1), (20, None)]
    c.execute_command("TS.ADD", "a/b", 20, 4)
    assert incrby(c, "a/b", 1, "TIMESTAMP", 20) == 20 and shown(c, "a/b") == [(10, 1), (20, 5)]


def status(client, section, name):
    lines = dict(line.split(": ", 1) for line in client.execute_command("STATUS", section) if ": " in line)
    return int(lines[name])


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_of_concurrent_duplicates_one_is_stored(longtaild, log):
    server = longtaild(log=log, flush_interval="100ms")
    clients, times = 8, 120
    stored = [[] for _ in range(clients)]

    def work(number):
        c = server.client()
        for t in range(times):
            try:
                add_once(c, "k.n", 1000 + (t * 7) % times, number)
                stored[number].append(1000 + (t * 7) % times)
            except redis.ResponseError as error:
                if BLOCKED not in str(error):
                    raise

    at_once(clients, work)
    wanted = sorted((t, number) for number in range(clients) for t in stored[number])
    assert [t for t, _ in wanted] == list(range(1000, 1000 + times)), "each time by exactly one"
    assert points(server.client(), "k.n") == wanted
    server.restart()
    assert points(server.client(), "k.n") == wanted
    assert BLOCKED in refused(add_once, server.client(), "k.n", 1003, -1)


# ---- who decides ----

OWNER = {"lease": "1s", "roles": "ingest,store,query"}


def later(call, *arguments):
    """Runs it in a thread; .result: what it returned or raised."""
    def run():
        try:
            thread.result = call(*arguments)
        except redis.RedisError as error:
            thread.result = error
    thread = threading.Thread(target=run)
    thread.result = None
    thread.start()
    return thread


def wait_frozen(server):
    from stacklib.process import process_state
    deadline = time.monotonic() + 10
    while process_state(server.process.pid) != "T":
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_stored(server):
    deadline = time.monotonic() + 10
    while status(server.client(), "partition", "stored_offset") != status(server.client(), "partition", "log_end"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_another_process_names_the_owner(longtaild):
    first = longtaild(log="kafka", **OWNER)
    wait_for_state(first, "owning")
    second = longtaild(**first.shared, **OWNER)
    wait_for_state(second, "following")
    c, c2 = first.client(), second.client()
    incrby(c, "k", 1)
    text = refused(incrby, c2, "k", 1)
    assert "NOTOWNER" in text and f"'{first.options['node']}'" in text
    assert "NOTOWNER" in refused(add_once, c2, "k", 1, 1)
    c2.execute_command("TS.ADD", "k", 1, 1)  # depends on nothing
    ingest = longtaild(**first.shared, roles="ingest")
    assert "NOTOWNER" in refused(incrby, ingest.client(), "k", 1)
    first.terminate()
    wait_for_state(second, "owning")
    incrby(c2, "k", 1)
    assert points(c2, "k")[-1][1] == 2


def frozen_owner(longtaild, at, count):
    """An owner that froze between its decision on the last of `count` and handing it to the log. It does not flush
    meanwhile: frozen in mid-transaction, it would keep its rows locked."""
    first = longtaild(log="kafka", start=False, flush_interval="1h", **OWNER)
    first.start(environment={"LONGTAIL_FAILPOINT": f"{at}:{count}:stop"})
    wait_for_state(first, "owning")
    c = first.client(socket_timeout=60)
    second = longtaild(**first.shared, flush_interval="100ms", **OWNER)
    wait_for_state(second, "following")
    for _ in range(count - 1):
        incrby(c, "k.n", 1)
    waiting = later(incrby, c, "k.n", 1)
    wait_frozen(first)
    wait_for_state(second, "owning")
    return first, second, waiting


def test_what_a_thawed_owner_decided_changes_nothing(longtaild):
    first, second, waiting = frozen_owner(longtaild, "decide.append", 21)
    c2 = second.client()
    incrby(c2, "k.n", 100)
    before = points(c2, "k.n")
    assert before[-1][1] == 120
    first.thaw()
    waiting.join(20)
    assert "NOTOWNER" in str(waiting.result) and "does not count" in str(waiting.result)
    wait_for_state(first, "following")
    assert points(c2, "k.n") == before
    assert points(first.client(), "k.n") == before
    assert status(c2, "partition", "points_of_replaced_owners") == 1
    assert "NOTOWNER" in refused(incrby, first.client(), "k.n", 1)
    incrby(c2, "k.n", 1)
    assert points(c2, "k.n")[-1][1] == 121


def test_the_highest_epoch_is_stored_with_what_it_belongs_to(longtaild):
    """Who loads begins behind the epoch's record, and finds what an older owner decided behind it."""
    first, second, waiting = frozen_owner(longtaild, "decide.append", 5)
    c2 = second.client()
    incrby(c2, "k.n", 100)
    before = points(c2, "k.n")
    wait_stored(second)
    second.kill9()
    first.thaw()
    waiting.join(30)
    assert "NOTOWNER" in str(waiting.result) or "KAFKA unknown" in str(waiting.result)
    wait_for_state(first, "owning")
    assert points(first.client(), "k.n") == before
    incrby(first.client(), "k.n", 1)
    assert points(first.client(), "k.n")[-1][1] == 105
    first.kill9()
    first.start()
    assert [v for _, v in points(first.client(), "k.n")][-2:] == [104, 105]


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_a_kill_between_append_and_reply(longtaild, log):
    server = longtaild(log=log, start=False, flush_interval="100ms")
    server.start(environment={"LONGTAIL_FAILPOINT": "decide.stored:8"})
    c = server.client()
    for _ in range(7):
        incrby(c, "k", 1)
    with pytest.raises(redis.ConnectionError):
        incrby(c, "k", 1)
    server.process.wait(10)
    for start in range(2):
        server.start()
        assert points(server.client(), "k")[-1][1] == 8 + start
        incrby(server.client(), "k", 1)
        server.kill9()


@pytest.mark.parametrize("log, kills", [("local", 6), ("kafka", 4)])
def test_sums_survive_kills(longtaild, log, kills):
    """What was answered counts once; what was not, once or not at all; and every replay says the same."""
    server = longtaild(log=log, flush_interval="150ms")
    acked, unknown = [0, 0, 0], [0, 0, 0]
    for kill in range(kills):
        def work(number):
            c = server.client()
            while True:
                try:
                    incrby(c, f"k.{number}", 1)
                    acked[number] += 1
                except redis.RedisError:
                    unknown[number] += 1
                    return
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3 + 0.1 * kill)
        server.kill9()
        for thread in threads:
            thread.join()
        server.start()
    c = server.client()
    sums = [points(c, f"k.{n}")[-1][1] for n in range(3)]
    for n in range(3):
        assert acked[n] <= sums[n] <= acked[n] + unknown[n]
    server.restart()
    assert [points(server.client(), f"k.{n}")[-1][1] for n in range(3)] == sums


def test_an_owner_whose_lease_has_run_out_decides_nothing(longtaild, private_stack):
    stack = private_stack()
    server = longtaild(stack=stack, lease="1s")
    c = server.client()
    incrby(c, "k", 1)
    stack.mariadb.process.kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            incrby(c, "k", 1)
        except redis.ResponseError as error:
            assert "NOTOWNER" in str(error)
            break
        assert time.monotonic() < deadline
    c.execute_command("TS.ADD", "k", 1, 1)
    stack.mariadb.start(print)
    deadline = time.monotonic() + 20
    while True:
        try:
            incrby(c, "k", 1)
            return
        except redis.ResponseError as error:
            assert "NOTOWNER" in str(error) or "state" in str(error)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_madd_answers_each_point_for_itself(longtaild):
    c = longtaild().client()
    c.execute_command("TS.ADD", "k", 1000, 1)
    pipe = c.pipeline(transaction=False)
    pipe.execute_command("TS.INCRBY", "k", 1, "TIMESTAMP", 2000)
    pipe.execute_command("TS.MADD", "k", 2000, 7, "other", 5, 5, "", 1, 1, "k", 2001, 8, "k", "x", 8)
    pipe.execute_command("TS.INCRBY", "k", 1, "TIMESTAMP", 2001)
    first, many, second = pipe.execute(raise_on_error=False)
    assert (first, second) == (2000, 2001)
    assert many[:2] == [2000, 5] and many[3] == 2001
    assert "TSDB: invalid key" in str(many[2]) and "TSDB: invalid timestamp" in str(many[4])
    assert points(c, "k") == [(1000, 1), (2000, 7), (2001, 9)]


# ---- what is declared ----

def test_a_declared_block_holds_for_every_write(longtaild):
    c = longtaild(flush_interval="50ms").client()
    c.execute_command("TS.CREATE", "b", "DUPLICATE_POLICY", "BLOCK")
    add = lambda t, v, *rest: c.execute_command("TS.ADD", "b", t, v, *rest)
    for t in (1000, 3000, 2000):
        assert add(t, t) == t
        assert BLOCKED in refused(add, t, -1)
    assert add(3000, 7, "ON_DUPLICATE", "LAST") == 3000
    assert add(3000, 7, "ON_DUPLICATE", "SUM") == 3000
    assert add(2000, 5, "ON_DUPLICATE", "MIN") == 2000
    replies = c.execute_command("TS.MADD", "b", 2000, 1, "other", 1, 1, "b", 2500, 25, "b", 2500, 26, "b", 9000, 9)
    assert BLOCKED in str(replies[0]) and BLOCKED in str(replies[3])
    assert (replies[1], replies[2], replies[4]) == (1, 2500, 9000)
    incrby(c, "b", 1, "TIMESTAMP", 9000)
    assert points(c, "b") == [(1000, 1000), (2000, 5), (2500, 25), (3000, 14), (9000, 10)]
    c.execute_command("TS.ALTER", "b", "DUPLICATE_POLICY", "LAST")
    assert add(1000, 1) == 1000
    assert points(c, "b")[0] == (1000, 1)
    assert c.execute_command("TS.ADD", "new", 5, 1, "DUPLICATE_POLICY", "BLOCK") == 5
    assert BLOCKED in refused(c.execute_command, "TS.ADD", "new", 5, 2)
    assert BLOCKED in refused(c.execute_command, "TS.ADD", "new", 5, 2, "DUPLICATE_POLICY", "LAST")
    assert points(c, "new") == [(5, 1)]


def test_ignore_drops_what_differs_little(longtaild):
    c = longtaild(flush_interval="50ms").client()
    c.execute_command("TS.CREATE", "i", "DUPLICATE_POLICY", "LAST", "IGNORE", 10, 5)
    for t, v, replied in ((1000, 100, 1000), (1001, 101, 1000), (1010, 105, 1000), (1011, 100, 1011), (1012, 106, 1012),
                          (1013, 106.5, 1012), (1005, 1, 1005), (1012, 103, 1012), (1012, 200, 1012)):
        assert c.execute_command("TS.ADD", "i", t, v) == replied
    assert points(c, "i") == [(1000, 100), (1005, 1), (1011, 100), (1012, 200)]
    assert c.execute_command("TS.MADD", "i", 1013, 201, "i", 1020, 300, "i", 1021, 301) == [1012, 1020, 1020]
    assert incrby(c, "i", 1, "TIMESTAMP", 1025) == 1020
    assert incrby(c, "i", 6, "TIMESTAMP", 1025) == 1025
    assert points(c, "i")[-2:] == [(1020, 300), (1025, 306)]
    c.execute_command("TS.CREATE", "m", "DUPLICATE_POLICY", "MAX", "IGNORE", 10, 5)
    assert [c.execute_command("TS.ADD", "m", t, 1) for t in (1, 2)] == [1, 2]
    c.execute_command("TS.CREATE", "unsaid", "IGNORE", 10, 5)
    assert [c.execute_command("TS.ADD", "unsaid", t, 1) for t in (1, 2)] == [1, 2]
    assert c.execute_command("TS.ADD", "unsaid", 3, 1, "ON_DUPLICATE", "LAST") == 2


def test_a_point_behind_the_retention_is_refused(longtaild):
    c = longtaild(flush_interval="50ms").client()
    c.execute_command("TS.CREATE", "r", "RETENTION", 1000)
    add = lambda t: c.execute_command("TS.ADD", "r", t, 1)
    assert [add(t) for t in (5000, 4000, 4500)] == [5000, 4000, 4500]
    assert "TSDB: Timestamp is older than retention" in refused(add, 3999)
    assert add(6000) == 6000
    assert "TSDB: Timestamp is older than retention" in refused(add, 4999)
    many = c.execute_command("TS.MADD", "r", 4000, 1, "r", 9000, 1, "r", 6000, 1, "other", 1, 1)
    assert "older than retention" in str(many[0]) and "older than retention" in str(many[2])
    assert (many[1], many[3]) == (9000, 1)


def test_counts_that_declare(longtaild):
    c = longtaild().client()
    assert incrby(c, "d", 5, "TIMESTAMP", 10, "RETENTION", 60000, "LABELS", "team", "web") == 10
    assert c.execute_command("TS.QUERYINDEX", "team=web") == ["d"]
    assert incrby(c, "d", 5, "TIMESTAMP", 11, "LABELS", "team", "other") == 11
    assert c.execute_command("TS.QUERYINDEX", "team=web") == ["d"]
    c.execute_command("TS.ADD", "p", 1, 1)
    assert incrby(c, "p", 5, "TIMESTAMP", 2, "LABELS", "team", "web") == 2
    assert c.execute_command("TS.QUERYINDEX", "team=web") == ["d"]
    assert points(c, "d") == [(10, 5), (11, 10)] and points(c, "p") == [(1, 1), (2, 6)]


@pytest.mark.parametrize("options", [("DUPLICATE_POLICY", "BLOCK"), ("DUPLICATE_POLICY", "LAST", "IGNORE", 1, 1)])
def test_a_loop_of_adds_to_a_declared_series_is_quick(longtaild, options):
    c = longtaild().client()
    c.execute_command("TS.CREATE", "k", *options)
    begin = time.monotonic()
    for n in range(1000):
        assert c.execute_command("TS.ADD", "k", 1000 + 10 * n, n) == 1000 + 10 * n
    took = time.monotonic() - begin
    print(f"{took:.3f} ms a command")
    assert took < 5
