"""longtail-agent against a server whose answers are chosen: nothing is lost silently."""

import os
import re
import signal
import subprocess
import time

import pymysql
import pytest

from check.fakeserver import FakeServer

AGENT = os.path.join(os.environ.get("BUILD", "build"), "longtail-agent")
COLLECTORS = {"cpu", "memory", "load", "disk", "net", "procs"}


def always_ok(words):
    return b"+OK\r\n"


def seconds(server, collector):
    """The seconds for which this collector's observation was received, in order."""
    return [int(w[2]) for w in server.observations() if f"host.{collector}.heartbeat" in w]


@pytest.fixture
def start(tmp_path):
    running = []

    def start_agent(port, *options):
        log = open(tmp_path / "agent.log", "wb")
        process = subprocess.Popen([AGENT, "--server", f"127.0.0.1:{port}", "--host", "h1", *options], stderr=log)
        process.log = lambda: (tmp_path / "agent.log").read_text()
        running.append(process)
        return process

    yield start_agent
    for process in running:
        process.kill()
        process.wait()


def stop(process, limit_s=10):
    process.send_signal(signal.SIGTERM)
    assert process.wait(limit_s) == 0


def test_each_second_of_each_collector_once(start):
    server = FakeServer(always_ok)
    agent = start(server.port)
    server.wait(lambda s: len(seconds(s, "procs")) >= 4)
    stop(agent)
    names = server.names()
    assert set(names[:names.index("OBSERVE")]) == {"CATEGORY"}, "categories first: a series keeps the one it gets"
    for collector in COLLECTORS:
        got = seconds(server, collector)
        assert got == list(range(got[0], got[0] + len(got))), collector
    for received, words in server.commands:
        if words[0] != "OBSERVE":
            continue
        assert words[1] == "h1"
        assert 0 <= received - int(words[2]) < 0.9, "measured at the second's beginning, sent at once"
        deltas = [float(v) for m, v in zip(words[3::2], words[4::2]) if re.match(r"host\.(disk|net|cpu\.total)\.", m)]
        assert 0 not in [v for v in deltas], words
    assert "lost" not in agent.log()


def test_an_outage_of_the_log_costs_nothing(start):
    """While the server cannot store, one command asks whether it can again; all is kept and sent then."""
    down = False

    def answer(words):
        if down and words[0] in ("OBSERVE", "ITEM"):
            return b"-KAFKA failed: not stored\r\n"
        return b"-KAFKA failed: not ready\r\n" if down and words[0] == "READY" else b"+OK\r\n"

    server = FakeServer(answer)
    agent = start(server.port)
    server.wait(lambda s: len(seconds(s, "load")) >= 2)
    down = True
    server.wait(lambda s: s.names().count("READY") >= 3, 30)
    assert server.names()[-1] == "READY", "nothing else is tried meanwhile"
    down = False
    back = time.time()
    server.wait(lambda s: any(t > back + 2 and w[0] == "OBSERVE" for t, w in s.commands), 20)
    stop(agent)
    got = sorted(set(seconds(server, "load")))
    assert got == list(range(got[0], got[-1] + 1)), "a second is missing"
    assert "lost" not in agent.log()


def test_a_server_that_is_away(start):
    server = FakeServer(always_ok)
    agent = start(server.port)
    server.wait(lambda s: len(seconds(s, "load")) >= 2)
    server.close()
    time.sleep(4)
    again = FakeServer(always_ok, server.port)
    again.wait(lambda s: len(seconds(s, "load")) >= 6)
    stop(agent)
    got = sorted(set(seconds(server, "load") + seconds(again, "load")))
    assert got == list(range(got[0], got[-1] + 1))
    assert "lost" not in agent.log()


def test_what_is_refused_is_dropped_counted_and_said(start):
    server = FakeServer(lambda words: b"-ERR no such thing\r\n" if words[0] == "OBSERVE" else b"+OK\r\n")
    agent = start(server.port)
    server.wait(lambda s: len(seconds(s, "load")) >= 3)
    stop(agent)
    assert len(set(seconds(server, "load"))) == len(seconds(server, "load")), "refused is refused: never again"
    log = agent.log()
    assert "no such thing" in log
    assert sum(int(n) for n in re.findall(r"(\d+) refused", log)) == len(server.observations())
    assert log.count("\n") < 10, "one line an event kind, not one a command"


