"""Items that were not seen for longer than anything is kept are forgotten, and nothing else is: not one that speaks while
it is doomed, not one that any run still holds; and every process agrees on who is who."""

import time

import pytest

from check.inspect import inspect, verify
from check.resp import Client, Error

HOUR, DAY = 3600, 86400
STEM = "host.queries.c"
ITEMS, TODAY, ODD = 60, 10, 5  # of them: also seen today; and also at an odd time, long ago
JOBS = {"jobs_interval": "50ms", "compact_grace": "0ms", "compact_late": "0ms", "flush_interval": "50ms",
        "forget_every": "1s"}
KEEP_LONG = {"keep_1s": "10d", "forget_wait": "200ms"}
KEEP_SHORT = {"keep_1s": "1h", "keep_1m": "1h", "keep_1h": "1h"}


def metric(item, dimension="time_us"):
    return f"{STEM}.{item:016x}.{dimension}"


def say(client, *words):
    reply = client.call(*words)
    assert not isinstance(reply, Error), reply
    return reply


def wait_for(what, client=None, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > deadline:
            told = [client.call(word) for word in ("JOBS", "STATUS", "REQUESTS")] if client else ""
            raise AssertionError(f"it does not happen {told}")
        time.sleep(0.05)


def runs(server):
    lines = [line.split() for line in inspect(server, "tables").splitlines() if line[:8].strip().isdigit()]
    return [(words[1], " ".join(words[2:words.index("s") - 1]), int(words[words.index("s") - 1])) for words in lines]


def items(client, name=f"{STEM}.*"):
    reply = client.call("CATEGORY", "LIST")
    if isinstance(reply, Error):
        return None  # it is being loaded
    return {category: count for category, _, count, *_ in reply}.get(name)


def forget_pieces(client):
    lines = [dict(zip(one[::2], one[1::2])) for one in say(client, "JOBS")]
    return next(line["pieces"] for line in lines if line["name"] == "forget")


def points(client, item, host="db1"):
    reply = client.call("TS.RANGE", f"{host}/{metric(item)}", "-", "+")
    return None if isinstance(reply, Error) else [(at, float(value)) for at, value in reply]


class Story:
    """All items were seen three days ago; some of them at other times, too."""

    def __init__(self):
        self.today_s = int(time.time())
        self.old_s = self.today_s // DAY * DAY - 3 * DAY + HOUR

    def write(self, client):
        for dimension in ("time_us", "tput"):
            words = [word for item in range(ITEMS) for word in (metric(item, dimension), item + 1)]
            say(client, "OBSERVE", "db1", self.old_s, *words)
        words = [word for item in range(TODAY) for word in (metric(item), 1000 + item)]
        say(client, "OBSERVE", "db1", self.today_s, *words)
        for item in range(TODAY, TODAY + ODD):
            say(client, "OBSERVE", "db1", 1000 + item, metric(item), 7)
        say(client, "ITEM", "TEXT", f"{STEM}.{ITEMS - 1:016x}", "SELECT old")

    def prepare(self, server):
        """Until the old day is all there is of it, in runs that may leave. Hours that the first server had not stored when
        it ended are found in the runs by the second one."""
        with Client(server.port) as client:
            self.write(client)
            wait_for(lambda: items(client) == ITEMS, client)
            wait_for(lambda: ("compact", "in force", 3600) in runs(server), client)
        server.restart()
        with Client(server.port) as client:
            wait_for(lambda: forget_pieces(client) >= 2, client)
        assert server.terminate() == 0
        server.options |= KEEP_SHORT

    def check(self, client, more=0):
        assert items(client) == TODAY + ODD + more
        for item in range(TODAY):
            assert points(client, item) == [(self.today_s * 1000, 1000 + item)]
        for item in range(TODAY, TODAY + ODD):
            assert points(client, item) == [((1000 + item) * 1000, 7)]
        assert points(client, ITEMS - 2) is None
        rows = say(client, "TOPQ", self.today_s - 60, self.today_s + 60, f"{STEM}.*.time_us", "LIMIT", 3,
                   "MATCH", "0" * 15)
        assert f"{TODAY - 1:016x}" in str(rows) and "SELECT old" not in str(rows)


def test_what_is_unseen_is_forgotten_and_its_name_begins_anew(longtaild):
    server, story = longtaild(**JOBS, **KEEP_LONG), Story()
    story.prepare(server)
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: items(client) == TODAY + ODD)
        story.check(client)
        again = ITEMS - 1
        say(client, "OBSERVE", "db1", story.today_s + 1, metric(again), 5)
        assert points(client, again) == [((story.today_s + 1) * 1000, 5)]
        story.check(client, more=1)
    server.kill9()
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: items(client) is not None)
        story.check(client, more=1)
        assert points(client, again) == [((story.today_s + 1) * 1000, 5)]
        # The next rounds find nobody.
        time.sleep(2.5)
        story.check(client, more=1)
        line = next(job for job in say(client, "JOBS") if "forget" in job)
        assert "failing" not in line, line
    verify(server)


def test_who_speaks_while_doomed_stays(longtaild):
    """Also with a point of long ago: what names an item takes its mark away, whatever the time."""
    server, story = longtaild(**JOBS, **KEEP_LONG), Story()
    story.prepare(server)
    server.options["forget_wait"] = "4s"
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: "doomed, round" in server.log_tail())
        now, old = ITEMS - 1, ITEMS - 2
        say(client, "OBSERVE", "db1", story.today_s + 1, metric(now), 5)
        say(client, "OBSERVE", "db2", story.old_s, metric(old), 6)
        wait_for(lambda: items(client) == TODAY + ODD + 2)
        assert points(client, now) == [((story.today_s + 1) * 1000, 5)]
        assert points(client, old, "db2") == [(story.old_s * 1000, 6)]
    server.restart()
    with Client(server.port) as client:
        wait_for(lambda: items(client) is not None)
        assert items(client) == TODAY + ODD + 2
        assert points(client, now) == [((story.today_s + 1) * 1000, 5)]
        assert points(client, old, "db2") == [(story.old_s * 1000, 6)]
    verify(server)


