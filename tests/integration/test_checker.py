"""The judge is judged: each kind of wrong that is planted must be found, and no other."""

import collections

import pytest

from check.checker import check
from check.history import FAILED, OK, UNKNOWN, History, outcome_of
from check.resp import Error

Q = "host.queries.q."
A, B, C = (f"h1/{Q}{digit * 16}.time_us" for digit in "abc")


class Stored:
    """A server that stores a dict, faithfully; tests plant wrongs by changing an answer."""

    def __init__(self, points):
        self.series = collections.defaultdict(list)
        for key, at, value in points:
            self.series[key].append((at, float(value)))

    def points(self, key):
        return sorted(self.series[key])

    def aggregate(self, keys, from_s, to_s, how):
        def one(key):
            values = [v for at, v in self.series[key] if from_s <= at / 1000 < to_s]
            return (sum(values) if how == "sum" else len(values)) if values else None
        return {key: one(key) for key in keys}

    def topq(self, from_s, to_s, pattern, rank, limit):
        assert pattern == Q + "*.time_us"
        by_item = {key.split(".")[3]: value for key, value in self.aggregate(list(self.series), from_s, to_s, rank).items()
                   if value is not None}
        ranked = dict(sorted(by_item.items(), key=lambda i: -i[1])[:limit])
        total = sum(by_item.values())
        return ranked, total - sum(ranked.values()), total


WRITTEN = [(OK, [(A, 1000, 5), (B, 1000, 7)]), (FAILED, [(A, 2000, 11), (B, 2000, 13)]),
           (UNKNOWN, [(A, 3000, 17), (B, 3000, 19)]), (OK, [(C, 1500, 2)])]
GOOD = [(A, 1000, 5), (B, 1000, 7), (C, 1500, 2)]


@pytest.fixture
def history():
    history = History()
    for outcome, points in WRITTEN:
        history.settle(history.invoke("w0", points), outcome, "")
    return history


def test_faithful_servers_pass(history):
    assert check(history, Stored(GOOD)) == []
    assert check(history, Stored(GOOD + WRITTEN[2][1])) == [], "unknown may be stored"


@pytest.mark.parametrize("what, stored", [
    ("lost", GOOD[1:]),
    ("not absent", GOOD + WRITTEN[1][1]),
    ("altered", [(A, 1000, 6)] + GOOD[1:]),
    ("twice", GOOD + [(A, 1000, 5)]),
    ("never written", GOOD + [(A, 1001, 5)]),
    ("torn", GOOD + WRITTEN[2][1][:1]),
])
def test_planted_in_the_points(history, what, stored):
    assert any(what in problem for problem in check(history, Stored(stored)))


def test_a_retry_that_was_ok_must_be_stored(history):
    history.settle(history.invoke("w0", WRITTEN[2][1], retry_of=2), OK, "")
    assert [p for p in check(history, Stored(GOOD)) if "lost" in p]
    assert check(history, Stored(GOOD + WRITTEN[2][1])) == []


def test_a_retry_that_failed_leaves_it_unknown(history):
    history.settle(history.invoke("w0", WRITTEN[2][1], retry_of=2), FAILED, "")
    assert check(history, Stored(GOOD)) == []
    assert check(history, Stored(GOOD + WRITTEN[2][1])) == []


@pytest.mark.parametrize("how", ["sum", "count"])
def test_planted_in_range(history, how):
    class Wrong(Stored):
        def aggregate(self, keys, from_s, to_s, asked):
            answer = super().aggregate(keys, from_s, to_s, asked)
            if asked == how:
                answer[B] += 7  # counted twice
            return answer

        def topq(self, *args):
            return Stored(GOOD).topq(*args)
    assert [p for p in check(history, Wrong(GOOD)) if f"RANGE {how}" in p]


@pytest.mark.parametrize("what", ["total", "rest", "row", "order"])
def test_planted_in_topq(history, what):
    class Wrong(Stored):
        def topq(self, *args):
            rows, rest, total = super().topq(*args)
            if what == "total":
                return rows, rest + 1, total + 1
            if what == "rest":
                return rows, rest + 1, total
            if what == "row":
                item = next(iter(rows))
                return {**rows, item: rows[item] + 1}, rest - 1, total
            all_rows, _, _ = super().topq(*args[:-1], 1000)
            worst = dict(sorted(all_rows.items(), key=lambda i: i[1])[:args[-1]])
            return worst, total - sum(worst.values()), total
    assert [p for p in check(history, Wrong(GOOD)) if "TOPQ" in p]


def test_outcomes():
    assert outcome_of("0:17") == OK and outcome_of([1000, 2000]) == OK
    assert outcome_of(Error("KAFKA failed: broker down")) == FAILED
    assert outcome_of([Error("KAFKA unknown: may be stored")] * 2) == UNKNOWN
    assert outcome_of(Error("BUSY not stored")) == FAILED
    for wrong in (Error("ERR what"), [1000, Error("KAFKA failed x")]):
        with pytest.raises(AssertionError):
            outcome_of(wrong)
