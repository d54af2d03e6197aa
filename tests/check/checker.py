"""Compares all that a server stores with the history of what was written to it.

A point is (key, time). Of a point's requests (the first one and its repetitions) say:
  one is OK           it must be stored, with its value
  all failed          it must not be stored
  else                it may be stored, then with its value; and all points of the request, or none
Nothing else may be stored, nothing twice; and sums, counts and rankings must be those of the stored points.
"""

import collections

from .history import FAILED, OK

HOUR = 3600


def check(history, reader, pattern="host.queries.q.*.time_us"):
    """A list of what is wrong, for people; empty: all is well. reader: see reader.py."""
    expected = _expected(history)
    problems = []
    stored = {}
    for key in sorted({key for key, _ in expected}):
        points = reader.points(key)
        if len({at for at, _ in points}) != len(points):
            problems.append(f"{key}: a time stands there twice")
        if points != sorted(points):
            problems.append(f"{key}: not in order of time")
        stored.update({(key, at): value for at, value in points})
    problems += _check_points(expected, stored)
    problems += _check_whole(history, stored)
    problems += _check_sums(stored, reader, sorted({key for key, _ in expected}), pattern)
    return problems


def _expected(history):
    """{(key, time): (value, set of outcomes)}"""
    expected = {}
    for request in history.requests:
        for key, at, value in request.points:
            before = expected.setdefault((key, at), (value, set()))
            assert before[0] == value, "a history writes each point with one value"
            before[1].add(request.outcome)
    return expected


def _check_points(expected, stored):
    problems = []
    for point, (value, outcomes) in expected.items():
        found = stored.get(point)
        if OK in outcomes and found is None:
            problems.append(f"lost: {point} was acknowledged with {value}")
        elif outcomes == {FAILED} and found is not None:
            problems.append(f"not absent: {point} = {found}, though all its requests failed")
        elif found is not None and found != value:
            problems.append(f"altered: {point} = {found}, written was {value}")
    for point, value in stored.items():
        if point not in expected:
            problems.append(f"never written: {point} = {value}")
    return problems


def _check_whole(history, stored):
    """A command is stored as a whole or not at all."""
    problems = []
    for request in history.requests:
        there = {(key, at) in stored for key, at, _ in request.points}
        if len(there) > 1:
            problems.append(f"torn: of request {request.id} ({request.outcome}) some points are stored")
    return problems


def _check_sums(stored, reader, keys, pattern):
    if not stored:
        return []
    problems = []
    # Whole hours: of days that are over RANGE reads minutes or hours, each counted where it begins.
    from_s = min(at for _, at in stored) // 1000 // HOUR * HOUR
    to_s = (max(at for _, at in stored) // 1000 // HOUR + 1) * HOUR
    sums, counts = collections.Counter(), collections.Counter()
    by_item, count_by_item = collections.Counter(), collections.Counter()
    dimension = pattern.rpartition(".")[2]
    for (key, _), value in stored.items():
        sums[key] += value
        counts[key] += 1
        stem, _, last = key.rpartition(".")
        if last == dimension:
            by_item[stem.rpartition(".")[2]] += value
            count_by_item[stem.rpartition(".")[2]] += 1
    for how, expected in (("sum", sums), ("count", counts)):
        for start in range(0, len(keys), 20):
            some = keys[start:start + 20]
            for key, value in reader.aggregate(some, from_s, to_s, how).items():
                if (value or 0) != expected[key]:
                    problems.append(f"RANGE {how} of {key} is {value}, the points give {expected[key]}")
    for rank, expected in (("sum", by_item), ("count", count_by_item)):
        for limit in (2, 1000):
            problems += _check_ranking(reader, from_s, to_s, pattern, rank, limit, expected)
    return problems


def _check_ranking(reader, from_s, to_s, pattern, rank, limit, expected):
    rows, rest, total = reader.topq(from_s, to_s, pattern, rank, limit)
    what = f"TOPQ RANK {rank} LIMIT {limit}"
    problems = [f"{what}: {item} is {value}, the points give {expected.get(item)}"
                for item, value in rows.items() if value != expected.get(item)]
    if total != sum(expected.values()):
        problems.append(f"{what}: total {total}, the points give {sum(expected.values())}")
    if sum(rows.values()) + rest != total:
        problems.append(f"{what}: rows {sum(rows.values())} + rest {rest} is not the total {total}")
    best = sorted(expected.values(), reverse=True)[:limit]
    if sorted(rows.values(), reverse=True) != best:
        problems.append(f"{what}: these are not the highest: {rows}, expected {best}")
    return problems
