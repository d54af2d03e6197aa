"""What the time-series commands answer, from COMPAT.md's words and the commands' public documentation: small, slow, plain.

A model has one environment. `answer(words)` gives the reply as compat/wire.py reads it. Errors are ('-', first word)."""

import math

POLICIES = {"LAST": lambda old, new: new, "FIRST": lambda old, new: old, "MIN": min, "MAX": max,
            "SUM": lambda old, new: old + new}
ERROR = ("-", "ERR")
OK = ("+", "OK")


class Wrong(Exception):
    """The command is refused."""


class Series:
    def __init__(self, declared=False):
        self.declared = declared
        self.retention = 0
        self.policy = None
        self.labels = []
        self.points = {}


def variance(values, sample):
    if len(values) == 1:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - (1 if sample else 0))


AGGREGATORS = {
    "avg": lambda v: math.fsum(v) / len(v), "sum": math.fsum, "min": min, "max": max, "count": len,
    "range": lambda v: max(v) - min(v), "first": lambda v: v[0], "last": lambda v: v[-1],
    "var.p": lambda v: variance(v, False), "var.s": lambda v: variance(v, True),
    "std.p": lambda v: math.sqrt(variance(v, False)), "std.s": lambda v: math.sqrt(variance(v, True)),
}


class Filter:
    """l=v l!=v l= l!= l=(a,b) l!=(a,b)"""

    def __init__(self, text):
        self.name, self.negative, value = self._split(text)
        if value.startswith("(") and value.endswith(")"):
            self.values = value[1:-1].split(",")
        else:
            self.values = [value] if value else []
        self.selects = not self.negative and bool(self.values)

    @staticmethod
    def _split(text):
        if "!=" in text:
            name, _, value = text.partition("!=")
            return name, True, value
        if "=" in text:
            name, _, value = text.partition("=")
            return name, False, value
        raise Wrong

    def fits(self, labels):
        have = dict(labels).get(self.name)
        if not self.values:  # l= has it not, l!= has it
            return (have is not None) == self.negative
        return (have in self.values) != self.negative


class Options:
    """The words behind a read's bounds; keywords are found anywhere, unknown words are left out."""

    def __init__(self, words):
        self.words = [str(w) for w in words]
        upper = [w.upper() for w in self.words]
        self.upper = upper
        self.count = self._number("COUNT", not_after=("AGGREGATION",))
        self.by_ts = self._times()
        self.by_value = [float(w) for w in self._behind("FILTER_BY_VALUE", 2)] if "FILTER_BY_VALUE" in upper else None
        self.aggregators = self.bucket = None
        if "AGGREGATION" in upper:
            names, bucket = self._behind("AGGREGATION", 2)
            self.aggregators, self.bucket = names.lower().split(","), int(bucket)
        self.align = self._behind("ALIGN", 1)[0] if "ALIGN" in upper else None
        self.stamp = self._behind("BUCKETTIMESTAMP", 1)[0] if "BUCKETTIMESTAMP" in upper else "-"
        self.empty = "EMPTY" in upper

    def _behind(self, word, count):
        at = self.upper.index(word) + 1
        return self.words[at:at + count]

    def _number(self, word, not_after):
        for i, w in enumerate(self.upper):
            if w == word and (i == 0 or self.upper[i - 1] not in not_after):
                return int(self.words[i + 1])
        return None

    def _times(self):
        if "FILTER_BY_TS" not in self.upper:
            return None
        times = set()
        for word in self.words[self.upper.index("FILTER_BY_TS") + 1:]:
            if not word.isdigit():
                break
            times.add(int(word))
        return times


