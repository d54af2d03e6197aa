"""Runs a client's suite against a longtaild, restarts and kills that when asked, and judges (clients/README.md)."""

import json
import os
import queue
import random
import subprocess
import threading
import time

from .result import Results, judge
from .server import new_server

CLIENTS = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "clients")
SILENCE_S = 90
ITEM_METRIC = "story1/host.queries.q.{}.time_us"

STEPS = ("connect protocol create create-twice add add-now add-declares madd madd-part get get-missing range range-count "
         "range-value range-buckets revrange mget mrange mrange-group queryindex info alter incrby block ignore del rule "
         "observe topq draw errors pipeline transaction keys drop restart stream-add stream-sum stream-count").split()


def content(t):
    """Which points the story leaves: step that wrote them → key → points."""
    at = [t + i * 1000 for i in range(101)]
    return {
        "del": {"story:temp:1": [(at[0], 20.5), (at[1], 21.5), (at[2], 22.5)],
                "story:temp:2": [(at[0], 10.5), (at[60], 11.5)]},
        "incrby": {"story:level": [(at[0], 2), (at[1], 5), (at[2], 4)]},
        "block": {"story:block": [(t, 1)]},
        "ignore": {"story:calm": [(t, 1)]},
        "rule": {"story:raw": [(at[0], 1), (at[1], 3), (at[60], 10)], "story:avg": [(t, 2)]},
        "observe": {ITEM_METRIC.format("1374c6821ead6f47"): [(t, 600)],
                    ITEM_METRIC.format("2486d7932fbe7058"): [(t, 300)],
                    ITEM_METRIC.format("3597e8a43fcf8169"): [(t, 100)]},
        "pipeline": {"story:pipe": [(at[i], i) for i in range(101) if i != 50]},
        "transaction": {"story:tx": [(at[0], 1), (at[1], 2)]},
        "restart": {"story:restart": [(t, 1)]},
    }


def stream_content(name, t, count):
    value = {"add": lambda i: i, "sum": lambda i: i + 1, "count": lambda i: i + 1}[name]
    return [(t + i * 1000, value(i)) for i in range(count)]


def expected_failures():
    """step → why, of all clients."""
    with open(os.path.join(CLIENTS, "expected.json")) as f:
        return json.load(f)


class Suite:
    """One running suite: its lines, and its ends of two pipes."""

    def __init__(self, argv, environment):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, errors="replace", bufsize=1, env={**os.environ, **environment})
        self.lines = queue.Queue()
        self.errors = []
        threading.Thread(target=self._read_lines, daemon=True).start()
        self._errors = threading.Thread(target=lambda: self.errors.extend(self.child.stderr), daemon=True)
        self._errors.start()

    def _read_lines(self):
        for line in self.child.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next_line(self):
        return self.lines.get(timeout=SILENCE_S)

    def answer(self):
        try:
            self.child.stdin.write("done\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; its missing lines say so

    def end(self):
        self.child.kill() if self.child.poll() is None else None
        self.child.wait(30)
        self._errors.join(5)
        return "".join(self.errors[-20:]).strip()


def read_points(client, key):
    try:
        return [(at, float(value)) for at, value in client.execute_command("TS.RANGE", key, "-", "+")]
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def check_content(results, server, where, t, outcomes, wrote):
    """Reads everything back itself: nothing lost, nothing twice."""
    client = server.client(protocol=2)
    for step, keys in content(t).items():
        if outcomes.get(step, "absent") is not None:
            continue  # judged already
        for key, points in keys.items():
            got = read_points(client, key)
            results.check(f"{where} content of {key}", got == points, f"expected {points[:4]}…, it has {str(got)[:300]}")
    for name in ("add", "sum", "count"):
        if outcomes.get(f"stream-{name}", "absent") is None:
            key = f"story:stream:{name}"
            wanted = stream_content(name, t, wrote.get(key, -1))
            got = read_points(client, key)
            results.check(f"{where} content of {key}", got == wanted and len(wanted) >= 100, difference(got, wanted))
    client.close()


def difference(got, wanted):
    if not isinstance(got, list):
        return got
    lost, more = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    return f"{len(wanted)} points were acknowledged, there are {len(got)}; lost: {lost[:5]}; too many: {more[:5]}"


def tell(suite, server, seed):
    """Until the suite ends. Its outcomes, what it wrote, and how often it was served."""
    outcomes, wrote, served = {}, {}, []
    chance = random.Random(seed)
    while (line := suite.next_line()) is not None:
        word, _, rest = line.partition(" ")
        if line == "ask restart":
            server.restart()
            suite.answer()
        elif line == "ask kill":
            time.sleep(chance.random() * 0.05)  # anywhere in the stream
            server.kill9()
            server.start()
            suite.answer()
        elif word == "ok":
            outcomes[rest] = None
        elif line.startswith("not ok "):
            name, _, why = line[7:].partition(": ")
            outcomes[name] = why or "failed"
        elif word == "wrote":
            key, _, count = rest.rpartition(" ")
            wrote[key] = int(count)
        if word == "ask":
            served.append(rest)
    return outcomes, wrote, served


def run_story(name, argv, protocol, stack, folder, environment=None, seed=None):
    """One suite, one protocol, a longtaild of its own."""
    results = Results()
    seed = random.randrange(1 << 32) if seed is None else seed
    where = f"{name} RESP{protocol}"
    server = new_server(stack, folder)
    try:
        t = (int(time.time()) // 60 - 20) * 60000
        suite = Suite([*argv, "127.0.0.1", str(server.port), str(protocol), str(t)], environment or {})
        try:
            outcomes, wrote, served = tell(suite, server, seed)
        except queue.Empty:
            outcomes, wrote, served = {}, {}, []
            results.check(where, False, f"it was silent for {SILENCE_S} s")
        said = suite.end()
        results.check(f"{where} ends", suite.child.returncode == 0, f"exit status {suite.child.returncode}: {said}")
        results.check(f"{where} was restarted and killed", served == ["restart", "kill"], f"it asked for {served}")
        missing = [step for step in STEPS if step not in outcomes]
        results.check(f"{where} tells all", not missing, f"no word of {missing}; it said at the end: {said[-500:]}")
        judge(results, outcomes, expected_failures(), where)
        check_content(results, server, where, t, outcomes, wrote)
    finally:
        server.end()
    return results