def test_a_command_is_given_up_after_five_tries(start):
    """The log is ready, yet one observation is never stored: it must not stop the others for ever."""
    poisoned = None

    def answer(words):
        nonlocal poisoned
        if words[0] == "OBSERVE" and "host.load.heartbeat" in words:
            poisoned = poisoned or words[2]
            if words[2] == poisoned:
                return b"-BUSY not stored, try again\r\n"
        return b"+OK\r\n"

    server = FakeServer(answer)
    agent = start(server.port)
    server.wait(lambda s: "after 5 tries" in agent.log() or (poisoned and max(seconds(s, "load")) > int(poisoned)), 40)
    stop(agent)
    assert seconds(server, "load").count(int(poisoned)) == 5
    assert re.search(r"\b1 after 5 tries", agent.log())


def test_a_full_ring_drops_the_oldest_and_says_how_many(start):
    server = FakeServer(lambda words: b"+OK\r\n" if words[0] == "CATEGORY" else None)
    agent = start(server.port, "--ring-bytes-max", "16kb")
    memory = f"/proc/{agent.pid}/statm"
    deadline = time.time() + 60
    while "because the ring was full" not in agent.log():
        assert time.time() < deadline, agent.log()
        time.sleep(0.5)
    assert re.search(r"[1-9]\d* because the ring was full", agent.log())
    with open(memory) as f:
        assert int(f.read().split()[1]) * 4096 < 64 << 20
    stop(agent)
    assert re.search(r"leaving with \d+ commands that were not acknowledged", agent.log())


def test_term_sends_what_is_held(start):
    slow = FakeServer(lambda words: time.sleep(0.03) or b"+OK\r\n")
    agent = start(slow.port)
    slow.wait(lambda s: len(s.observations()) >= 6)
    stop(agent)
    assert "not acknowledged" not in agent.log()


def test_it_uses_little_cpu_when_nobody_listens(start):
    server = FakeServer(always_ok)
    server.close()
    agent = start(server.port)
    time.sleep(5)
    with open(f"/proc/{agent.pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    assert (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") < 0.5, "seconds of CPU in 5 s"
    stop(agent)
    assert agent.log().count("\n") < 12


def test_statements_of_a_real_mariadb(start, stack):
    """Executions are counted exactly; an emptied table shows as a gap, never as a negative or a huge number."""
    server = FakeServer(always_ok)
    path = stack.mariadb.address.removeprefix("unix:")
    agent = start(server.port, "--mysql-socket", path)
    database = pymysql.connect(unix_socket=path, user="root", autocommit=True).cursor()

    def texts():
        with server.lock:
            return {w[3]: w[2] for _, w in server.commands if w[:2] == ["ITEM", "TEXT"]}

    def counts(stem, dimension):
        return [float(w[w.index(f"{stem}.{dimension}") + 1]) for w in server.observations()
                if f"{stem}.{dimension}" in w]

    server.wait(lambda s: len(seconds(s, "queries")) >= 1)
    for n in range(7):
        database.execute(f"SELECT 40 + {n} AS of_this_test")
        time.sleep(0.3)
    text = "SELECT ? + ? AS `of_this_test`"
    server.wait(lambda s: text in texts())
    stem = texts()[text]
    assert re.fullmatch(r"host\.queries\.q\.[0-9a-f]{16}", stem)
    server.wait(lambda s: sum(counts(stem, "tput")) == 7)
    assert sum(counts(stem, "rows")) == 7 and sum(counts(stem, "time_us")) > 0
    database.execute("TRUNCATE performance_schema.events_statements_summary_by_digest")
    time.sleep(2.2)
    for n in range(3):
        database.execute(f"SELECT 40 + {n} AS of_this_test")
    server.wait(lambda s: sum(counts(stem, "tput")) == 10)
    time.sleep(1.5)
    assert sum(counts(stem, "tput")) == 10
    with server.lock:
        assert [w[2] for _, w in server.commands if w[0] == "ITEM"].count(stem) == 1, "its text is sent once"
    assert any("host.mysql.Com_select" in w for w in server.observations())
    assert all(float(v) > 0 for w in server.observations() for m, v in zip(w[3::2], w[4::2])
               if m.startswith("host.queries."))
    stop(agent)


def test_once_prints_commands():
    done = subprocess.run([AGENT, "--once", "--host", "h1"], capture_output=True, text=True, timeout=15)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("OBSERVE h1 ")]
    assert {re.search(r" host\.(\w+)\.heartbeat 1$", line).group(1) for line in lines} == COLLECTORS


def test_bad_options_say_what_was_expected():
    for options, expected in ((["--server", "nowhere"], "address:port"), (["--host", "a/b"], "without '/'"),
                              (["--interval", "0"], "from 1 to 60")):
        done = subprocess.run([AGENT, *options], capture_output=True, text=True, timeout=5)
        assert done.returncode == 1 and expected in done.stderr, done.stderr
