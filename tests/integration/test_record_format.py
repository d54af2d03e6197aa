"""The golden records, read by msgpack-python and by what docs/adr/0003-record-format.md and 0015-points-2.md say,
nothing else: whoever has these pages can read the log."""

import math
import struct
from pathlib import Path

import msgpack
import pytest

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


def decode_points_1(record):
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


def unzigzag(value):
    return (value >> 1) ^ -(value & 1)


def names_of(templates, shapes, digits):
    before = first = b""
    for template in templates:
        first = template[1] = first[: template[0]] + template[1]
    for shape in varints(shapes):
        template = templates[shape >> 1]
        lengths = template[2::2]
        taken = sum((n + 1) // 2 for n in lengths)
        if shape & 1:
            assert taken == len(before) > 0
        else:
            before, digits = digits[:taken], digits[taken:]
        name, at = template[1], 0
        for n, text in zip(lengths, template[3::2]):
            packed = before[at : at + (n + 1) // 2]
            name += packed.hex().encode()[:n] + text
            at += len(packed)
        yield name
    assert digits == b""


def runs_of(data, hosts):
    way = host = time_ms = 0
    rest = varints(data)
    for head in rest:
        if head & 1:
            way = next(rest)
        if head & 2:
            host += 1 + unzigzag(next(rest))
        time_ms += unzigzag(next(rest))
        for _ in range(head >> 2):
            yield bool(way & 16), way & 47, hosts[host], time_ms


def sparse_indexes(data, points):
    following, rest = 0, varints(data)
    for count in rest:
        yield from range(following, following + count)
        following += count + unzigzag(next(rest)) + 1
        yield following - 1
        points -= count + 1
    yield from range(following, following + points)


def values_of(data):
    at = 0
    while at < len(data):
        size = next(i for i in range(at, len(data)) if data[i] < 0x80) - at + 1
        (head,) = varints(data[at : at + size])
        at += size
        if head & 1 == 0:
            yield float(unzigzag(head >> 1))
        elif head == 1:
            yield struct.unpack_from("<d", data, at)[0]
            at += 8
        else:
            yield unzigzag(head >> 4) / 10 ** (head >> 1 & 7)


def decode_points_2(record):
    version, what, environment, append_ms, hosts, templates, shapes, digits, runs, index, values = record
    assert (version, what) == (2, 1)
    names = list(names_of(templates, shapes, digits))
    ways = list(runs_of(runs, hosts))
    numbers = list(values_of(values))
    indexes = list(sparse_indexes(index, len(ways)))
    assert len(ways) == len(numbers) == len(indexes)
    points = [
        (observed, policy, host, names[at], time_ms, number)
        for (observed, policy, host, time_ms), at, number in zip(ways, indexes, numbers)
    ]
    return environment, append_ms, points


def test_the_golden_decided_points_are_what_they_say():
    record = golden("decided-2.bin")
    epoch = record.pop(4)
    assert (record[1], epoch) == (11, 300)
    record[1] = 1
    assert decode_points_2(record) == (1, T + 123, [
        (True, 0, b"db1", b"app.logins", T, 1.0),
        (False, 32 | 0, b"db1", b"app.logins", T, 2.0),
        (False, 32 | 1, b"db1", b"app.seats", T + 1, 4.0)])
    record = golden("undecided-2.bin")
    assert (record[1], record.pop(4)) == (12, 300)
    record[1] = 1
    assert decode_points_2(record)[2] == [
        (False, 15, b"db1", b"app.logins", 1000, 1.0), (False, 32 | 4, b"db1", b"app.logins", 1000, 2.0)]
    assert golden("epoch-1.bin") == [1, 10, 2, 1000, 1 << 40]


def item_ids(data):
    numbers, ids, following = list(varints(data)), [], 0
    for skipped, more in zip(*[iter(numbers)] * 2, strict=True):
        ids += range(following + skipped, following + skipped + more + 1)
        following = ids[-1] + 1
    return ids


def golden(name):
    return msgpack.unpackb((GOLDEN / name).read_bytes(), raw=False)


@pytest.mark.parametrize("version,decode", [(1, decode_points_1), (2, decode_points_2)])
def test_points(version, decode):
    environment, append_ms, points = decode(golden(f"points-{version}.bin"))
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
    assert golden("rule-2.bin") == [2, 2, 2, 1000, b"host.procs.*", 1, 1000000]
    assert golden("text-1.bin") == [1, 3, 2, 1000, b"host.queries.q.17", b"SELECT ?"]
    assert golden("noop-1.bin") == [1, 4, 2**32 - 1, 2**63 - 1]


def test_doom_and_forget():
    *head, items = golden("doom-2.bin")
    assert head == [2, 5, 2, 1000, 17, 3]
    assert item_ids(items) == [0, 1, 2, 7, 300, 301, 70000, 2**32 - 2, 2**32 - 1]
    *head, items = golden("forget-2.bin")
    assert head == [2, 6, 2, 1000, 2**63 - 1, 2**32 - 1]
    assert item_ids(items) == [7]
