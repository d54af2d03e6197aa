"""What tools send, byte for byte, and what they must get: learned from the tools' public sources, written anew.

Each replay is a list of (what is sent, what the reply's bytes must match): T is a time in ms, taken from the clock, and D
stands for any digits. Telegraf's output speaks RESP3 by go-redis; Grafana's data source RESP2 by radix."""

import re
import socket
import time

from .result import Results
from .server import new_server


def command(*words):
    """As every one of these clients writes a command."""
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def bulk(text):
    return re.escape(b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode()))


def array(*parts):
    return b"\\*%d\r\n" % len(parts) + b"".join(parts)


def integer(number):
    return b":%d\r\n" % number


def point(at, value):
    """Of RESP2: the value is a simple string, or Grafana's plug-in ends."""
    return array(integer(at), re.escape(b"+%s\r\n" % value.encode()))


OK = b"\\+OK\r\n"
ERROR = b"-ERR [^\r\n]*\r\n"
HELLO_3 = b"%\\d+\r\n.*\\$5\r\nproto\r\n:3\r\n.*?(?:\\*0\r\n|\\*\\d+\r\n.*)"


def telegraf(t):
    """go-redis' greeting; PING; a point with labels; then points whose keys are to expire, each pair in one pipeline."""
    return [
        (command("hello", "3"), HELLO_3),
        (command("client", "setinfo", "LIB-NAME", "go-redis(,go1.26)") + command("client", "setinfo", "LIB-VER", "9.23.0"), OK + OK),
        (command("client", "maint_notifications", "on", "moving-endpoint-type", "none"), ERROR),
        (command("ping"), b"\\+PONG\r\n"),
        (command("TS.ADD", "cpu_usage_idle", t, 92.5, "LABELS", "cpu", "cpu-total", "host", "web-1"), integer(t)),
        (command("TS.ADD", "cpu_usage_idle", t + 10000, 93, "LABELS", "host", "web-1", "cpu", "cpu-total"), integer(t + 10000)),
        (command("TS.ADD", "mem_used", t, 1073741824, "LABELS", "host", "web-1") + command("expire", "mem_used", 3600),
         integer(t) + integer(1)),
        (command("TS.ADD", "mem_used", t + 10000, 1073741825, "LABELS", "host", "web-1") + command("expire", "mem_used", 3600),
         integer(t + 10000) + integer(1)),
        (command("TS.RANGE", "mem_used", "-", "+"), array(array(integer(t), b",1073741824\r\n"), array(integer(t + 10000), b",1073741825\r\n"))),
    ]


def prometheus(t):
    """The remote-storage adapter's keys hold the labels."""
    key = 'node_load1{instance="web-1:9100",job="node"}'
    return [
        (command("TS.ADD", key, t, 0.21, "LABELS", "__name__", "node_load1", "instance", "web-1:9100", "job", "node"), integer(t)),
        (command("TS.ADD", key, t + 15000, 0.25, "LABELS", "__name__", "node_load1", "instance", "web-1:9100", "job", "node"), integer(t + 15000)),
        (command("TS.MRANGE", t, t + 15000, "WITHLABELS", "FILTER", "__name__=node_load1", "job=node"),
         array(array(bulk(key), array(*(array(bulk(l), bulk(v)) for l, v in
                                        (("__name__", "node_load1"), ("instance", "web-1:9100"), ("job", "node")))),
                     array(point(t, "0.21"), point(t + 15000, "0.25"))))),
    ]


def grafana(t):
    """Explore and two panels: bounds in ms, aggregation with a bucket, labels for legends; COUNT is a bare number."""
    labels = array(array(bulk("kind"), bulk("temp")), array(bulk("room"), bulk("a")))
    two = array(point(t, "20.5"), point(t + 60000, "21.5"))
    return [
        (command("PING"), b"\\+PONG\r\n"),
        (command("TS.ADD", "g:1", t, 20.5, "LABELS", "kind", "temp", "room", "a"), integer(t)),
        (command("TS.ADD", "g:1", t + 60000, 21.5), integer(t + 60000)),
        (command("TS.GET", "g:1"), point(t + 60000, "21.5")),
        (command("TS.RANGE", "g:1", t, t + 60000), two),
        (command("TS.RANGE", "g:1", t, t + 60000, "AGGREGATION", "avg", 5000), two),
        (command("TS.MRANGE", t, t + 60000, "WITHLABELS", "FILTER", "kind=temp"), array(array(bulk("g:1"), labels, two))),
        (command("TS.MRANGE", t, t + 60000, "AGGREGATION", "max", 5000, "WITHLABELS", "FILTER", "kind=temp", "room!=b"),
         array(array(bulk("g:1"), labels, two))),
        (command("TS.MRANGE", t, t + 60000, 100, "WITHLABELS", "FILTER", "kind=temp"), array(array(bulk("g:1"), labels, two))),
        (command("TS.MRANGE", t, t + 60000, "FILTER", "kind=temp", "GROUPBY", "kind", "REDUCE", "sum"),
         array(array(bulk("kind=temp"), array(), two))),
        (command("TS.MGET", "WITHLABELS", "FILTER", "kind=temp"), array(array(bulk("g:1"), labels, point(t + 60000, "21.5")))),
        (command("TS.QUERYINDEX", "kind=temp"), array(bulk("g:1"))),
        (command("TS.INFO", "g:1"), b"\\*28\r\n.*\\+?totalSamples\r\n:2\r\n.*"),
        (command("TS.GET", "g:none"), ERROR),
    ]


def insight(t):
    """RedisInsight's key browser: a page of keys, then each key's type, life and size, and what it opens with."""
    return [
        (command("TS.ADD", "i:1", t, 1, "LABELS", "kind", "seen"), integer(t)),
        (command("SCAN", "0", "MATCH", "*", "COUNT", 10000), array(bulk("0"), array(bulk("i:1")))),
        (command("TYPE", "i:1") + command("TTL", "i:1") + command("MEMORY", "USAGE", "i:1", "SAMPLES", 0),
         b"\\+TSDB-TYPE\r\n:-1\r\n:\\d+\r\n"),
        (command("TS.INFO", "i:1"), b"\\*28\r\n.*"),
        (command("SCAN", "0", "MATCH", "*", "COUNT", 10000, "TYPE", "TSDB-TYPE"), array(bulk("0"), array(bulk("i:1")))),
    ]


REPLAYS = {"telegraf": telegraf, "prometheus": prometheus, "grafana": grafana, "redisinsight": insight}


def read_reply(connection, pattern):
    """Bytes until they match, or until nothing comes for a while."""
    got = b""
    connection.settimeout(10)
    while re.fullmatch(pattern, got, re.S) is None:
        try:
            more = connection.recv(65536)
        except TimeoutError:
            return got
        if not more:
            return got
        got += more
        connection.settimeout(2)
    return got


def run_replays(stack, scratch):
    results = Results()
    for name, make in REPLAYS.items():
        server = new_server(stack, scratch)
        connection = socket.create_connection(("127.0.0.1", server.port))
        try:
            for i, (sent, pattern) in enumerate(make((int(time.time()) // 60 - 20) * 60000)):
                connection.sendall(sent)
                got = read_reply(connection, pattern)
                good = re.fullmatch(pattern, got, re.S) is not None
                if not results.check(f"replay {name} {i}: {sent[:160]!r}", good, f"expected {pattern[:300]!r}, came {got[:300]!r}"):
                    break  # what follows would be another reply's
        finally:
            connection.close()
            server.end()
    return results
