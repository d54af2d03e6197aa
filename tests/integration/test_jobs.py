"""Jobs over a running server: hours become compact, days coarser, old data leaves; and no answer changes meanwhile."""

import contextlib
import random
import time

import pytest
import redis

from check.database import Database
from check.wait import flushed, wait_for

HOUR = 3600
DAY = 86400
QUICK = {"flush_interval": "50ms", "jobs_interval": "50ms", "compact_grace": "0s", "compact_late": "200ms"}


def day_of(days_ago):
    """Its first second."""
    return (int(time.time()) // DAY - days_ago) * DAY


def jobs(client):
    """By name, each a map."""
    lines = [dict(zip(line[::2], line[1::2])) if isinstance(line, list) else line
             for line in client.execute_command("JOBS")]
    return {line["name"]: line for line in lines}


def owned(client):
    wait_for("the partition is ours", lambda: jobs(client)["compact"]["state"] != "elsewhere")


ARRIVAL, COMPACT = 1, 2
HOSTS = ("db1", "db2", "db3")
ITEMS = [f"{n:08x}" for n in range(0xaaaa0000, 0xaaaa0050)]


def write(client, begin, hours, seed=1, points=300):
    """Random integer points in each hour, some of them twice, so that sums have only one right value."""
    chance = random.Random(seed)
    for hour in hours:
        words = []
        for _ in range(points):
            item, host = chance.choice(ITEMS), chance.choice(HOSTS)
            at = begin + hour * HOUR + chance.randrange(HOUR)
            words += [f"{host}/host.queries.c.{item}.time_us", at * 1000, chance.randrange(1, 1000)]
        client.execute_command("TS.MADD", *words)


def answers(client, begin, hours):
    """What people ask, over whole hours, edges, one host, one series."""
    last = begin + (max(hours) + 1) * HOUR
    spans = [(begin, last), (begin + 100, last - 100)] + [(begin + h * HOUR, begin + (h + 1) * HOUR) for h in hours]
    replies = []
    for start, end in spans:
        for options in ([], ["HOSTS", 1, "db2"], ["RANK", "max"], ["RANK", "count", "LIMIT", 3]):
            replies.append(client.execute_command("TOPQ", start, end, "host.queries.*.*.time_us", "FORMAT", "flat",
                                                  *options))
    for item in ITEMS[:8]:
        for host in HOSTS:
            key = f"{host}/host.queries.c.{item}.time_us"
            try:
                replies.append(client.execute_command("TS.RANGE", key, "-", "+"))
                replies.append(client.execute_command("RANGE", begin, last, "INTERVALS", 30, "FORMAT", "flat",
                                                      "KEYS", key))
            except redis.ResponseError as error:
                replies.append(str(error))
    return [stable(reply) for reply in replies]


def stable(reply):
    """Without what differs from one asking to the next: until when data is complete, what a plan read."""
    changing = {"complete_until_ms", "complete_until", "plan", "rows", "bytes", "resolution_s", "resolution", "bounds"}
    if isinstance(reply, list):
        pairs = [reply[i:i + 2] for i in range(0, len(reply), 2)]
        if pairs and all(isinstance(pair[0], str) for pair in pairs) and any(pair[0] in changing for pair in pairs):
            return [[pair[0], stable(pair[1])] for pair in pairs if pair[0] not in changing]
        return [stable(x) for x in reply]
    return reply


def coarse_answers(client, begin):
    """What a day's minutes and hours tell as well as its seconds: whole hours."""
    replies = []
    for aggregate in ("sum", "min", "max", "count", "first", "last", "avg"):
        for host in HOSTS:
            keys = [f"{host}/host.queries.c.{item}.time_us" for item in ITEMS[:10]]
            replies.append(client.execute_command("RANGE", begin, begin + DAY, "STEP", 10 * HOUR, "AGGREGATE", aggregate,
                                                  "FORMAT", "flat", "KEYS", *keys))
    for rank in ("sum", "count", "max", "avg"):
        replies.append(client.execute_command("TOPQ", begin, begin + DAY, "host.queries.*.*.time_us", "RANK", rank,
                                              "FORMAT", "flat"))
    return [stable(reply) for reply in replies]


def idle(client, *names):
    """Nothing is due, and nothing fails."""
    lines = jobs(client)
    return all(lines[name]["state"] == "idle" and lines[name]["what"] == "" for name in names)


# ---- compact, downsample ----

def test_answers_stay_the_same_while_a_day_becomes_compact_and_coarser(longtaild):
    server = longtaild(**QUICK)
    client, database = server.client(), Database(server)
    owned(client)
    for name in ("compact", "downsample"):
        assert client.execute_command("JOBS", "PAUSE", name) == "OK"
    begin, hours = day_of(1), [3, 4, 15, 23]
    write(client, begin, hours)
    write(client, begin, hours, points=50)  # the same times again, with other values: folded
    flushed(client)
    before = answers(client, begin, hours)
    assert database.count(ARRIVAL, 1) == len(hours) and database.count(COMPACT, 1) == 0
    line = jobs(client)["compact"]
    assert line["state"] == "paused" and line["lag_s"] > 0 and line["what"] != ""

    assert client.execute_command("JOBS", "RESUME", "compact") == "OK"
    wait_for("compact", lambda: database.count(COMPACT, 1) == len(hours) and database.count(ARRIVAL, 1) == 0)
    assert answers(client, begin, hours) == before
    assert database.count(COMPACT, 60) == 0, "downsample is paused"

    assert client.execute_command("JOBS", "RESUME", "downsample") == "OK"
    wait_for("downsample", lambda: database.count(COMPACT, 60) == 1 and database.count(COMPACT, 3600) == 1)
    assert answers(client, begin, hours) == before
    wait_for("nothing is due", lambda: idle(client, "compact", "downsample"))
    assert jobs(client)["downsample"]["pieces"] == 1

    server.restart()
    client = server.client()
    owned(client)
    assert answers(client, begin, hours) == before


def test_late_points_are_compacted_and_downsampled_again(longtaild):
    server = longtaild(**QUICK)
    client, database = server.client(), Database(server)
    owned(client)
    begin, hours = day_of(1), [1, 2]
    write(client, begin, hours)
    wait_for("the day", lambda: database.count(COMPACT, 60) == 1 and database.count(ARRIVAL, 1) == 0)
    wait_for("nothing is due", lambda: idle(client, "compact", "downsample"))
    first = database.rows(f"SELECT id, points FROM `{database.name}`.manifest_4 WHERE resolution_s = 60 AND state = 4")
    client.execute_command("JOBS", "PAUSE", "compact")
    write(client, begin, [2, 7], seed=2)
    flushed(client)
    before = answers(client, begin, [1, 2, 7])
    client.execute_command("JOBS", "RESUME", "compact")

    def again():
        rows = database.rows(f"SELECT id, points FROM `{database.name}`.manifest_4"
                             " WHERE resolution_s = 60 AND state = 4")
        return database.count(ARRIVAL, 1) == 0 and rows[0][0] > first[0][0] and rows[0][1] > first[0][1]
    wait_for("the day is made again", again)
    assert answers(client, begin, [1, 2, 7]) == before


# ---- PAUSE, RESUME, RUN ----

def test_a_pause_survives_a_restart(longtaild):
    server = longtaild(**QUICK)
    client = server.client()
    owned(client)
    assert client.execute_command("JOBS", "PAUSE", "compact") == "OK"
    server.kill9()
    server.start()
    client = server.client()
    wait_for("paused", lambda: jobs(client)["compact"]["state"] == "paused")
    assert jobs(client)["expire"]["state"] == "idle"
    assert client.execute_command("JOBS", "RESUME", "COMPACT") == "OK"
    server.restart()
    client = server.client()
    owned(client)
    assert jobs(client)["compact"]["state"] == "idle"


def test_run_reprocesses_a_range(longtaild):
    server = longtaild(**QUICK)
    client, database = server.client(), Database(server)
    owned(client)
    begin, hours = day_of(1), [5, 6]
    write(client, begin, hours)
    wait_for("the day", lambda: database.count(COMPACT, 60) == 1 and database.count(ARRIVAL, 1) == 0)
    before = answers(client, begin, hours)
    client.execute_command("JOBS", "PAUSE", "compact")  # asked for, it runs all the same
    ids = set(database.rows(f"SELECT id FROM `{database.name}`.manifest_4 WHERE resolution_s = 1 AND state = 4"))
    reply = client.execute_command("JOBS", "RUN", "compact", begin + 5 * HOUR + 1800, begin + 6 * HOUR)
    assert reply.startswith("QUEUED compact ") and reply.endswith(", 0 before it")

    def one_is_new():
        now = set(database.rows(f"SELECT id FROM `{database.name}`.manifest_4"
                                " WHERE resolution_s = 1 AND state = 4 AND kind = 2"))
        return len(now - ids) == 1 and len(now) == 2
    wait_for("hour 5 is made again", one_is_new)
    wait_for("no request waits", lambda: jobs(client)["compact"]["asked"] == 0)
    assert answers(client, begin, hours) == before
    pieces = jobs(client)["downsample"]["pieces"]
    client.execute_command("JOBS", "RUN", "downsample", begin, begin + DAY)
    wait_for("the day is made again", lambda: jobs(client)["downsample"]["pieces"] > pieces)
    assert answers(client, begin, hours) == before
    write(client, begin, [9], seed=3)  # compact is paused: the day is not to be had now
    flushed(client)
    client.execute_command("JOBS", "RUN", "downsample", begin, begin + DAY)
    wait_for("a reason", lambda: "not all of it is compact yet" in jobs(client)["downsample"]["asked_error"])
    wait_for("no request waits", lambda: jobs(client)["downsample"]["asked"] == 0)


@pytest.mark.parametrize("words, expected", [
    (["PAUSE", "compacct"], "no job 'compacct', expected one of: compact, downsample, expire"),
    (["RUN", "expire", "1", "2"], "goes by the clock alone"),
    (["RUN", "compact", "2", "2"], "from must be before to"),
    (["RUN", "compact", "yesterday", "now"], "bad from 'yesterday', expected Unix seconds"),
    (["RUN", "compact"], "wrong number of arguments"),
    (["STOP", "compact"], "unknown subcommand 'STOP'. Try JOBS HELP."),
])
def test_errors_teach(longtaild, words, expected):
    client = longtaild(**QUICK).client()
    owned(client)
    with pytest.raises(redis.ResponseError, match=expected.replace("'", ".").replace("(", ".")):
        client.execute_command("JOBS", *words)


def test_status_says_how_the_jobs_are(longtaild):
    client = longtaild(**QUICK).client()
    owned(client)
    page = client.execute_command("STATUS", "jobs")
    assert page[0] == "# jobs" and "compact_state: idle" in page and "expire_pieces: 0" in page


def test_a_process_without_the_role_says_so(longtaild):
    client = longtaild(roles="ingest,store,query").client()
    with pytest.raises(redis.ResponseError, match="needs the role jobs"):
        client.execute_command("JOBS")


# ---- expire ----

def keep_seconds_for_an_hour(server):
    server.terminate()
    server.options["keep_1s"] = "1h"
    server.start()
    client = server.client()
    owned(client)
    return client


def test_seconds_leave_once_they_are_downsampled(longtaild):
    server = longtaild(**QUICK, query_deadline="500ms")
    client, database = server.client(), Database(server)
    owned(client)
    client.execute_command("JOBS", "PAUSE", "downsample")
    begin = day_of(2)
    write(client, begin, [8, 9])
    wait_for("compact", lambda: database.count(COMPACT, 1) == 2 and database.count(ARRIVAL, 1) == 0)
    client = keep_seconds_for_an_hour(server)
    wait_for("expire waits", lambda: "waits for compact and downsample" in jobs(client)["expire"]["error"])
    time.sleep(0.5)
    assert database.count(COMPACT, 1) == 2, "nothing leaves that is not downsampled"
    before = coarse_answers(client, begin)
    client.execute_command("JOBS", "RESUME", "downsample")
    wait_for("seconds leave", lambda: database.count(COMPACT, 1) == 0)
    assert database.count(COMPACT, 60) == 1 and database.count(COMPACT, 3600) == 1
    wait_for("tables are dropped", lambda: database.left() == 0)
    ranges = {table for table in database.tables() if f"_{begin + 8 * HOUR}_" in table}
    assert ranges == set(), "disk space is given back"
    wait_for("nothing is due", lambda: idle(client, "expire", "downsample"))
    assert coarse_answers(client, begin) == before


RULES = [("sum", 60000), ("avg", 60000), ("max", 7 * 60000), ("count", HOUR * 1000)]


def rule_answers(client):
    return {f"{aggregator}/{bucket}": client.execute_command("TS.RANGE", f"rule/{aggregator}.{bucket}", "-", "+")
            for aggregator, bucket in RULES}


def test_rows_of_rules_outlive_seconds(longtaild):
    """Minutes and hours answer where there are no seconds any more; so they do for TS.RANGE without ends."""
    server = longtaild(**QUICK, query_deadline="2s")
    client, database = server.client(), Database(server)
    owned(client)
    client.execute_command("JOBS", "PAUSE", "downsample")
    begin = day_of(2)
    client.execute_command("TS.CREATE", "db1/source")
    for aggregator, bucket in RULES:
        client.execute_command("TS.CREATE", f"rule/{aggregator}.{bucket}")
        client.execute_command("TS.CREATERULE", "db1/source", f"rule/{aggregator}.{bucket}", "AGGREGATION", aggregator,
                               bucket)
    chance = random.Random(3)
    for hour in (8, 9):
        words = []
        for second in range(0, HOUR, 20):
            words += ["db1/source", (begin + hour * HOUR + second) * 1000, chance.randrange(100)]
        client.execute_command("TS.MADD", *words)
    before = rule_answers(client)
    assert len(before["sum/60000"]) == 119 and len(before[f"count/{HOUR * 1000}"]) == 1
    coarse = ["TS.RANGE", "db1/source", "-", "+", "AGGREGATION", "sum", HOUR * 1000]
    hours = client.execute_command(*coarse)
    wait_for("compact", lambda: database.count(COMPACT, 1) == 2 and database.count(ARRIVAL, 1) == 0)
    assert rule_answers(client) == before
    client = keep_seconds_for_an_hour(server)
    client.execute_command("JOBS", "RESUME", "downsample")
    wait_for("seconds leave", lambda: database.count(COMPACT, 1) == 0)
    assert client.execute_command(*coarse) == hours
    assert rule_answers(client) == before
    now = (begin + 10 * HOUR) * 1000
    client.execute_command("TS.ADD", "db1/source", now, 1)
    after = rule_answers(client)
    for name, rows in before.items():
        assert after[name][:len(rows)] == rows, name
    assert len(after[f"count/{HOUR * 1000}"]) == 2


# ---- crashes ----

FAILPOINTS = ["jobs.piece:1", "jobs.piece:2", "jobs.piece:3", "run.create.after:3", "publish.commit.before:3",
              "publish.commit.after:3", "publish.out.after:2", "publish.in.after:3", "drop.table.after:1"]


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_crash_leaves_old_or_new(longtaild, failpoint):
    server = longtaild(**QUICK, query_deadline="1s")
    client, database = server.client(), Database(server)
    owned(client)
    client.execute_command("JOBS", "PAUSE", "compact")
    begin, hours = day_of(1), [3, 4]
    write(client, begin, hours, points=100)
    flushed(client)
    before = answers(client, begin, hours)
    server.kill9()
    server.start(environment={"LONGTAIL_FAILPOINT": failpoint})
    with contextlib.suppress(redis.ConnectionError):  # it may die before it answers
        client = server.client()
        owned(client)
        client.execute_command("JOBS", "RESUME", "compact")
    server.process.wait(30)
    server.start()
    client = server.client()
    owned(client)
    client.execute_command("JOBS", "RESUME", "compact")  # where it died before that
    wait_for("the day", lambda: database.count(COMPACT, 60) == 1 and database.count(ARRIVAL, 1) == 0)
    wait_for("nothing is due", lambda: idle(client, "compact", "downsample", "expire") and database.left() == 0)
    assert database.count(COMPACT, 1) == len(hours) and database.count(COMPACT, 3600) == 1
    assert answers(client, begin, hours) == before
