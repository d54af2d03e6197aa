"""RANGE, TOPQ, TS.RANGE, TS.GET, REQUESTS over a running server, by redis-py (RESP2, RESP3) and redis-cli."""

import math
import signal
import subprocess
import threading
import time

import pytest
import redis

NOW = 1424448000  # well in the past: rows go to an hour's table of their own or to the catch-all
QUERIES = ["1374c6821ead6f47", "00c0ffee00c0ffee", "aaaaaaaa00000001", "bbbbbbbb00000002"]


def connect(server, protocol=2):
    return redis.Redis(port=server.port, protocol=protocol, decode_responses=True)


def as_map(reply):
    """A map, as RESP2 (flat array) or RESP3 has it."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def number(x):
    return None if x is None else float(x)


def settle(server):
    """Time for a flush, where there are to be some."""
    if server.options.get("flush_interval") == "50ms":
        time.sleep(0.4)


def fill(server, client, begin):
    """Two hosts, 60 s: item i has the value 100 x (i + 1) each second but every (i + 1)th; half is written twice."""
    totals = dict.fromkeys(QUERIES, 0)
    for round_ in range(2):
        for s in range(60):
            for host in ("db1", "db2"):
                points = []
                for i, query in enumerate(QUERIES):
                    if s % (i + 1) == 0 and (round_ == 0 or s % 2 == 0):
                        points += [f"host.queries.c.{query}.time_us", 100 * (i + 1) + s + round_,
                                   f"host.queries.c.{query}.tput", 1]
                if points:
                    client.execute_command("OBSERVE", host, begin + s, *points)
        settle(server)
    for s in range(60):
        for i, query in enumerate(QUERIES):
            if s % (i + 1) == 0:
                totals[query] += 2 * (100 * (i + 1) + s + (s % 2 == 0))
    return totals


def topq_rows(reply):
    reply = as_map(reply)
    rows = [as_map(row) for row in reply["rows"]]
    return reply, rows, as_map(reply["rest"]), as_map(reply["total"])


def test_topq_conserves(server, protocol):
    client = connect(server, protocol)
    totals = fill(server, client, NOW)
    client.execute_command("ITEM", "TEXT", f"host.queries.c.{QUERIES[0]}", "SELECT * FROM orders WHERE id = ?")
    reply, rows, rest, total = topq_rows(client.execute_command(
        "topq", NOW, NOW + 60, "host.queries.*.*.time_us", "limit", 2, "WITH", 1, "tput", "SPARKLINE", 4))
    expected = sorted(totals.items(), key=lambda kv: -kv[1])
    assert [(row["item"], number(row["value"])) for row in rows] == [("c." + q, v) for q, v in expected[:2]]
    assert rows[0]["text"] == "SELECT * FROM orders WHERE id = ?"
    assert number(total["value"]) == sum(totals.values())
    assert rest["items"] == 2 and total["items"] == 4
    assert sum(number(row["value"]) for row in rows) + number(rest["value"]) == number(total["value"])
    tput = [number(as_map(row["with"])["tput"]) for row in rows + [rest, total]]
    assert tput[0] + tput[1] + tput[2] == tput[3] == 2 * sum(math.ceil(60 / (i + 1)) for i in range(4))
    for part in range(4):
        values = [number(row["sparkline"][part]) for row in rows + [rest, total]]
        assert values[0] + values[1] + values[2] == values[3]
    assert sum(number(x) for x in rows[0]["sparkline"]) == number(rows[0]["value"])
    assert abs(sum(number(row["share"]) for row in rows + [rest]) - 1) < 1e-9
    assert reply["complete"] in (True, 1)
    client.close()


def test_topq_options(server, protocol):
    client = connect(server, protocol)
    fill(server, client, NOW)
    run = client.execute_command
    args = ("TOPQ", NOW, NOW + 60, "host.queries.c.*.time_us")
    _, rows, _, total = topq_rows(run(*args, "RANK", "count"))
    assert [number(row["value"]) for row in rows] == [120, 60, 40, 30] and number(total["value"]) == 250
    _, rows, rest, total = topq_rows(run(*args, "RANK", "max", "LIMIT", 1))
    assert number(rows[0]["value"]) == 457 and number(rest["value"]) == 357 and number(total["value"]) == 457
    assert rows[0]["share"] is None
    _, rows, rest, total = topq_rows(run(*args, "RANK", "avg", "LIMIT", 0))
    assert rows == [] and rest["items"] == 4 and number(rest["value"]) == number(total["value"])
    _, rows, _, total = topq_rows(run(*args, "HOSTS", 2, "db1", "nowhere", "RANK", "count"))
    assert number(total["value"]) == 125
    _, rows, _, total = topq_rows(run(*args, "HOSTS", 1, "nowhere"))
    assert rows == [] and number(total["value"]) == 0 and total["items"] == 0
    _, rows, rest, total = topq_rows(run(*args, "MATCH", "C0FFEE", "LIMIT", 1))
    assert [row["item"] for row in rows] == [QUERIES[1]] and rest["items"] == 0 and number(rest["value"]) == 0
    _, rows, _, _ = topq_rows(run("TOPQ", NOW, NOW + 60, f"host.*.c.{QUERIES[2]}.time_us"))
    assert [row["item"] for row in rows] == ["queries"]
    _, rows, rest, total = topq_rows(run("TOPQ", NOW, NOW + 60, "host.nothing.*.yet"))
    assert rows == [] and number(rest["value"]) == 0 and number(total["value"]) == 0
    client.close()


def test_topq_flat_is_one_plain_table(server, protocol):
    client = connect(server, protocol)
    totals = fill(server, client, NOW)
    table = client.execute_command("TOPQ", NOW, NOW + 60, "host.queries.c.*.time_us", "LIMIT", 3, "WITH", 1, "tput",
                                   "SPARKLINE", 2, "FORMAT", "flat")
    header = table[0]
    assert header == ["row", "rank", "item", "text", "category", "items", "time_us", "share", "tput", "part_1",
                      "part_2", "complete"]
    assert all(len(row) == len(header) and not any(isinstance(x, list) for x in row) for row in table)
    assert [row[0] for row in table[1:]] == ["item"] * 3 + ["rest", "total"]
    for column in (5, 6, 8, 9, 10):
        assert sum(float(row[column]) for row in table[1:-1]) == float(table[-1][column])
    assert float(table[-1][6]) == sum(totals.values())
    client.close()


def test_topq_compares_ranges(server, protocol):
    client = connect(server, protocol)
    fill(server, client, NOW)
    run = client.execute_command
    pattern = "host.queries.c.*.time_us"
    _, half, _, half_total = topq_rows(run("TOPQ", NOW, NOW + 30, pattern))
    expected = {row["item"]: number(row["value"]) for row in half}
    reply, rows, rest, total = topq_rows(run("TOPQ", NOW, NOW + 60, pattern, "LIMIT", 2, "COMPARE", NOW, NOW + 30))
    assert (reply["compare_from"], reply["compare_to"]) == (NOW, NOW + 30)
    assert [number(row["compare"]) for row in rows] == [expected[row["item"]] for row in rows]
    assert number(total["compare"]) == number(half_total["value"])
    assert sum(number(row["compare"]) for row in rows + [rest]) == number(total["compare"])
    _, rows, rest, total = topq_rows(run("TOPQ", NOW, NOW + 60, pattern, "LIMIT", 1, "COMPARE", NOW - 200, NOW - 100))
    assert rows[0]["compare"] is None and number(rest["compare"]) == number(total["compare"]) == 0
    table = run("TOPQ", NOW, NOW + 60, pattern, "COMPARE", NOW, NOW + 30, "FORMAT", "flat")
    assert table[0][6:10] == ["time_us", "share", "compare", "complete"]
    assert float(table[-1][8]) == number(half_total["value"])
    lines = run("TOPQ", NOW, NOW + 60, pattern, "COMPARE", NOW, NOW + 30, "FORMAT", "table")
    assert any("compared" in str(line) for line in lines)
    client.close()


def test_range_tells_four_states(server, protocol):
    client = connect(server, protocol)
    run = client.execute_command
    for s in range(0, 40):  # the collector reports; the statement ran in the first ten seconds
        points = ["host.queries.c.aaaaaaaa00000009.tput", 1]
        if s < 10:
            points += ["host.queries.c.1374c6821ead6f47.tput", 3, "host.cpu.user", 10 + s]
        elif s < 20:
            points += ["host.cpu.sys", 1]
        run("OBSERVE", "db1", NOW + s, *points)
    settle(server)
    reply = as_map(run("RANGE", NOW, NOW + 50, "STEP", 10, "KEYS", "db1/host.queries.c.1374c6821ead6f47.tput",
                       "db1/host.cpu.user", "db1/host.none.x"))
    assert (reply["from"], reply["to"], reply["step"], reply["resolution"]) == (NOW, NOW + 50, 10, 1)
    series = [as_map(s) for s in reply["series"]]
    assert [s["key"] for s in series][1] == "db1/host.cpu.user"
    buckets = [[(number(b[1]), b[2]) for b in s["buckets"]] for s in series]
    gone = (None, "not_collected")
    assert buckets[0] == [(30, "value"), (0, "zero"), (0, "zero"), (0, "zero"), gone]
    assert buckets[1] == [(14.5, "value"), (None, "absent"), gone, gone, gone]
    assert buckets[2] == [gone] * 5 and series[2]["known"] in (False, 0)
    assert [b[0] for b in series[0]["buckets"]] == [NOW + 10 * i for i in range(5)]

    rate = as_map(run("RANGE", NOW, NOW + 10, "INTERVALS", 1, "AGGREGATE", "rate", "KEYS",
                      "db1/host.queries.c.1374c6821ead6f47.tput"))
    assert number(as_map(rate["series"][0])["buckets"][0][1]) == 3
    filled = run("RANGE", NOW, NOW + 30, "STEP", 10, "FILL", "last", "FORMAT", "flat", "KEYS", "db1/host.cpu.user")
    assert filled[0] == ["time", "db1/host.cpu.user", "complete"]
    assert [number(row[1]) for row in filled[1:]] == [14.5, 14.5, 14.5]
    with pytest.raises(redis.ResponseError, match="is a gauge"):
        run("RANGE", NOW, NOW + 10, "AGGREGATE", "rate", "KEYS", "db1/host.cpu.user")
    client.close()


def test_ts_range_and_get(server, protocol):
    client = connect(server, protocol)
    run = client.execute_command
    base = NOW * 1000
    for i in (5, 1, 3, 2, 4, 3):
        run("TS.ADD", "db1/host.temp.cpu", base + i, i * 1.5)
    run("TS.ADD", "db1/host.temp.cpu", base + 3, "nan")
    settle(server)
    points = [(t - base, float(v)) for t, v in run("TS.RANGE", "db1/host.temp.cpu", "-", "+")]
    assert [t for t, _ in points] == [1, 2, 3, 4, 5]
    assert [v for t, v in points if t != 3] == [1.5, 3, 6, 7.5] and math.isnan(points[2][1])
    assert [p[0] - base for p in run("TS.RANGE", "db1/host.temp.cpu", base + 2, base + 4, "COUNT", 2)] == [2, 3]
    assert run("TS.RANGE", "db1/host.temp.cpu", base + 9, "+") == []
    time_ms, value = run("TS.GET", "db1/host.temp.cpu")
    assert (time_ms, float(value)) == (base + 5, 7.5)
    assert isinstance(value, float if protocol == 3 else str)
    for command in (("TS.GET", "db1/no.such"), ("TS.RANGE", "db1/no.such", "-", "+")):
        with pytest.raises(redis.ResponseError, match="TSDB: the key does not exist"):
            run(*command)
    client.close()


def test_a_read_sees_the_writes_before_it_and_none_after(longtaild):
    client = connect(longtaild())
    for i in range(50):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("TS.ADD", "k.v", NOW * 1000 + i, i)
        pipe.execute_command("TS.RANGE", "k.v", "-", "+")
        pipe.execute_command("TS.ADD", "k.v", NOW * 1000 + i, -1)
        pipe.execute_command("TS.GET", "k.v")
        _, points, _, last = pipe.execute()
        assert len(points) == i + 1 and float(points[-1][1]) == i
        assert float(last[1]) == -1
    client.close()


@pytest.mark.parametrize("command, expected", [
    ("TOPQ now-1h now nodot", "at least two components"),
    ("TOPQ now-1h now a.*", "not '*'"),
    ("TOPQ now-1h now a..b", "component"),
    ("TOPQ now-1h now a.b*.c", "whole component"),
    ("TOPQ now-1h now a." + "b" * 511, "512"),
    ("TOPQ now now a.b", "from before to"),
    ("TOPQ yesterday now a.b", "RFC 3339"),
    ("TOPQ 2026-02-30T00:00:00Z now a.b", "RFC 3339"),
    ("TOPQ 1.5 now a.b", "Unix seconds"),
    ("TOPQ now-1h now a.b LIMIT 10001", "from 0 to 10000"),
    ("TOPQ now-1h now a.b LIMIT", "expected a number"),
    ("TOPQ now-1h now a.b WITH 2 x", "only 1 arguments are left"),
    ("TOPQ now-1h now a.b RANK min", "sum, count, max or avg"),
    ("TOPQ now-1h now a.b COMPARE 1", "two times after COMPARE"),
    ("TOPQ now-1h now a.b COMPARE 2 1", "from before to"),
    ("TOPQ now-1h now a.b BOTTOM 2", "unknown option 'BOTTOM'"),
    ("TOPQ now-1h now a.b AFTER 7", "partition:offset"),
    ("TOPQ now-1h now a.b AFTER 9:7", "this environment's partition"),
    ("RANGE now-1h now STEP 1 AGGREGATE", "expected a value"),
    ("RANGE now-1h now FILL x", "none, zero or last"),
    ("RANGE now-1h now FILL none", "expected KEYS"),
    ("RANGE now-1h now INTERVALS 0 KEYS a", "from 1 to 10000"),
    ("RANGE 0 now STEP 1 KEYS a", "at most 10000 intervals"),
    ("RANGE now-1h now KEYS db1/", "expected host/metric"),
    ("TS.RANGE k x +", "the key does not exist"),
    ("TS.NRANGE 0 k - +", "numkeys"),
    ("REQUEST KILL x", "expected a number"),
    ("REQUEST KILL 99", "no request 99"),
])
def test_errors_say_what_was_expected(shared_server, command, expected):
    client = connect(shared_server)
    with pytest.raises(redis.ResponseError) as error:
        client.execute_command(*command.split())
    assert expected in str(error.value)
    client.close()


@pytest.fixture(scope="module")
def shared_server(request, stack, tmp_path_factory):
    from harness import Longtaild
    folder = tmp_path_factory.mktemp("longtaild")
    server = Longtaild(folder, log="local", mysql=stack.mariadb.address, mysql_user="root", mysql_password="",
                       mysql_prefix="treaderrors_", node="node", local_log_dir=folder / "log").start()
    yield server
    server.end()


def test_after_waits_until_its_deadline_and_can_be_killed(longtaild):
    server = longtaild(query_deadline="3s")
    client, admin = connect(server), connect(server)
    receipt = client.execute_command("OBSERVE", "db1", NOW, "a.b.c", 1)
    partition, offset = map(int, receipt.split(":"))
    rows = topq_rows(client.execute_command("TOPQ", NOW, NOW + 1, "a.*.c", "AFTER", receipt))[1]
    assert number(rows[0]["value"]) == 1
    errors = []

    def wait():
        try:
            client.execute_command("TOPQ", NOW, NOW + 1, "a.*.c", "AFTER", f"{partition}:{offset + 1000}")
        except redis.ResponseError as error:
            errors.append(str(error))

    for end in ("killed", "query-deadline"):
        thread = threading.Thread(target=wait)
        thread.start()
        requests = []
        while not requests:
            requests = [as_map(r) for r in admin.execute_command("REQUESTS")]
        assert requests[0]["phase"] == "waiting" and requests[0]["command"] == "TOPQ"
        if end == "killed":
            assert admin.execute_command("REQUEST", "KILL", requests[0]["id"]) in ("OK", True)
        thread.join()
        assert end in errors[-1]
    # A client that hangs up takes its request along.
    gone = redis.connection.Connection(port=server.port)
    gone.connect()
    gone.send_command("TOPQ", NOW, NOW + 1, "a.*.c", "AFTER", f"{partition}:{offset + 1000}")
    while not admin.execute_command("REQUESTS"):
        pass
    gone.disconnect()
    deadline = time.monotonic() + 1
    while admin.execute_command("REQUESTS"):
        assert time.monotonic() < deadline
    client.close()
    admin.close()


def cli(server, *args):
    done = subprocess.run(["redis-cli", "-p", str(server.port), *map(str, args)], capture_output=True, text=True,
                          timeout=20)
    return done.stdout.splitlines()


def test_tables_in_redis_cli(longtaild):
    server = longtaild()
    client = connect(server)
    totals = fill(server, client, NOW)
    client.execute_command("ITEM", "TEXT", f"host.queries.c.{QUERIES[0]}", "SELECT\n" + "x" * 200)
    lines = cli(server, "TOPQ", NOW, NOW + 60, "host.queries.c.*.time_us", "LIMIT", 2, "WITH", 1, "tput", "SPARKLINE",
                10, "FORMAT", "table")
    assert lines[0].startswith("sum of time_us, 2015-02-20T16:00:00Z to ")
    assert lines[1].split() == ["rank", "item", "time_us", "share", "tput", "trend", "text"]
    assert "everything else (2 items)" in lines[-2]
    assert lines[-1].split()[:2] == ["total", str(sum(totals.values()))]
    first = next(line for line in lines if QUERIES[0] in line)
    assert "SELECT xxx" in first and first.endswith("…") and len(first) < 160
    right = lines[1].index("time_us") + len("time_us")  # numbers end below their title's end
    assert all(line[right - 1].isdigit() and line[right] == " " for line in lines[2:])

    lines = cli(server, "RANGE", NOW, NOW + 120, "FORMAT", "table", "KEYS",
                f"db1/host.queries.c.{QUERIES[0]}.time_us", "db1/no.such")
    assert "delta, sum of 2 s" in lines[1] and "max" in lines[1]
    assert "█" in "".join(lines) and "? not collected" in lines[-2]
    assert lines[-1] == "db1/no.such  no such series"
    # The nested form, as it is.
    nested = cli(server, "--no-raw", "TOPQ", NOW, NOW + 60, "host.queries.c.*.time_us", "LIMIT", 1)
    assert any('"everything else"' in line or '"rest"' in line for line in nested)
    client.close()


def test_reads_while_the_database_is_down(longtaild, private_stack):
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval="50ms", mysql_connect_timeout="200ms")
    client = connect(server)
    client.execute_command("OBSERVE", "db1", NOW, "a.b.c", 1)
    time.sleep(0.5)
    stack.mariadb.process.kill()
    client.execute_command("OBSERVE", "db1", NOW + 1, "a.b.c", 10)
    reply, rows, _, _ = topq_rows(client.execute_command("TOPQ", NOW, NOW + 9, "a.*.c"))
    assert reply["complete"] == 0 and "storage does not answer" in reply["why"]
    assert number(rows[0]["value"]) in (10, 11)
    lines = cli(server, "RANGE", NOW, NOW + 9, "FORMAT", "table", "KEYS", "db1/a.b.c")
    assert lines[1].startswith("INCOMPLETE: storage does not answer")
    with pytest.raises(redis.ResponseError, match="storage does not answer"):
        client.execute_command("TS.GET", "db1/a.b.c")
    stack.up(False, lambda text: None)
    deadline = time.monotonic() + 10
    while True:
        reply, rows, _, _ = topq_rows(client.execute_command("TOPQ", NOW, NOW + 9, "a.*.c"))
        if reply["complete"]:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert number(rows[0]["value"]) == 11
    client.close()


def test_reads_end_while_the_database_is_frozen(longtaild, private_stack):
    stack = private_stack()
    server = longtaild(stack=stack, flush_interval="50ms", query_deadline="2s")
    client, admin = connect(server), connect(server)
    topq = ("TOPQ", NOW, NOW + 9, "a.*.c")
    client.execute_command("OBSERVE", "db1", NOW, "a.b.c", 1)
    time.sleep(0.5)
    client.execute_command(*topq)
    stack.mariadb.process.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(redis.ResponseError, match="query-deadline"):
            client.execute_command(*topq)
        assert 1.9 < time.monotonic() - began < 2.5
        errors = []

        def read():
            try:
                client.execute_command(*topq)
            except redis.ResponseError as error:
                errors.append(str(error))

        thread = threading.Thread(target=read)
        thread.start()
        running = []
        while not running:
            requests = [as_map(r) for r in admin.execute_command("REQUESTS")]
            running = [r for r in requests if r["phase"] == "running"]
        killed = time.monotonic()
        admin.execute_command("REQUEST", "KILL", running[0]["id"])
        thread.join()
        assert "killed" in errors[0] and time.monotonic() - killed < 0.5
    finally:
        stack.mariadb.process.signal(signal.SIGCONT)
    deadline = time.monotonic() + 10
    while admin.execute_command("REQUESTS"):
        assert time.monotonic() < deadline
    assert number(topq_rows(client.execute_command(*topq))[1][0]["value"]) == 1
    client.close()
    admin.close()


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_first_read_after_a_kill_sees_all_that_was_acknowledged(longtaild, log):
    """As soon as the port listens: what is in the log was acknowledged, perhaps by the process before."""
    server = longtaild(log=log)
    count = 0
    for _ in range(5):
        client = server.client()
        for _ in range(100):
            client.execute_command("TS.ADD", "h/m", (1700000000 + count) * 1000, count)
            count += 1
        server.kill9()
        server.start(ready_s=None)
        while True:
            try:
                points = server.client().execute_command("TS.RANGE", "h/m", "-", "+")
                break
            except redis.ConnectionError:
                continue
        assert len(points) == count
        server.wait_ready()