class Model:
    def __init__(self, protocol):
        self.resp3 = protocol == 3
        self.series = {}

    # ---- replies ----

    def value(self, number):
        return (",", float(number)) if self.resp3 else ("+", float(number))

    def sample(self, at, *values):
        return ("*", [(":", at), *(self.value(v) for v in values)])

    def samples(self, rows):
        return ("*", [self.sample(at, *values) for at, values in rows])

    def map(self, pairs):
        return ("%", pairs) if self.resp3 else ("*", [x for pair in pairs for x in pair])

    def set(self, keys):
        return ("~" if self.resp3 else "*", [("$", key) for key in keys])

    @property
    def null(self):
        return ("_", None) if self.resp3 else ("$", None)

    def labels(self, labels):
        pairs = [(("$", name), self.null if value is None else ("$", value)) for name, value in labels]
        return ("%", pairs) if self.resp3 else ("*", [("*", list(pair)) for pair in pairs])

    # ---- asking ----

    def answer(self, words):
        name = words[0].upper().replace("TS.", "ts_").lower()
        try:
            return getattr(self, f"do_{name}")(*words[1:])
        except Wrong:
            return ERROR

    def there(self, key):
        series = self.series.get(key)
        return series if series and (series.declared or series.points) else None

    def must(self, key):
        series = self.there(key)
        if series is None:
            raise Wrong
        return series

    def settings(self, series, words):
        upper = [w.upper() for w in words]
        if "RETENTION" in upper:
            series.retention = int(words[upper.index("RETENTION") + 1])
        if "DUPLICATE_POLICY" in upper:
            series.policy = words[upper.index("DUPLICATE_POLICY") + 1].upper()
            if series.policy not in POLICIES:
                raise Wrong
        if "LABELS" in upper:
            rest = words[upper.index("LABELS") + 1:]
            series.labels = list(zip(rest[::2], rest[1::2]))

    # ---- writing ----

    def do_ts_create(self, key, *words):
        if self.there(key):
            raise Wrong
        series = Series(declared=True)
        self.settings(series, words)
        self.series[key] = series
        return OK

    def do_ts_alter(self, key, *words):
        series = self.must(key)
        self.settings(series, words)
        series.declared = True
        return OK

    def store(self, key, at, value, policy=None):
        if not str(at).isdigit():
            raise Wrong
        try:
            number = float(value)
        except ValueError:
            raise Wrong from None
        series = self.series.get(key)
        if self.there(key) is None:
            series = self.series[key] = Series()
        at, old = int(at), series.points.get(int(at))
        merge = POLICIES[(policy or series.policy or "LAST").upper()]
        series.points[at] = number if old is None else merge(old, number)
        return (":", at)

    def do_ts_add(self, key, at, value, *words):
        policy = words[1] if words else None
        return self.store(key, at, value, policy)

    def do_ts_madd(self, *words):
        if len(words) % 3:
            raise Wrong
        replies = []
        for i in range(0, len(words), 3):
            try:
                replies.append(self.store(*words[i:i + 3]))
            except Wrong:
                replies.append(ERROR)
        return ("*", replies)

    def do_ts_del(self, key, start, end):
        series = self.must(key)
        lo, hi = self.bounds(start, end)
        gone = [at for at in series.points if lo <= at <= hi]
        for at in gone:
            del series.points[at]
        return (":", len(gone))

    # ---- reading ----

    @staticmethod
    def bounds(start, end):
        return (0 if start == "-" else int(start)), ((1 << 63) - 1 if end == "+" else int(end))

    def rows(self, series, start, end, options):
        """[(time, [value of each aggregator])], in time order."""
        lo, hi = self.bounds(start, end)
        points = [(at, v) for at, v in sorted(series.points.items()) if lo <= at <= hi
                  and (options.by_ts is None or at in options.by_ts)
                  and (options.by_value is None or options.by_value[0] <= v <= options.by_value[1])]
        if options.aggregators is None:
            return [(at, [v]) for at, v in points]
        align = {None: 0, "-": lo, "start": lo, "+": hi, "end": hi}.get(options.align)
        align = int(options.align) if align is None else align
        buckets = {}
        for at, v in points:
            buckets.setdefault(align + (at - align) // options.bucket * options.bucket, []).append(v)
        if options.empty and buckets:
            for begin in range(min(buckets), max(buckets), options.bucket):
                buckets.setdefault(begin, [])
        shift = {"-": 0, "~": options.bucket // 2, "+": options.bucket}[options.stamp]
        rows, last = [], math.nan
        for begin in sorted(buckets):
            values = buckets[begin]
            rows.append((begin + shift, [self.fold(a, values, last) for a in options.aggregators]))
            last = values[-1] if values else last
        return rows

    @staticmethod
    def fold(aggregator, values, last):
        if values:
            return AGGREGATORS[aggregator](values)
        return {"sum": 0, "count": 0, "last": last}.get(aggregator, math.nan)

    def do_ts_range(self, key, start, end, *words, reverse=False):
        series = self.must(key)
        options = Options(words)
        rows = self.rows(series, start, end, options)
        rows = rows[::-1] if reverse else rows
        return self.samples(rows[:options.count] if options.count is not None else rows)

    def do_ts_revrange(self, *words):
        return self.do_ts_range(*words, reverse=True)

    def last(self, series):
        if not series.points:
            return ("*", [])
        at = max(series.points)
        return self.sample(at, series.points[at])

    def do_ts_get(self, key):
        return self.last(self.must(key))

    def select(self, filters):
        filters = [Filter(text) for text in filters]
        if not any(f.selects for f in filters):
            raise Wrong
        return [key for key in sorted(self.series) if self.there(key) and self.there(key).declared
                and all(f.fits(self.series[key].labels) for f in filters)]

    def do_ts_queryindex(self, *filters):
        return self.set(self.select(filters))

    def do_ts_mget(self, *words):
        upper = [w.upper() for w in words]
        keys = self.select(words[upper.index("FILTER") + 1:])
        rows = []
        for key in keys:
            series = self.series[key]
            shown = []
            if "WITHLABELS" in upper:
                shown = series.labels
            elif "SELECTED_LABELS" in upper:
                names = words[upper.index("SELECTED_LABELS") + 1:upper.index("FILTER")]
                shown = [(name, dict(series.labels).get(name)) for name in names]
            rows.append((("$", key), [self.labels(shown), self.last(series)]))
        if self.resp3:
            return ("%", [(key, ("*", row)) for key, row in rows])
        return ("*", [("*", [key, *row]) for key, row in rows])

    # ---- keys ----

    def do_exists(self, *keys):
        return (":", sum(self.there(key) is not None for key in keys))

    def do_type(self, key):
        return ("+", "TSDB-TYPE" if self.there(key) else "none")

    def do_del(self, *keys):
        gone = 0
        for key in keys:
            gone += self.there(key) is not None
            self.series.pop(key, None)
        return (":", gone)

    def do_keys(self, pattern):
        assert pattern == "*"
        return ("*", [("$", key) for key in self.series if self.there(key)])

    def do_dbsize(self):
        return (":", sum(self.there(key) is not None for key in self.series))

    def do_flushdb(self):
        self.series.clear()
        return OK
