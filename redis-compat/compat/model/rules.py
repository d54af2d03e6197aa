"""Compaction: TS.CREATERULE, TS.DELETERULE, LATEST. A destination's rows are computed when they are read (Longtail), or written
when a bucket closes and when it changes (RedisTimeSeries)."""

from .aggregate import AGGREGATORS, Buckets, fold
from .options import END
from .series import Wrong, natural
from .shapes import OK

WRITTEN_ONLY = ("countnan", "countall")  # since 8.6


class Odd(Exception):
    """RedisTimeSeries 1.12 has a slip of its own here."""


class Rule:
    def __init__(self, source, aggregator, size, align, after):
        self.source, self.aggregator = source, aggregator
        self.buckets = Buckets([aggregator], size, align, "-", False, 0, END)
        self.after = after  # the source's newest time when the rule was made


class Computed(Rule):
    """Rows of all buckets that end before the newest point's; LATEST shows that one, too."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hidden = []

    def rows(self, points, latest=False):
        """{time: value} of what the source holds, whatever its retention hides."""
        counted = sorted((at, value) for at, value in points.items() if at > self.after)
        if not counted:
            return {}
        open_at = max(self.buckets.start(counted[-1][0]), 0)
        return {at: row[0] for at, row in self.buckets.rows(counted, [], [])
                if (latest or at < open_at) and not any(low <= at <= high for low, high in self.hidden)}


class Written(Rule):
    """Rows are points of the destination. `open` is the bucket that is not written yet, of the values in `context`."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.open, self.context = None, []

    def value(self, values):
        return fold(self.aggregator, values, welford=False)

    def of_bucket(self, series, start):
        """What is visible of a bucket; also from before the rule."""
        return [value for at, value in series.visible() if self.buckets.start(at) == start]

    def append(self, at, value, destination):
        """A point behind all others."""
        start = self.buckets.start(at)
        if self.open is None:
            self.open = start
        elif start > self.open:
            self.write(destination, self.open, self.context)
            self.open, self.context = start, []
        self.context.append(value)

    def change(self, series, at, destination):
        """A point that is not the newest was written, or one was deleted."""
        start = self.buckets.start(at)
        if start >= self.buckets.start(series.newest()):
            self.context = self.of_bucket(series, start)
            return
        values = self.of_bucket(series, start)
        if values and destination.points and start > destination.newest():
            raise Odd("a late point that makes the destination's newest row: TS.GET, TS.INFO and RETENTION do not see it")
        if values and not destination.points and destination.emptied:
            raise Odd("a late point's row in a destination whose points were all deleted: no read shows it")
        self.write(destination, start, values)

    def write(self, destination, start, values):
        at = max(start, 0)
        if not values:
            destination.emptied |= destination.points.pop(at, None) is not None and not destination.points
        else:
            destination.points[at] = self.value(values)

    def latest(self):
        return {} if self.open is None or not self.context else {max(self.open, 0): self.value(self.context)}


class Rules:
    def do_ts_createrule(self, source, destination, word, aggregator, size, align="0"):
        aggregator = aggregator.lower()
        if word.upper() != "AGGREGATION" or aggregator not in AGGREGATORS or source == destination:
            raise Wrong
        if aggregator in WRITTEN_ONLY and "countnan, countall" not in self.dialect:
            raise Wrong
        size, align = natural(size, least=1), natural(align)
        one, other = self.must(source), self.must(destination)
        if other.source or one.source or other.rules:
            raise Wrong
        newest = one.newest()
        kind = Computed if "rules are computed" in self.dialect else Written
        one.rules[destination] = kind(source, aggregator, size, align, -1 if newest is None else newest)
        other.source = source
        one.declared = other.declared = one.had_rules = True
        return OK

    def do_ts_deleterule(self, source, destination):
        if destination not in self.must(source).rules:
            raise Wrong
        self.end_rule(source, destination)
        return OK

    def rule_of(self, key):
        """That of a destination, or None."""
        source = self.series[key].source
        return self.series[source].rules[key] if source else None

    def end_rule(self, source, destination):
        """Its rows stay, the open bucket does not."""
        if "rules are computed" in self.dialect:
            self.series[destination].points = self.own_and_computed(destination)
        del self.series[source].rules[destination]
        self.series[destination].source, self.series[destination].had_source = None, True

    def end_rules(self, key):
        """The key goes."""
        series = self.series[key]
        for destination in list(series.rules):
            self.end_rule(key, destination)
        if series.source:
            del self.series[series.source].rules[key]

    # ---- what a source's change makes of its destinations ----

    def compact_write(self, series, at, newest):
        """newest: the newest time before."""
        if "rules are computed" in self.dialect:
            return
        for key, rule in series.rules.items():
            if newest is None or at > newest:
                rule.append(at, series.points[at], self.series[key])
            else:
                rule.change(series, at, self.series[key])

    def compact_deletion(self, series, low, high, gone):
        """The first and the last bucket are made anew, whether they have lost anything or not."""
        if "rules are computed" in self.dialect or not series.points:
            return
        for key, rule in series.rules.items():
            last = min(high, series.newest())
            rows = {max(rule.buckets.start(at), 0) for at in [*gone, *series.points]}
            if any(rule.buckets.start(low) <= at <= high and at not in rows for at in self.series[key].points):
                raise Odd("TS.DEL over points of a destination's own: they go, or stay")
            for start in sorted({rule.buckets.start(at) for at in [*gone, min(low, last), last]}):
                rule.change(series, start, self.series[key])

    @staticmethod
    def check_retained(series, low):
        """The reference deletes nothing of buckets that retention has cut into."""
        newest = series.newest() or 0
        if any(rule.buckets.start(low) < newest - series.retention for rule in series.rules.values()):
            raise Wrong

    # ---- what a read sees ----

    def own_and_computed(self, key, latest=False):
        """Own points stand above rows."""
        series, rule = self.series[key], self.rule_of(key)
        computed = rule.rows(self.series[series.source].points, latest) if rule else {}
        return {**computed, **series.points}

    def points(self, key, latest=False):
        """[(time, value)] in order. Retention hides by the last row; the open bucket stands behind."""
        series, rule = self.series[key], self.rule_of(key)
        if rule is None:
            return series.visible()
        if "rules are computed" in self.dialect:
            rows = self.own_and_computed(key)
            more = self.own_and_computed(key, latest=True) if latest else rows
        else:
            rows = series.points
            more = {**rows, **rule.latest()} if latest else rows
        since = max(rows) - series.retention if rows and series.retention else 0
        return sorted((at, value) for at, value in more.items() if at >= since)

    def delete_rows(self, key, low, high):
        """TS.DEL of a destination whose rows are computed hides them; how many times had a row or a point."""
        series, rule = self.series[key], self.rule_of(key)
        computed = [at for at in rule.rows(self.series[series.source].points) if low <= at <= high]
        own = [at for at in series.points if low <= at <= high]
        for at in own:
            del series.points[at]
        if computed:
            rule.hidden.append((min(computed), max(computed)))
        return len({*computed, *own})
