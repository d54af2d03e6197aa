"""TS.CREATE, ALTER, ADD, MADD, INCRBY, DECRBY, DEL."""

import math

from .options import bounds
from .series import POLICIES, Series, Settings, Wrong, natural, number
from .shapes import ERROR, OK, array, integer


def clock(word, got):
    """`*` is the server's time, which its reply tells."""
    if word != "*":
        return natural(word)
    if got is None or got[0] != ":":
        raise Wrong
    return got[1]


def split(words, keyword):
    """(keyword's operand or None, the words without both)"""
    for i, word in enumerate(words):
        if word.upper() == keyword:
            if i + 1 == len(words):
                raise Wrong
            return words[i + 1], words[:i] + words[i + 2:]
    return None, words


class Writes:
    def declare(self, key, words):
        """A new series' settings count; those given for one that is there do not (trap 10)."""
        series = self.there(key)
        if series and "options are checked" not in self.dialect:
            return series
        settings = Settings(words, self.dialect)
        if series is None:
            series = self.series[key] = Series(declared=bool(settings.given) or "implicit keys" not in self.dialect)
            settings.apply(series)
        elif settings.given:
            series.declared = True
        return series

    def do_ts_create(self, key, *words):
        settings = Settings(words, self.dialect)
        if self.there(key):
            raise Wrong
        series = self.series[key] = Series(declared=True)
        settings.apply(series)
        return OK

    def do_ts_alter(self, key, *words):
        series = self.must(key)
        settings = Settings(words, self.dialect)
        settings.given.pop("encoding", None)
        settings.apply(series)
        series.declared = True
        return OK

    # ---- points ----

    def default_policy(self):
        return "LAST" if "LAST by default" in self.dialect else "BLOCK"

    def write(self, key, at, value, policy=None):
        """Into a series that is there."""
        series = self.series[key]
        newest = series.newest()
        at, stored = series.add(at, value, policy or series.policy, self.default_policy())
        if stored:
            self.compact_write(series, at, newest)
        return integer(at)

    def do_ts_add(self, key, at, value, *words, got=None):
        value = number(value, self.dialect)
        if at != "*":
            natural(at)
        policy, words = split(words, "ON_DUPLICATE")
        checked = "options are checked" in self.dialect or self.there(key)
        if policy and policy.upper() not in POLICIES and checked:
            raise Wrong
        self.declare(key, words)
        return self.write(key, clock(at, got), value, policy)

    def do_ts_madd(self, *words):
        if not words or len(words) % 3:
            raise Wrong
        replies = []
        for key, at, value in zip(words[::3], words[1::3], words[2::3]):
            try:
                at, value = natural(at), number(value, self.dialect)
                if self.there(key) is None:
                    if "TS.MADD creates" not in self.dialect:
                        raise Wrong
                    self.series[key] = Series()
                replies.append(self.write(key, at, value))
            except Wrong:
                replies.append(ERROR)
        return array(replies)

    def do_ts_incrby(self, key, addend, *words, got=None, sign=1):
        if "a refused count creates nothing" not in self.dialect:
            self.declare(key, split(words, "TIMESTAMP")[1])
        addend = sign * number(addend, self.dialect)
        if math.isnan(addend):
            raise Wrong
        at, words = split(words, "TIMESTAMP")
        at = "*" if at is None else at
        if at != "*":
            natural(at)
        series = self.declare(key, words)
        newest = series.newest()
        at, stored = series.count(clock(at, got), addend)
        if stored:
            self.compact_write(series, at, newest)
        return integer(at)

    def do_ts_decrby(self, key, subtrahend, *words, got=None):
        return self.do_ts_incrby(key, subtrahend, *words, got=got, sign=-1)

    def do_ts_del(self, key, start, end):
        series = self.must(key)
        low, high = bounds(start, end)
        if series.source and "rules are computed" in self.dialect:
            return integer(self.delete_rows(key, low, high))
        if series.rules and series.retention and "rules are computed" not in self.dialect:
            self.check_retained(series, low)
        gone = [at for at in series.points if low <= at <= high]
        for at in gone:
            del series.points[at]
        series.emptied |= bool(gone) and not series.points
        self.compact_deletion(series, low, high, gone)
        return integer(len(gone))
