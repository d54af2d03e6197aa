"""The golden records, read by msgpack-python and docs/adr/0003-record-format.md alone: whoever has that page
can read the log."""

import math
import struct
from pathlib import Path

import msgpack

GOLDEN = Path(__file__).parent.parent / "record" / "golden"
T = 1424444400000
TIME_US = b"host.queries.c.1374c6821ead6f47.time_us"
TPUT = b"host.queries.c.1374c6821ead6f47.tput"


def varints(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
    assert shift == 0, "the column ends within a varint"


def metric_indexes(data):
    following = 0
    for value in varints(data):
        index = following + ((value >> 1) ^ -(value & 1))
        yield index
        following = index + 1


def decode_points(record):
    version, what, environment, append_ms, hosts, metrics, runs, index, values = record
    assert (version, what) == (1, 1)
    names = [metrics[i] for i in metric_indexes(index)]
    numbers = [number for (number,) in struct.iter_unpack("<d", values)]
    assert len(names) == len(numbers) == sum(runs[3::4])
    points, time_ms = [], 0
    for way, host, delta_ms, count in zip(*[iter(runs)] * 4):
        time_ms += delta_ms
        for _ in range(count):
            at = len(points)
            observed, policy = bool(way & 16), way & 15
            points.append((observed, policy, hosts[host], names[at], time_ms, numbers[at]))
    return environment, append_ms, points


def golden(name):
    return msgpack.unpackb((GOLDEN / name).read_bytes(), raw=False)


def test_points():
    environment, append_ms, points = decode_points(golden("points-1.bin"))
    assert (environment, append_ms) == (1, T + 123)
    nan = points.pop(4)
    assert nan[:5] == (False, 4, b"", b"temp\xff", T - 5) and math.isnan(nan[5])
    assert points == [
        (True, 0, b"db1", TIME_US, T, 1500.0),
        (True, 0, b"db1", TPUT, T, 3.0),
        (True, 0, b"db2", TIME_US, T, 0.1),
        (True, 0, b"db2", TPUT, T, -0.0),
        (False, 1, b"db1", TPUT, 2**63 - 1, 5e-324),
    ]
    assert math.copysign(1, points[3][5]) == -1


def test_control_records():
    assert golden("rule-1.bin") == [1, 2, 2, 1000, b"host.procs.*", 1]
    assert golden("text-1.bin") == [1, 3, 2, 1000, b"host.queries.q.17", b"SELECT ?"]
    assert golden("noop-1.bin") == [1, 4, 2**32 - 1, 2**63 - 1]
