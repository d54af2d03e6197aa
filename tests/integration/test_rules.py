"""Compaction rules: what their destinations show, against a model that keeps the source's points; keys, errors, and
that all of it outlives flushes, restarts and SIGKILL."""

import math
import random

import pytest
import redis

from harness import ask
from harness import error as error_of

T = 1700000000000
MINUTE = 60000
AGGREGATORS = ["avg", "sum", "min", "max", "range", "count", "first", "last", "std.p", "std.s", "var.p", "var.s", "twa",
               "countnan", "countall"]


def rows(reply):
    return [[row[0], float(row[1])] for row in reply]


def info(client, key):
    reply = ask(client, "TS.INFO", key)
    return dict(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply


def rules_of(client, key):
    """[destination, bucket, aggregator, align] in both protocols."""
    rules = info(client, key)["rules"]
    return [[key, *rest] for key, rest in rules.items()] if isinstance(rules, dict) else [list(rule) for rule in rules]


def same(got, expected):
    return len(got) == len(expected) and all(
        a[0] == b[0] and (math.isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a[1]) and math.isnan(b[1])))
        for a, b in zip(got, expected))


def make(client, source="s", destination="d", aggregator="sum", bucket=10, align=None):
    for key in (source, destination):
        if not ask(client, "EXISTS", key):
            ask(client, "TS.CREATE", key)
    words = ["TS.CREATERULE", source, destination, "AGGREGATION", aggregator, bucket]
    assert ask(client, *words, *([] if align is None else [align])) == "OK"


def add(client, key, *points):
    for time, value in points:
        ask(client, "TS.ADD", key, time, value)


def all_of(client, key, *words):
    return rows(ask(client, "TS.RANGE", key, "-", "+", *words))


@pytest.fixture(params=[("10m", 2), ("50ms", 3)], ids=["head-resp2", "flushed-resp3"])
def client(request, longtaild):
    return longtaild(flush_interval=request.param[0]).client(request.param[1])


# ---- buckets ----


def test_a_bucket_is_shown_when_the_next_one_opens(client):
    make(client)
    add(client, "s", (100, 1))
    assert all_of(client, "d") == [] and ask(client, "TS.GET", "d") == []
    assert all_of(client, "d", "LATEST") == [[100, 1]]
    assert rows([ask(client, "TS.GET", "d", "LATEST")]) == [[100, 1]]
    add(client, "s", (105, 2), (110, 4))
    assert all_of(client, "d") == [[100, 3]]
    assert rows([ask(client, "TS.GET", "d")]) == [[100, 3]]
    assert all_of(client, "d", "LATEST") == [[100, 3], [110, 4]]
    assert rows(ask(client, "TS.REVRANGE", "d", "-", "+", "LATEST", "COUNT", 1)) == [[110, 4]]
    assert rows(ask(client, "TS.REVRANGE", "d", "-", "+", "COUNT", 1)) == [[100, 3]]


def test_late_points_and_gaps(client):
    make(client)
    add(client, "s", (100, 1), (200, 2), (50, 16), (105, 8))
    assert all_of(client, "d") == [[50, 16], [100, 9]]
    ask(client, "TS.DEL", "s", 100, 100)
    assert all_of(client, "d") == [[50, 16], [100, 8]]
    ask(client, "TS.DEL", "s", 100, 109)
    assert all_of(client, "d") == [[50, 16]]


def test_points_from_before_the_rule_do_not_count(client):
    add(client, "s", (90, 32), (101, 1))
    make(client)
    add(client, "s", (105, 2), (110, 4))
    assert all_of(client, "d") == [[100, 2]]


def test_a_point_of_the_far_future_closes_all_before(client):
    make(client, "s", "d", "sum", 10)
    make(client, "s", "e", "twa", 1)
    make(client, "s", "f", "count", MINUTE)
    add(client, "s", (T, 1), (T + 1, 2), (4102444800000, 5), (2 ** 63 - 1, 7))
    start = T // MINUTE * MINUTE
    assert all_of(client, "d") == [[T, 3], [4102444800000, 5]]
    assert [row[0] for row in all_of(client, "e")] == [T, T + 1, 4102444800000]
    assert all_of(client, "f") == [[start, 2], [4102444800000, 1]]
    assert rows([ask(client, "TS.GET", "f", "LATEST")])[0][1] == 1