@pytest.mark.parametrize("failpoint", ["forget.doomed", "forget.marked", "forget.chosen", "forget.appended",
                                       "forget.done", "flush.doom:1", "flush.doom:2", "flush.doom:3",
                                       "flush.forget.read.after", "flush.forget.delete.after",
                                       "flush.forget.texts.after", "flush.commit.before"])
def test_a_crash_on_the_way_is_repeated(longtaild, failpoint):
    server, story = longtaild(**JOBS, **KEEP_LONG), Story()
    story.prepare(server)
    server.start(ready_s=None, environment={"LONGTAIL_FAILPOINT": failpoint if ":" in failpoint else f"{failpoint}:1"})
    server.process.wait(60)
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: items(client) == TODAY + ODD)
        story.check(client)
        for item in range(ITEMS - 4, ITEMS):
            say(client, "OBSERVE", "db1", story.today_s + 1, metric(item), item)
            assert points(client, item) == [((story.today_s + 1) * 1000, item)]
    verify(server)


def test_a_query_process_agrees(longtaild):
    """It follows the log beside the owner, and gives the same ids: what the owner stores of the new names, it reads."""
    owner, story = longtaild(log="kafka", roles="ingest,store,query,jobs", **JOBS, **KEEP_LONG), Story()
    story.prepare(owner)
    reader = longtaild(**owner.shared, roles="query", flush_interval="100ms")
    owner.start()
    with Client(owner.port) as o, Client(reader.port) as r:
        wait_for(lambda: items(o) == TODAY + ODD, o)
        wait_for(lambda: items(r) == TODAY + ODD)
        story.check(r)
        at = story.today_s + 5
        for n in range(40):
            item = ITEMS - 1 - n % 20  # forgotten ones, twice each
            receipt = say(o, "OBSERVE", "db1", at + n, metric(item), n)
            reply = say(r, "TOPQ", at + n, at + n + 1, f"{STEM}.*.time_us", "LIMIT", 1, "FORMAT", "flat",
                        "AFTER", receipt)
            assert f"{item:016x}" in str(reply[1]), reply
        for item in range(ITEMS - 20, ITEMS):
            assert points(r, item) == points(o, item) and len(points(o, item)) == 2
        assert items(r) == items(o) == TODAY + ODD + 20
    fresh = longtaild(**owner.shared, roles="query")
    with Client(owner.port) as o, Client(fresh.port) as f:
        wait_for(lambda: items(f) is not None)
        for item in range(ITEMS - 20, ITEMS):
            assert points(f, item) == points(o, item)


def test_a_new_item_is_refused_above_the_quota(longtaild):
    """Known ones are taken, in whatever dimension; forgetting makes room again."""
    server, story = longtaild(**JOBS, **KEEP_LONG, items_max=ITEMS), Story()
    story.prepare(server)
    server.options["forget_wait"] = "4s"
    server.start()
    with Client(server.port) as client:
        at = story.today_s
        wait_for(lambda: items(client) is not None)
        for words in (("OBSERVE", "db1", at, metric(0), 1, metric(ITEMS), 1), ("TS.ADD", metric(ITEMS), at * 1000, 1),
                      ("ITEM", "TEXT", f"{STEM}.{ITEMS:016x}", "SELECT 1")):
            reply = client.call(*words)
            assert isinstance(reply, Error) and "items-max" in reply and str(ITEMS) in reply, reply
        say(client, "OBSERVE", "db1", at, metric(0, "errors"), 1)
        reply = say(client, "TS.MADD", metric(0), at * 1000, 1, metric(ITEMS), at * 1000, 1, metric(1), at * 1000, 1)
        assert reply[0] == reply[2] == at * 1000 and isinstance(reply[1], Error) and "items-max" in reply[1]
        assert points(client, 0)[-1] == (at * 1000, 1000)  # nothing of the command that was refused
        wait_for(lambda: items(client) == TODAY + ODD, client)
        say(client, "OBSERVE", "db1", at, metric(ITEMS), 1)
        assert points(client, ITEMS) == [(at * 1000, 1)]


def test_what_is_declared_is_not_forgotten(longtaild):
    """Its points leave by retention, and itself stays, through rounds, a kill and a restart; dropped, it goes like others."""
    server, story = longtaild(**JOBS, **KEEP_LONG), Story()
    kept = f"db1/{metric(ITEMS - 3)}"
    with Client(server.port) as client:
        assert say(client, "TS.CREATE", kept, "LABELS", "stays", "yes") == "OK"
    story.prepare(server)
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: items(client) == TODAY + ODD + 1, client)
        rounds = forget_pieces(client)
        wait_for(lambda: forget_pieces(client) >= rounds + 2, client)
        assert items(client) == TODAY + ODD + 1
        assert say(client, "TS.QUERYINDEX", "stays=yes") == [kept]
    server.kill9()
    server.start()
    with Client(server.port) as client:
        wait_for(lambda: items(client) is not None)
        assert say(client, "TS.QUERYINDEX", "stays=yes") == [kept]
        assert say(client, "DEL", kept) == 1
        wait_for(lambda: items(client) == TODAY + ODD, client)
