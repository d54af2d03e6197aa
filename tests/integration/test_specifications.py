"""The command table as people meet it: each example of redis-compat/commands/ runs, errors say what to type, redis-cli shows hints."""

import fcntl
import glob
import json
import os
import pty
import re
import secrets
import select
import shlex
import struct
import subprocess
import termios
import time

import pytest
import redis

from harness import Longtaild

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
WAIT_S = 20


def specifications():
    """{what one types: its specification}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "redis-compat", "commands", "*.json"))):
        with open(path, encoding="utf-8") as file:
            for name, spec in json.load(file).items():
                found[f"{spec['container']} {name}" if "container" in spec else name] = spec
    return found


SPECIFICATIONS = specifications()
EXAMPLES = [(name, example) for name, spec in SPECIFICATIONS.items() for example in spec.get("examples", [])]
# Examples that need what a server alone does not have: how its answer begins.
NEEDS_MORE = {
    "AUTH secret": "AUTH <password> called without any password",
    "REQUEST KILL 42": "no request 42 is in flight",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, stack):
    """One for all tests of this file, which leave nothing behind that another minds."""
    folder = tmp_path_factory.mktemp("specifications")
    server = Longtaild(folder, log="local", local_log_dir=folder / "log", node="specifications", mysql=stack.mariadb.address, mysql_user="root",
                       mysql_password="", mysql_prefix=f"t{secrets.token_hex(4)}_")
    server.start()
    wait_owned(server)
    yield server
    server.end()


def wait_owned(server):
    """Jobs are asked of who owns the partition."""
    deadline = time.monotonic() + WAIT_S
    with server.client() as client:
        while True:
            try:
                return client.execute_command("JOBS", "RESUME", "compact")
            except redis.ResponseError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def plain(server, protocol=2):
    """Replies as they come, whatever redis-py would make of them."""
    client = server.client(protocol, socket_timeout=WAIT_S)
    client.response_callbacks.clear()
    return client


def first_shown(name):
    """What stands first in its usage; None: nothing, or a choice."""
    arguments = SPECIFICATIONS[name].get("arguments", [])
    if not arguments or "arguments" in arguments[0]:
        return None
    return arguments[0].get("token") or arguments[0]["name"]


RULE = ("db1/host.cpu.user", "db1/host.cpu.user_1m")


def prepare(client, example="PING"):
    """What examples are about; but for what one creates itself."""
    client.execute_command("FLUSHDB")
    words = shlex.split(example)
    for key, labels in (("db1/host.cpu.user", ("region", "eu", "rack", "r1")), ("db1/host.cpu.system", ("region", "eu")),
                        ("db1/app.seats", ()), (RULE[1], ())):
        if words[0] == "TS.CREATE" and key in words:
            continue
        client.execute_command("TS.CREATE", key, "LABELS", *labels)
        if key != RULE[1]:
            client.execute_command("TS.MADD", *[x for at in (1424444280000, 1424444340000, 1424444400000) for x in (key, at, 1)])
    if words[0] == "TS.DELETERULE":
        client.execute_command("TS.CREATERULE", *RULE, "AGGREGATION", "avg", 60000)


def test_every_command_has_an_example_or_needs_none():
    without = {name for name, spec in SPECIFICATIONS.items()
               if not spec.get("examples") and abs(spec["arity"]) > len(name.split()) and "subcommands" not in spec}
    containers = {spec["container"] for spec in SPECIFICATIONS.values() if "container" in spec}
    assert without - containers <= {"CLIENT NO-EVICT", "CLIENT NO-TOUCH", "CLIENT REPLY"}, "one word that the hint shows"


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_example_answers(server, protocol):
    failed = []
    with plain(server) as setup:
        for name, example in EXAMPLES:
            prepare(setup, example)
            with plain(server, protocol if not example.startswith("HELLO") else 3) as client:
                try:
                    reply = client.execute_command(*shlex.split(example))
                    error = str(reply[0]) if isinstance(reply, list) and reply and isinstance(reply[0], Exception) else None
                except redis.RedisError as raised:
                    error = str(raised)
            wanted = NEEDS_MORE.get(example)
            if (error is None) != (wanted is None) or not (error or "").startswith(wanted or ""):
                failed.append((example, error))
        setup.execute_command("JOBS", "RESUME", "compact")
        setup.execute_command("JOBS", "RESUME", "downsample")
    assert not failed


def test_too_few_arguments_are_told_what_is_missing(server):
    silent = []
    with plain(server) as client:
        for name, spec in SPECIFICATIONS.items():
            words = name.split()
            least = abs(spec["arity"])
            for count in range(len(words), least):
                with pytest.raises(redis.ResponseError) as raised:
                    client.execute_command(*words, *["x"] * (count - len(words)))
                text = str(raised.value)
                if f"expected: {name}" not in text or (first_shown(name) or "") not in text:
                    silent.append((name, count, text))
    assert not silent


MISTAKES = [
    (("TOPQ", "now-1h", "now", "a.*.b", "LIMITS", 3), "LIMIT"),
    (("TOPQ", "now-1h", "now", "a.*.b", "RANK", "median"), "sum"),
    (("TOPQ", "now-1h", "now", "a.*.b", "LIMIT", "few"), "LIMIT"),
    (("TOPQ", "yesterday", "now", "a.*.b"), "RFC 3339"),
    (("RANGE", "now-1h", "now", "KEY", "a"), "KEYS"),
    (("RANGE", "now-1h", "now", "AGGREGATE", "median", "KEYS", "a"), "avg"),
    (("RANGE", "now-1h", "now", "STEP", "x", "KEYS", "a"), "STEP"),
    (("OBSERVE", "db1", "soon", "m", 1), "Unix seconds"),
    (("OBSERVE", "db1", 1424444400, "m", "much"), "number"),
    (("TS.ADD", "k", "soon", 1), "Unix milliseconds"),
    (("TS.ADD", "k", 1, "much"), "number"),
    (("TS.ADD", "k", 1, 1, "RETENTION", "x"), "RETENTION"),
    (("TS.ADD", "k", 1, 1, "ON_DUPLICATE", "newest"), "LAST"),
    (("TS.CREATE", "k2", "DUPLICATE_POLICY", "newest"), "LAST"),
    (("TS.CREATE", "k2", "CHUNK_SIZE", 7), "CHUNK_SIZE"),
    (("TS.RANGE", "db1/host.cpu.user", "-", "+", "AGGREGATION", "median", 10), "avg"),
    (("TS.RANGE", "db1/host.cpu.user", "-", "+", "AGGREGATION", "avg"), "AGGREGATION"),
    (("TS.RANGE", "db1/host.cpu.user", "-", "+", "AGGREGATION", "avg", 0), "bucketDuration"),
    (("TS.RANGE", "db1/host.cpu.user", "-", "+", "COUNT", "x"), "COUNT"),
    (("TS.RANGE", "db1/host.cpu.user", "-", "soon"), "Unix milliseconds"),
    (("TS.MRANGE", "-", "+", "FILTER", "region"), "label=value"),
    (("TS.MRANGE", "-", "+", "FILTER", "region!=eu"), "label=value"),
    (("TS.MRANGE", "-", "+", "FILTER", "region=eu", "GROUPBY", "region"), "REDUCE"),
    (("TS.MRANGE", "-", "+", "FILTER", "region=eu", "GROUPBY", "region", "REDUCE", "twa"), "avg"),
    (("TS.MGET", "region=eu", "x"), "FILTER"),
    (("TS.QUERYLABELS", "LABEL"), "LABELS|VALUES"),
    (("SCAN", "x"), "expected 0"),
    (("SCAN", 0, "MATCHES", "a"), "MATCH"),
    (("SCAN", 0, "COUNT", "x"), "COUNT"),
    (("CATEGORY", "AD", "x"), "CATEGORY HELP"),
    (("CATEGORY", "ADD", "x", "KIND", "rate"), "gauge"),
    (("CONFIG", "SET", "no-such", 1), "CONFIG GET *"),
    (("CONFIG", "SET", "clients-max", "many"), "clients-max"),
    (("JOBS", "RUN", "compost", "-1h", "now"), "compact"),
    (("JOBS", "RUN", "compact", "soon", "now"), "RFC 3339"),
    (("EXPIRE", "db1/host.cpu.user", "soon"), "seconds"),
    (("PEXPIRE", "db1/host.cpu.user", "soon"), "milliseconds"),
    (("EXPIRE", "db1/host.cpu.user", 10, "XY"), "NX"),
    (("HELLO", "three"), "2 or 3"),
    (("CLIENT", "KILL", "nobody:1"), "CLIENT LIST"),
    (("CLIENT", "KILL", "IDS", "1"), "expected: CLIENT KILL"),
    (("COMMAND", "GETKEYS", "NOPE", "a"), "COMMAND LIST"),
    (("COMMAND", "LIST", "FILTER", "PATTERN", "x"), "FILTERBY"),
    (("FLUSHDB", "NOW"), "ASYNC"),
    (("WAIT", "x", 1), "replicas"),
    (("WAIT", 1, "x"), "milliseconds"),
    (("MEMORY", "USAGE", "k", "SAMPLE", 1), "SAMPLES"),
    (("OBJECT", "ENCODINGS", "k"), "OBJECT HELP"),
    (("OBSRVE", "db1"), "did you mean OBSERVE"),
]


def test_what_is_wrong_is_told_with_what_is_right(server):
    silent = []
    with plain(server) as client:
        prepare(client)
        for words, told in MISTAKES:
            try:
                text = f"no error: {client.execute_command(*words)}"
            except redis.ResponseError as raised:
                text = str(raised)
            if told not in text or "no error" in text:
                silent.append((words, told, text))
    assert not silent


# ---- redis-cli ----


class Terminal:
    """redis-cli at a terminal, a wide one."""

    def __init__(self, port, home):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
            os.execve("/usr/bin/env", ["env", "redis-cli", "-p", str(port)], {**os.environ, "TERM": "xterm", "HOME": home})
        self.screen = ""
        self.wait(lambda: self.line().endswith("> "))

    def line(self):
        """The last one, as it stands there."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", [part for part in self.screen.split("\r") if len(part) > 8][-1]) if ">" in self.screen else ""

    def wait(self, is_there):
        deadline = time.monotonic() + WAIT_S
        while not is_there():
            assert time.monotonic() < deadline, self.screen[-2000:]
            if select.select([self.file], [], [], 0.1)[0]:
                self.screen += os.read(self.file, 1 << 16).decode(errors="replace")

    def type(self, text):
        """Clears the line and types: a key at a time, as redis-cli looks for hints after each."""
        for key in "\x15" + text:
            os.write(self.file, key.encode())

    def close(self):
        os.write(self.file, b"\x15\x04")
        os.close(self.file)
        os.waitpid(self.pid, 0)