def test_buckets_are_aligned(client):
    make(client, align=7)
    add(client, "s", (3, 1), (8, 2), (30, 4))
    assert all_of(client, "d") == [[0, 1], [7, 2]]
    assert rules_of(client, "s") == [["d", 10, "SUM", 7]]


def test_options_apply_to_rows(client):
    make(client, aggregator="max")
    add(client, "s", *[(time, time % 7) for time in range(100, 160)])
    assert rows(ask(client, "TS.RANGE", "d", 110, 130)) == [[110, 6], [120, 6], [130, 6]]
    assert rows(ask(client, "TS.RANGE", "d", 111, 129)) == [[120, 6]]
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "FILTER_BY_TS", 110, 111, 150)) == [[110, 6]]
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "COUNT", 2)) == [[100, 6], [110, 6]]
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "FILTER_BY_VALUE", 0, 5)) == []
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "LATEST", "AGGREGATION", "count", 20)) == [
        [100, 2], [120, 2], [140, 2]]
    assert rows(ask(client, "TS.RANGE", "d", 110, 129, "AGGREGATION", "twa", 100)) == [[100, 6]]


def test_several_series_at_once(client):
    for i in range(4):
        ask(client, "TS.CREATE", f"s{i}", "LABELS", "what", "source")
        ask(client, "TS.CREATE", f"d{i}", "LABELS", "what", "destination", "odd", i % 2)
        make(client, f"s{i}", f"d{i}", "sum" if i < 3 else "count")
        add(client, f"s{i}", *[(time, i) for time in range(100, 125)])
    mget = ask(client, "TS.MGET", "FILTER", "what=destination")
    lasts = {row[0]: row[2] for row in mget} if isinstance(mget, list) else {key: row[1] for key, row in mget.items()}
    assert {key: rows([row])[0] for key, row in lasts.items()} == {
        "d0": [110, 0], "d1": [110, 10], "d2": [110, 20], "d3": [110, 10]}
    mget = ask(client, "TS.MGET", "LATEST", "FILTER", "what=destination", "odd=1")
    lasts = {row[0]: row[2] for row in mget} if isinstance(mget, list) else {key: row[1] for key, row in mget.items()}
    assert {key: rows([row])[0] for key, row in lasts.items()} == {"d1": [120, 5], "d3": [120, 5]}
    mrange = ask(client, "TS.MRANGE", "-", "+", "LATEST", "FILTER", "what=destination", "GROUPBY", "odd", "REDUCE", "sum")
    groups = {row[0]: row[2] for row in mrange} if isinstance(mrange, list) else {k: row[3] for k, row in mrange.items()}
    assert {key: rows(group) for key, group in groups.items()} == {
        "odd=0": [[100, 20], [110, 20], [120, 10]], "odd=1": [[100, 20], [110, 20], [120, 10]]}
    both = ask(client, "TS.NRANGE", 2, "d1", "s1", 100, 110)
    assert [[row[0], *map(float, row[1])] for row in both][0] == [100, 10, 1]


def test_a_blocked_read_wakes_when_a_bucket_closes(longtaild):
    server = longtaild()
    client, other = server.client(), server.client()
    make(client)
    add(client, "s", (100, 1))
    connection = client.connection_pool.get_connection()
    connection.send_command("TS.READ", "d", "-", "BLOCK", 20000, 1)
    add(other, "s", (105, 2), (110, 4))
    assert rows(connection.read_response()) == [[100, 3]]


# ---- rows of the destination's own ----


def test_own_points_stand_above_rows(client):
    make(client)
    add(client, "d", (95, 7), (100, 70))
    add(client, "s", *[(time, 1) for time in range(100, 130)])
    assert all_of(client, "d") == [[95, 7], [100, 70], [110, 10]]
    assert ask(client, "TS.DEL", "d", 90, 100) == 2
    assert all_of(client, "d") == [[110, 10]]
    got = info(client, "d")
    assert (got["totalSamples"], got["firstTimestamp"], got["lastTimestamp"]) == (1, 110, 110)


