"""TS.RANGE, NRANGE, MRANGE, READ, GET, MGET, INFO, QUERYINDEX, QUERYLABELS."""

import math
import re

from .aggregate import reduce
from .options import END, Options, filters, selected
from .series import Wrong, natural
from .shapes import ANY, array, bulk, integer

VARIABLE = re.compile(r"[0-9]+|[0-9a-fA-F]{8,}|\*")


def implied(key):
    """The labels that a key's name has: DESIGN section 2."""
    host, slash, metric = key.partition("/")
    if not slash:
        host, metric = "", key
    stem, dot, dimension = metric.rpartition(".")
    stem = stem if dot else metric
    parts = stem.split(".")
    labels = {"host": host, "metric": metric, "dimension": dimension if dot else "",
              "category": ".".join("*" if VARIABLE.fullmatch(part) else part for part in parts),
              "item": ".".join(part for part in parts if VARIABLE.fullmatch(part))}
    return {name: value for name, value in labels.items() if value}


def cut(rows, count, reverse=False):
    rows = rows[::-1] if reverse else rows
    return rows if count is None else rows[:count]


class Reads:
    # ---- labels ----

    def own_labels(self, key):
        """Of a label given twice, the first counts."""
        return dict(reversed(self.series[key].labels))

    def labels(self, key):
        """What filters and SELECTED_LABELS see: given ones stand above implied ones."""
        return {**(implied(key) if "implied labels" in self.dialect else {}), **self.own_labels(key)}

    def select(self, found):
        return [key for key in self.keys() if all(f.fits(self.labels(key)) for f in found)]

    def shown(self, key, with_labels, names):
        if with_labels:
            return list({name: self.own_labels(key)[name] for name, _ in self.series[key].labels}.items())
        return [(name, self.labels(key).get(name)) for name in names or []]

    def do_ts_queryindex(self, *texts):
        return self.shapes.set(self.select(filters(texts)))

    def do_ts_querylabels(self, what, *words):
        words = list(words)
        name = None
        if what.upper() == "VALUES":
            if not words:
                raise Wrong
            name = words.pop(0)
        elif what.upper() != "LABELS":
            raise Wrong
        if words and words[0].upper() != "FILTER":
            raise Wrong
        keys = self.select(filters(words[1:]) if words else [])
        if name is None:
            return self.shapes.set(sorted({label for key in keys for label in self.own_labels(key)}))
        return self.shapes.set(sorted({self.labels(key)[name] for key in keys if name in self.labels(key)}))

    # ---- the newest point ----

    def last(self, key, latest):
        points = self.points(key, latest)
        return self.shapes.sample(points[-1][0], points[-1][1:]) if points else array([])

    def do_ts_get(self, key, *words):
        self.must(key)
        if [word.upper() for word in words] not in ([], ["LATEST"]):
            raise Wrong
        return self.last(key, bool(words))

    def do_ts_mget(self, *words):
        upper = [word.upper() for word in words]
        if "FILTER" not in upper:
            raise Wrong
        at = upper.index("FILTER")
        found, names, all_labels = filters(words[at + 1:]), selected(words[:at]), "WITHLABELS" in upper[:at]
        if all_labels and names is not None:
            raise Wrong
        rows = []
        for key in self.select(found):
            row = [self.shapes.labels(self.shown(key, all_labels, names)), self.last(key, "LATEST" in upper[:at])]
            rows.append((key, row, row))
        return self.shapes.rows_by_key(rows)

    # ---- ranges ----

    def rows(self, key, options, place=0, reverse=False):
        """In time's order."""
        return options.rows(self.points(key, options.latest), self.dialect, place, reverse)

    def do_ts_range(self, key, start, end, *words, reverse=False):
        self.must(key)
        options = Options(words, start, end)
        return self.shapes.samples(cut(self.rows(key, options, reverse=reverse), options.count, reverse))

    def do_ts_revrange(self, *words):
        return self.do_ts_range(*words, reverse=True)

    def do_ts_nrange(self, count, *words, reverse=False):
        """A row for each time of any key; NaN where a key has none."""
        count = natural(count, least=1)
        keys, words = words[:count], words[count:]
        if len(keys) < count or len(words) < 2:
            raise Wrong
        options = Options(words[2:], words[0], words[1], keys=count)
        for key in keys:
            self.must(key)
        columns = [dict(self.rows(key, options, n)) for n, key in enumerate(keys)]
        width = [len(options.buckets[n].aggregators) if options.buckets else 1 for n in range(count)]
        times = sorted({at for column in columns for at in column})
        rows = [(at, [value for n, column in enumerate(columns) for value in column.get(at, [math.nan] * width[n])]) for at in times]
        return self.shapes.joined(cut(rows, options.count, reverse))

    def do_ts_nrevrange(self, *words):
        return self.do_ts_nrange(*words, reverse=True)

    def do_ts_mrange(self, start, end, *words, reverse=False):
        options = Options(words, start, end, matched=True)
        keys = self.select(options.filters)
        if options.group is not None:
            return self.groups(options, keys, reverse)
        rows = []
        for key in keys:
            points = self.rows(key, options, reverse=reverse)
            if not points and options.exclude_empty:
                continue
            labels = self.shapes.labels(self.shown(key, options.with_labels, options.selected))
            samples = self.shapes.samples(cut(points, options.count, reverse))
            how = self.shapes.names("aggregators", options.buckets[0].aggregators if options.buckets else [])
            rows.append((key, [labels, samples], [labels, how, samples]))
        return self.shapes.rows_by_key(rows)

    def do_ts_mrevrange(self, *words):
        return self.do_ts_mrange(*words, reverse=True)

    def groups(self, options, keys, reverse):
        """One series for all that have the same value of a label."""
        members = {}
        for key in keys:
            value = self.labels(key).get(options.group)
            if value is not None:
                members.setdefault(value, []).append(key)
        rows = []
        for value in sorted(members):
            columns = [dict(self.rows(key, options)) for key in members[value]]
            times = sorted({at for column in columns for at in column})
            reduced = [(at, [reduce(options.reducer, [column[at][0] for column in columns if at in column], self.dialect)]) for at in times]
            shown = [(options.group, value)] if options.with_labels else [(name, value if name == options.group else None) for name in options.selected or []]
            told = [("__reducer__", options.reducer), ("__source__", ",".join(members[value]))] if options.with_labels else []
            samples = self.shapes.samples(cut(reduced, options.count, reverse))
            rows.append((f"{options.group}={value}", [self.shapes.labels(shown + told), samples],
                         [self.shapes.labels(shown), self.shapes.names("reducers", [options.reducer]), self.shapes.names("sources", members[value]), samples]))
        return self.shapes.rows_by_key(rows)

    def do_ts_read(self, key, start, *words):
        """From a time on; BLOCK, which is asked here for what is there or for a moment only, changes nothing."""
        options, rest = {}, list(words)
        while rest:
            word = rest.pop(0).upper()
            size = {"BLOCK": 2, "MAX_COUNT": 1}.get(word)
            if size is None or len(rest) < size or word in options:
                raise Wrong
            options[word], rest = rest[:size], rest[size:]
        most = natural(*options["MAX_COUNT"], least=1) if "MAX_COUNT" in options else END
        if "BLOCK" in options:
            if self.in_exec:
                raise Wrong
            natural(options["BLOCK"][0])
            if natural(options["BLOCK"][1], least=1) > most:
                raise Wrong
        points = self.points(key) if self.there(key) else []
        newest = points[-1][0] if points else -1
        low = {"-": 0, "+": newest, "$": newest + 1}.get(start)
        low = natural(start) if low is None else low
        return self.shapes.samples([(at, [value]) for at, value in points if at >= low][:most])

    # ---- TS.INFO ----

    def do_ts_info(self, key, *words):
        series = self.must(key)
        points = self.points(key)
        value = series.ignore[1]
        simple = lambda text: self.shapes.null if text is None else ("+", text)
        pairs = [("totalSamples", integer(len(points))), ("memoryUsage", ANY),
                 ("firstTimestamp", integer(points[0][0] if points else 0)), ("lastTimestamp", integer(points[-1][0] if points else 0)),
                 ("retentionTime", integer(series.retention)), ("chunkCount", ANY), ("chunkSize", integer(series.chunk)),
                 ("chunkType", simple(series.encoding)), ("duplicatePolicy", simple(series.policy and series.policy.lower())),
                 ("labels", self.shapes.labels(self.shown(key, True, None))), ("sourceKey", self.shapes.text(series.source)),
                 ("rules", self.rules(series)), ("ignoreMaxTimeDiff", integer(series.ignore[0])),
                 ("ignoreMaxValDiff", (",", value) if self.shapes.resp3 else ("$", value))]
        return self.shapes.map([(self.shapes.name(name), what) for name, what in pairs])

    def rules(self, series):
        rows = [(key, [integer(rule.buckets.size), ("+", rule.buckets.aggregators[0].upper()), integer(rule.buckets.align)])
                for key, rule in series.rules.items()]
        if self.shapes.resp3:
            return ("%", [(bulk(key), array(row)) for key, row in rows])
        return array(array([bulk(key), *row]) for key, row in rows)