def test_redis_cli_hints_at_every_command(server, tmp_path):
    terminal = Terminal(server.port, str(tmp_path))
    try:
        for name in SPECIFICATIONS:
            shown = first_shown(name)
            if shown is None:
                continue
            terminal.type(name + " ")
            terminal.wait(lambda: re.search(re.escape(name) + r" +\[?" + re.escape(shown), terminal.line()))
        terminal.type("TOPQ now-1h now a.*.b ")
        terminal.wait(lambda: "[LIMIT n] [RANK SUM|COUNT|MAX|AVG]" in terminal.line())
        terminal.type("TS.ADD k * 1 ")
        terminal.wait(lambda: "[RETENTION retention_ms]" in terminal.line() and "[LABELS label value" in terminal.line())
    finally:
        terminal.close()


def cli(server, *words):
    return subprocess.run(["redis-cli", "-p", str(server.port), *map(str, words)], capture_output=True, text=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL, check=True).stdout


def test_redis_cli_prints_json_and_csv(server):
    with plain(server) as client:
        prepare(client)
        for second in range(3):
            client.execute_command("OBSERVE", "db1", 1424444400 + second, "host.queries.c.00000001.time_us", 10, "host.cpu.user", second)
    range_words = ["RANGE", 1424444400, 1424444403, "STEP", 1, "KEYS", "db1/host.cpu.user"]
    as_map = json.loads(cli(server, "--json", *range_words))
    assert [bucket[1] for bucket in as_map["series"][0]["buckets"]] == [0, 1, 2] and as_map["complete"] is True
    flat = [*range_words[:5], "FORMAT", "flat", *range_words[5:]]
    assert json.loads(cli(server, "--json", *flat))[1:] == [[1424444400 + i, i, 1] for i in range(3)]
    assert cli(server, "--csv", *flat).strip().split(",")[:6] == ['"time"', '"db1/host.cpu.user"', '"complete"', "1424444400", '"0"', "1"]
    topq = json.loads(cli(server, "--json", "TOPQ", 1424444400, 1424444403, "host.queries.*.*.time_us"))
    assert topq["rows"][0]["item"] == "c.00000001" and topq["rows"][0]["value"] == 30
    assert json.loads(cli(server, "--json", "STATUS", "log"))["log"]["adapter"] == "local"
    assert json.loads(cli(server, "-2", "--json", "STATUS", "log"))[0] == "# log"
    mrange = json.loads(cli(server, "--json", "TS.MRANGE", "-", "+", "WITHLABELS", "FILTER", "rack=r1"))
    assert mrange["db1/host.cpu.user"][0] == {"region": "eu", "rack": "r1"}
    assert json.loads(cli(server, "--json", "TS.INFO", "db1/host.cpu.user"))["labels"] == {"region": "eu", "rack": "r1"}


def test_redis_cli_prints_tables(server):
    with plain(server) as client:
        prepare(client)
        for second in range(3):
            client.execute_command("OBSERVE", "db1", 1424444400 + second, "host.queries.c.00000001.time_us", 10, "host.cpu.user", second)
    for protocol in ("-2", "-3"):
        topq = cli(server, protocol, "TOPQ", 1424444400, 1424444403, "host.queries.*.*.time_us", "FORMAT", "table").split("\n")
        assert re.match(r" rank +item +time_us +share", topq[1]) and re.match(r" +1 +c\.00000001 +30 +100\.0%", topq[2])
        graph = cli(server, protocol, "RANGE", 1424444400, 1424444403, "STEP", 1, "FORMAT", "table", "KEYS", "db1/host.cpu.user")
        assert "min 0  max 2  last 2" in graph
        status = cli(server, protocol, "STATUS", "log")
        assert re.search(r"adapter:? local\n", status)