def test_a_filtered_own_point_shows_no_row_in_its_place(client):
    make(client)
    add(client, "d", (100, 70))
    add(client, "s", *[(time, 1) for time in range(100, 130)])
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "FILTER_BY_VALUE", 0, 50)) == [[110, 10]]
    assert rows(ask(client, "TS.RANGE", "d", "-", "+", "FILTER_BY_VALUE", 0, 50, "AGGREGATION", "first", 1000)) == [[0, 10]]


def test_filters_hold_for_the_neighbours_of_a_weighted_average(client):
    make(client)
    add(client, "d", (90, -5), (125, 70))
    add(client, "s", *[(time, 1) for time in range(100, 150)])
    twa = ["AGGREGATION", "twa", 4, "EMPTY"]
    assert rows(ask(client, "TS.RANGE", "d", 112, 118, "FILTER_BY_VALUE", 0, 5, *twa)) == []
    assert rows(ask(client, "TS.RANGE", "d", 112, 115, "FILTER_BY_VALUE", 0, 50, *twa)) == [[112, 10]]
    assert [row[1] for row in rows(ask(client, "TS.RANGE", "d", 92, 95, *twa))] == [0.25]


def test_what_depends_on_state_asks_own_points_alone(client):
    """Rows change with their source: an owner that had counted on one would count on what is not there."""
    ask(client, "TS.CREATE", "d", "DUPLICATE_POLICY", "BLOCK")
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 150)])
    assert ask(client, "TS.INCRBY", "d", 5, "TIMESTAMP", 50) == 50
    assert ask(client, "TS.INCRBY", "d", 5, "TIMESTAMP", 110) == 110
    assert ask(client, "TS.ADD", "d", 100, 3) == 100, "a row is no point that was written"
    assert "BLOCK" in error_of(client, "TS.ADD", "d", 100, 4)
    assert all_of(client, "d") == [[50, 5], [100, 3], [110, 10], [120, 10], [130, 10]]


def test_rows_are_deleted(client):
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 160)])
    assert ask(client, "TS.DEL", "d", 110, 125) == 2
    assert all_of(client, "d") == [[100, 10], [130, 10], [140, 10]]
    assert ask(client, "TS.DEL", "d", 110, 125) == 0
    assert ask(client, "TS.DEL", "d", "-", "+") == 3
    assert all_of(client, "d") == [] and all_of(client, "d", "LATEST") == [[150, 10]]
    add(client, "s", (160, 1), (170, 2))
    assert all_of(client, "d") == [[150, 10], [160, 1]]


def test_what_differs_from_the_reference(client):
    """redis-compat/DEVIATIONS.md: late points of a deleted row, the newest points deleted, RANGE."""
    ask(client, "TS.CREATE", "s", "RETENTION", 1000)
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 131)])
    assert ask(client, "TS.DEL", "d", 110, 110) == 1
    add(client, "s", (111, 5))
    assert all_of(client, "d") == [[100, 10], [120, 10]]
    assert ask(client, "TS.DEL", "s", 125, 200) == 6
    assert all_of(client, "d") == [[100, 10]] and all_of(client, "d", "LATEST") == [[100, 10], [120, 5]]
    add(client, "s", (5000, 1))
    assert ask(client, "TS.DEL", "s", 0, 104) == 5
    assert all_of(client, "d") == [[100, 5], [120, 5]]
    reply = ask(client, "RANGE", 0, 1, "STEP", 1, "FORMAT", "flat", "KEYS", "d")
    assert not any(str(word) == "value" for word in reply)


def test_too_many_gaps_are_refused_and_nothing_is_hidden(client):
    make(client, bucket=2)
    add(client, "s", *[(time, 1) for time in range(100, 400)])
    before = all_of(client, "d")
    for i in range(64):
        assert ask(client, "TS.DEL", "d", 100 + 4 * i, 100 + 4 * i) == 1
    assert "too many gaps" in error_of(client, "TS.DEL", "d", 100 + 4 * 64, 100 + 4 * 64)
    assert len(all_of(client, "d")) == len(before) - 64
    assert ask(client, "TS.DEL", "d", 100, 356) == 65
    assert all_of(client, "d") == [row for row in before if row[0] > 356]


