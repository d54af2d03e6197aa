"""The words behind a read's bounds, and filters."""

import re

from .aggregate import AGGREGATORS, REDUCERS, Buckets
from .series import Wrong, natural, number

END = (1 << 63) - 1
STAMPS = {"-": "-", "start": "-", "~": "~", "mid": "~", "+": "+", "end": "+"}


def bounds(start, end):
    return (0 if start == "-" else natural(start)), (END if end == "+" else natural(end))


class Filter:
    """l=v l!=v l= l!= l=(a,b) l!=(a,b); quotes around values are left out."""

    def __init__(self, text):
        found = re.fullmatch(r"([^=!]+)(!?=)(.*)", text)
        if not found:
            raise Wrong
        self.name, equals, value = found.groups()
        self.negative = equals == "!="
        if value.startswith("(") and value.endswith(")"):
            self.values = [self.bare(v) for v in value[1:-1].split(",")]
        else:
            self.values = [self.bare(value)] if value else []
        self.selects = not self.negative and bool(self.values)

    @staticmethod
    def bare(value):
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

    def fits(self, labels):
        have = labels.get(self.name)
        if not self.values:  # l= has it not, l!= has it
            return (have is not None) == self.negative
        return (have in self.values) != self.negative


def filters(texts):
    """At least one must say what to take."""
    found = [Filter(text) for text in texts]
    if not any(f.selects for f in found):
        raise Wrong
    return found


class Options:
    """Keywords are found anywhere, unknown words are left out (traps 6, 8, 9)."""

    def __init__(self, words, start, end, keys=1, matched=False):
        self.low, self.high = bounds(start, end)
        self.words, self.keys = words, keys
        self.latest = self.at("LATEST") is not None
        count = self.behind("COUNT")
        self.count = None if count is None else natural(*count, least=1)
        self.by_value = self.behind("FILTER_BY_VALUE", 2)
        if self.by_value:
            self.by_value = [float(word) for word in self.by_value]
        self.by_ts = self.times()
        self.buckets = self.aggregation(start, end)
        if matched:
            self.matching()

    def at(self, keyword):
        """Not where it is an aggregator, or GROUPBY's or REDUCE's operand."""
        skip, aggregates = 0, False
        for i, word in enumerate(self.words):
            if skip:
                skip -= 1
                continue
            if word.upper() == keyword:
                return i
            if word.upper() == "AGGREGATION" and not aggregates:
                aggregates, skip = True, self.keys
            elif word.upper() in ("GROUPBY", "REDUCE"):
                skip = 1
        return None

    def behind(self, keyword, count=1):
        at = self.at(keyword)
        if at is None:
            return None
        if at + count >= len(self.words):
            raise Wrong
        return self.words[at + 1:at + 1 + count]

    def times(self):
        at = self.at("FILTER_BY_TS")
        if at is None:
            return None
        times = set()
        for word in self.words[at + 1:]:
            if not word.isdigit():
                break
            times.add(int(word))
        if not times or len(times) > 128:
            raise Wrong
        return times

    def aggregation(self, start, end):
        """A Buckets for each key, or None."""
        found = self.behind("AGGREGATION", self.keys + 1)
        align = self.behind("ALIGN")
        if found is None:
            if align is not None:
                raise Wrong
            return None
        *lists, size = found
        lists = [names.lower().split(",") for names in lists]
        if any(name not in AGGREGATORS for names in lists for name in names):
            raise Wrong
        size = natural(size, least=1)
        stamp = self.behind("BUCKETTIMESTAMP")
        stamp = STAMPS.get(stamp[0].lower()) if stamp else "-"
        empty = self.at("EMPTY")
        bucket_at = self.at("AGGREGATION") + self.keys + 1
        if stamp is None or (empty is not None and empty not in (bucket_at + 1, bucket_at + 3)):
            raise Wrong
        align = self.aligned(align[0].lower(), start, end) if align else 0
        return [Buckets(names, size, align, stamp, empty is not None, self.low, self.high) for names in lists]

    def aligned(self, align, start, end):
        if align in ("-", "start"):
            return natural(start)  # which - is not
        if align in ("+", "end"):
            return natural(end)
        return natural(align)

    def matching(self):
        """What TS.MRANGE takes beside TS.RANGE's words."""
        upper = [word.upper() for word in self.words]
        at = self.at("FILTER")
        if at is None:
            raise Wrong
        group = next((i for i, word in enumerate(upper) if word == "GROUPBY" and i > at), None)
        self.filters = filters(self.words[at + 1:group])
        self.with_labels = self.at("WITHLABELS") is not None
        self.selected = selected(self.words)
        self.exclude_empty = self.at("EXCLUDEEMPTY") is not None
        self.group = self.reducer = None
        if self.with_labels and self.selected is not None:
            raise Wrong
        if "GROUPBY" in upper[:at]:
            raise Wrong
        if group is None:
            return
        if len(self.words) != group + 4 or upper[group + 2] != "REDUCE" or self.words[group + 3].lower() not in REDUCERS:
            raise Wrong
        if self.exclude_empty or (self.buckets and len(self.buckets[0].aggregators) > 1):
            raise Wrong
        self.group, self.reducer = self.words[group + 1], self.words[group + 3].lower()

    def passes(self, at, value):
        return ((self.by_ts is None or at in self.by_ts)
                and (self.by_value is None or self.by_value[0] <= value <= self.by_value[1]))

    def rows(self, points, dialect, key=0, reverse=False):
        """[(time, [value …])] of a series' points in time's order."""
        left = [(at, value) for at, value in points if self.passes(at, value)]
        inside = [(at, value) for at, value in left if self.low <= at <= self.high]
        if self.buckets is None:
            return [(at, [value]) for at, value in inside]
        if self.low > self.high:
            return []
        around = left if "filtered neighbours" in dialect else points
        numbers = [(at, value) for at, value in around if value == value]
        before = [point for point in numbers if point[0] < self.low][-1:]
        after = [point for point in numbers if point[0] > self.high][:1]
        buckets = self.buckets[key]
        if reverse and "first and last in reverse" not in dialect:
            buckets = buckets.backwards()
        return buckets.rows(inside, before, after, "Welford" in dialect)


def selected(words):
    """SELECTED_LABELS' names, up to the next keyword."""
    upper = [word.upper() for word in words]
    if "SELECTED_LABELS" not in upper:
        return None
    ends = ("WITHLABELS", "AGGREGATION", "COUNT", "FILTER_BY_VALUE", "FILTER_BY_TS", "FILTER", "GROUPBY", "EXCLUDEEMPTY")
    names = []
    for word in words[upper.index("SELECTED_LABELS") + 1:]:
        if word.upper() in ends:
            break
        names.append(word)
    if not 1 <= len(names) <= 50:
        raise Wrong
    return names
