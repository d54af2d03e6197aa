"""longtail-load against a real server: what it says was acknowledged can be read."""

import json
import os
import subprocess

import pytest

PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "longtail-load")
START_S = 1700000000
PASSES = 6
SERIES = 300


def load(server, *arguments):
    argv = [PROGRAM, "--server", f"127.0.0.1:{server.port}", "--json", "yes", *map(str, arguments)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["errors"], report["wrong"], report["unanswered"]) == (0, 0, 0)
    return report


def key_of(series):
    """As tools/load/traffic.c has it: splitmix64, its digits from the lowest up in each half."""
    mask = (1 << 64) - 1
    x = (series + 0x9e3779b97f4a7c15) & mask
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & mask
    x = (x ^ x >> 27) * 0x94d049bb133111eb & mask
    x ^= x >> 31
    digits = "".join(f"{x >> 4 * i & 15:x}" for i in range(16))
    return f"db001/host.queries.load.{digits}.time_us"


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_all_of_it_is_there(longtaild, log):
    server = longtaild(log=log)
    for command, connections, depth in (("ts.madd", 8, 2), ("observe", 8, 2), ("ts.add", 8, 8)):
        start = START_S + {"ts.madd": 0, "observe": 1000, "ts.add": 2000}[command]
        report = load(server, "--command", command, "--connections", connections, "--depth", depth, "--series", SERIES,
                      "--points", 10, "--draw", "each", "--times", "advance", "--start", start, "--count",
                      SERIES * PASSES)
        assert report["points_acked"] == SERIES * PASSES
        client = server.client()
        for series in (0, 1, 77, SERIES - 1):
            points = client.execute_command("TS.RANGE", key_of(series), start * 1000, (start + PASSES) * 1000)
            assert [int(when) for when, _ in points] == [(start + i) * 1000 for i in range(PASSES)]
            assert all(1000 <= float(value) <= 9999 for _, value in points)


def test_many_connections_paced(longtaild):
    server = longtaild(roles="ingest")
    report = load(server, "--connections", 1000, "--series", 10000, "--rate", 20000, "--seconds", 2, "--warm-up", 1)
    # A busy machine may be late, but what was due is sent.
    assert report["points_acked"] == report["points_sent"] == 60000
    assert report["latency_ms"]["p50"] > 0