def test_the_destinations_retention_counts_from_its_last_row(client):
    ask(client, "TS.CREATE", "d", "RETENTION", 20)
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 160)])
    assert all_of(client, "d") == [[120, 10], [130, 10], [140, 10]]
    assert all_of(client, "d", "LATEST") == [[120, 10], [130, 10], [140, 10], [150, 10]]
    assert info(client, "d")["totalSamples"] == 3


def test_the_sources_retention_takes_no_row_away(client):
    ask(client, "TS.CREATE", "s", "RETENTION", 20)
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 160)])
    assert len(all_of(client, "s")) == 21
    assert all_of(client, "d") == [[100, 10], [110, 10], [120, 10], [130, 10], [140, 10]]


# ---- keys ----


def test_info_names_both_sides(client):
    make(client, "s", "d1", "avg", 10)
    make(client, "s", "d2", "std.p", 20, 5)
    assert rules_of(client, "s") == [["d1", 10, "AVG", 0], ["d2", 20, "STD.P", 5]]
    assert info(client, "d2")["sourceKey"] == "s" and rules_of(client, "d2") == []
    assert info(client, "s")["sourceKey"] is None
    ask(client, "DEL", "d1")
    assert rules_of(client, "s") == [["d2", 20, "STD.P", 5]]
    assert ask(client, "EXISTS", "d1") == 0


def test_a_deleted_rule_leaves_its_rows(client):
    make(client)
    add(client, "s", *[(time, 1) for time in range(100, 135)])
    ask(client, "TS.DEL", "d", 110, 110)
    assert ask(client, "TS.DELETERULE", "s", "d") == "OK"
    add(client, "s", (101, 50), (140, 1), (150, 1))
    assert all_of(client, "d", "LATEST") == [[100, 10], [120, 10]]
    assert rules_of(client, "s") == [] and info(client, "d")["sourceKey"] is None
    assert "compaction rule does not exist" in error_of(client, "TS.DELETERULE", "s", "d")
    make(client) # again: what comes from now on
    add(client, "s", (160, 4), (170, 4))
    assert all_of(client, "d") == [[100, 10], [120, 10], [160, 4]]


def test_rows_stay_when_the_source_goes(client):
    make(client, "s", "d", "sum")
    make(client, "s", "e", "count", 20)
    add(client, "s", *[(time, 2) for time in range(100, 145)])
    assert ask(client, "DEL", "s") == 1
    assert all_of(client, "d", "LATEST") == [[100, 20], [110, 20], [120, 20], [130, 20]]
    assert all_of(client, "e", "LATEST") == [[100, 20], [120, 20]]
    assert info(client, "d")["sourceKey"] is None
    ask(client, "TS.CREATE", "s")
    add(client, "s", (200, 1), (300, 1))
    assert len(all_of(client, "d")) == 4 and rules_of(client, "s") == []


def test_a_key_with_points_alone_may_be_either_side(client):
    add(client, "s", (10, 1))
    add(client, "d", (10, 9))
    make(client)
    add(client, "s", (25, 2), (31, 2))
    assert all_of(client, "d") == [[10, 9], [20, 2]]


def test_flushdb_ends_rules(client):
    make(client)
    add(client, "s", (100, 1), (110, 1))
    ask(client, "FLUSHDB")
    assert ask(client, "EXISTS", "s", "d") == 0
    make(client)
    add(client, "s", (10, 1), (20, 1))
    assert all_of(client, "d") == [[10, 1]]


def test_errors_teach(client):
    for key in "abcd":
        ask(client, "TS.CREATE", key)
    rule = ["TS.CREATERULE", "a", "b", "AGGREGATION", "avg", 10]

    def of(**changes):
        words = list(rule)
        for at, word in changes.items():
            words[int(at[1:])] = word
        return error_of(client, *words)

    assert "should be different" in of(_2="a")
    assert "the key does not exist" in of(_1="nobody") and "the key does not exist" in of(_2="nobody")
    assert "Unknown aggregation type" in of(_4="mean") and "Unknown aggregation type" in of(_4="sum,min")
    assert "bucketDuration must be greater than zero" in of(_5=0) and "must be greater than zero" in of(_5=-1)
    assert "Couldn't parse AGGREGATION" in of(_5="x") and "Couldn't parse AGGREGATION" in of(_3="AGG")
    assert "Couldn't parse alignTimestamp" in error_of(client, *rule, "x")
    assert "Couldn't parse alignTimestamp" in error_of(client, *rule, -1)
    assert "wrong number of arguments" in error_of(client, *rule, 0, 0)
    assert "wrong number of arguments" in error_of(client, *rule[:5])
    ask(client, *rule)
    assert "the destination key already has a src rule" in of(_1="c")
    assert "the source key already has a source rule" in of(_1="b", _2="c")
    assert "the destination key already has a dst rule" in of(_1="c", _2="a")
    assert "compaction rule does not exist" in error_of(client, "TS.DELETERULE", "b", "a")
    assert "compaction rule does not exist" in error_of(client, "TS.DELETERULE", "a", "nobody")
    assert "the key does not exist" in error_of(client, "TS.DELETERULE", "nobody", "b")
    assert rules_of(client, "a") == [["b", 10, "AVG", 0]]


# ---- against a model ----


class Model:
    """A source's points, and what a rule makes of them: TS.RANGE of the source, for its closed buckets."""

    def __init__(self, after=-1):
        self.points, self.after = {}, after

    def buckets(self, bucket, latest):
        times = [time for time in self.points if time > self.after]
        newest = max(self.points, default=None)
        if newest is None:
            return []
        closed = newest // bucket * bucket + (bucket if latest else 0)
        return sorted({time // bucket * bucket for time in times if time // bucket * bucket < closed})

    def rows(self, aggregator, bucket, latest=False):
        out = []
        for start in self.buckets(bucket, latest):
            values = [self.points[t] for t in sorted(self.points) if start <= t < start + bucket and t > self.after]
            n, mean = len(values), sum(values) / len(values)
            squares = sum((v - mean) ** 2 for v in values)
            out.append([start, {
                "avg": mean, "sum": sum(values), "min": min(values), "max": max(values),
                "range": max(values) - min(values), "count": n, "first": values[0], "last": values[-1],
                "var.p": squares / n, "var.s": squares / (n - 1) if n > 1 else 0, "std.p": math.sqrt(squares / n),
                "std.s": math.sqrt(squares / (n - 1)) if n > 1 else 0, "countall": n}[aggregator]])
        return out


MODELLED = [a for a in AGGREGATORS if a not in ("twa", "countnan")]


def assert_as_modelled(client, model, buckets):
    for aggregator, bucket in buckets:
        key = f"d/{aggregator}"
        for words in ([], ["LATEST"]):
            expected = model.rows(aggregator, bucket, bool(words))
            got = all_of(client, key, *words)
            assert same(got, expected), f"{key} {words}: {got} is not {expected}"
            last = ask(client, "TS.GET", key, *words)
            assert same(rows([last] if last else []), expected[-1:])


def random_step(random_, client, model, span):
    time = T + random_.randrange(span)
    what = random_.random()
    if what < 0.9:
        value = random_.randrange(1000) / 4
        ask(client, "TS.ADD", "s", time, value)
        model.points[time] = value
    else:
        last = time + random_.randrange(span // 20)
        newest = max(model.points, default=0)
        last = min(last, newest - 1) # the newest stays: buckets that were closed stay closed
        ask(client, "TS.DEL", "s", min(time, last), last) if last >= 0 else None
        for old in [t for t in model.points if min(time, last) <= t <= last]:
            del model.points[old]


@pytest.mark.parametrize("flush", ["10m", "50ms"], ids=["head", "flushed"])
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_agree_with_a_model(longtaild, flush, seed):
    random_ = random.Random(seed)
    server = longtaild(flush_interval=flush)
    client = server.client(3)
    bucket = random_.choice([1000, MINUTE, 7 * MINUTE])
    span = bucket * 40
    before = random_.randrange(2) * 30
    model = Model()
    for _ in range(before):
        random_step(random_, client, model, span)
    model.after = max(model.points, default=-1)
    for aggregator in MODELLED:
        make(client, "s", f"d/{aggregator}", aggregator, bucket)
    for step in range(240):
        random_step(random_, client, model, span if step < 120 else 2 * span)
        if step % 60 == 59:
            assert_as_modelled(client, model, [(a, bucket) for a in MODELLED])
        if step == 150:
            server.kill9()
            server.start()
            client = server.client(3)
    assert_as_modelled(client, model, [(a, bucket) for a in MODELLED])
    kept = MODELLED[seed % len(MODELLED)]
    ask(client, "TS.DELETERULE", "s", f"d/{kept}")
    assert same(all_of(client, f"d/{kept}"), model.rows(kept, bucket))
    assert ask(client, "DEL", "s") == 1
    for aggregator in MODELLED:
        assert same(all_of(client, f"d/{aggregator}", "LATEST"), model.rows(aggregator, bucket))


def test_a_weighted_average_is_that_of_the_source(client):
    make(client, aggregator="twa")
    random_ = random.Random(4)
    add(client, "s", *[(time, random_.randrange(50)) for time in sorted(random_.sample(range(100, 400), 60))])
    expected = rows(ask(client, "TS.RANGE", "s", "-", "+", "AGGREGATION", "twa", 10))
    assert same(all_of(client, "d"), expected[:-1])
    assert same(all_of(client, "d", "LATEST"), expected)
    assert same(rows(ask(client, "TS.RANGE", "d", 200, 290)), [row for row in expected if 200 <= row[0] <= 290])


def test_nan_counts_where_it_is_asked_for(client):
    make(client, "s", "n", "countnan")
    make(client, "s", "a", "countall")
    make(client, "s", "v", "avg")
    add(client, "s", (100, 1), (101, "nan"), (110, "nan"), (120, 3))
    assert all_of(client, "n") == [[100, 1], [110, 1]]
    assert all_of(client, "a") == [[100, 2], [110, 1]]
    assert all_of(client, "v") == [[100, 1]]


# ---- two at once, and for ever ----


def test_one_of_two_makes_the_rule(longtaild):
    server = longtaild()
    first, second = server.client(), server.client()
    for key in ("a", "b", "d"):
        ask(first, "TS.CREATE", key)
    replies = []
    for client, source in ((first, "a"), (second, "b")):
        client.connection = client.connection_pool.get_connection()
        client.connection.send_command("TS.CREATERULE", source, "d", "AGGREGATION", "sum", 10)
    for client in (first, second):
        try:
            replies.append(client.connection.read_response())
        except redis.ResponseError as e:
            replies.append(str(e))
    assert sorted(r == "OK" for r in replies) == [False, True], replies
    winner = "ab"[replies.index("OK")]
    assert info(first, "d")["sourceKey"] == winner
    assert len(rules_of(first, "a")) + len(rules_of(first, "b")) == 1


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_rules_outlive_the_process(longtaild, log):
    server = longtaild(log=log, flush_interval="200ms")
    client = server.client()
    start = T // MINUTE * MINUTE
    make(client, "s", "d", "max", MINUTE)
    add(client, "s", (start, 1), (start + 1, 5), (start + MINUTE, 2), (start + 2 * MINUTE, 3))
    ask(client, "TS.DEL", "d", start + MINUTE, start + MINUTE)
    expected = all_of(client, "d", "LATEST")
    assert len(expected) == 2
    for _ in range(2):
        server.kill9()
        server.start()
        client = server.client()
        assert all_of(client, "d", "LATEST") == expected
        assert [rule[1:3] for rule in rules_of(client, "s")] == [[MINUTE, "MAX"]]
    add(client, "s", (start + 3 * MINUTE, 1))
    assert len(all_of(client, "d")) == 2
