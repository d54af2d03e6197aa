"""Points to buckets, and several series to one."""

import copy
import math

EPSILON = 2.0 ** -52
NAN = math.nan


class Near(float):
    """A number that depends on the order in which others were added up: it may differ by `slack`."""

    def __new__(cls, value, slack=0.0):
        self = super().__new__(cls, value)
        self.slack = slack
        self.may_be_nan = False
        return self


def slack(values):
    return sum(getattr(value, "slack", 0.0) for value in values)


def total(values):
    return Near(math.fsum(values), len(values) * EPSILON * math.fsum(map(abs, values)) + slack(values))


def average(values):
    whole = total(values)
    return Near(whole / len(values), whole.slack / len(values) + EPSILON * abs(whole))


def variance(values, sample, welford):
    """One value has none. Rounding costs Welford's way the spread times the mean, and sums of squares their whole size."""
    n, biggest = len(values), max(map(abs, values))
    if n == 1:
        return Near(0.0, 4 * EPSILON * (0 if welford else biggest ** 2) + 4 * biggest * slack(values))
    mean = math.fsum(values) / n
    squares = math.fsum((v - mean) ** 2 for v in values)
    if welford:
        lost = math.sqrt(squares * (squares + n * mean * mean)) + n * EPSILON * n * mean * mean
    else:
        lost = n * biggest ** 2
    return Near(squares / (n - sample), (8 * n * EPSILON * lost + 4 * biggest * slack(values)) / (n - sample))


def deviation(values, sample, welford):
    square = variance(values, sample, welford)
    root = math.sqrt(square)
    near = Near(root, math.sqrt(square.slack) if square.slack >= square else square.slack / root + EPSILON * root)
    near.may_be_nan = not welford and square.slack >= square  # the root of what cancelled to less than nothing
    return near


def fold(name, values, welford=True):
    """One aggregator of a bucket's values, in time's order; of a bucket without any that it takes: as EMPTY says."""
    numbers = [v for v in values if not math.isnan(v)]
    counts = {"count": len(numbers), "countnan": len(values) - len(numbers), "countall": len(values)}
    if name in counts:
        return counts[name]
    if not numbers:
        return 0.0 if name == "sum" else NAN
    if name in ("sum", "avg"):
        return total(numbers) if name == "sum" else average(numbers)
    if name in ("min", "max", "range"):
        low, high = min(numbers), max(numbers)
        return {"min": low, "max": high, "range": Near(high - low, slack([low, high]))}[name]
    if name in ("first", "last"):
        return numbers[0 if name == "first" else -1]
    spread = variance if name.startswith("var") else deviation
    return spread(numbers, name.endswith("s"), welford)


AGGREGATORS = ["avg", "sum", "min", "max", "range", "count", "first", "last", "std.p", "std.s", "var.p", "var.s", "twa", "countnan", "countall"]
REDUCERS = [name for name in AGGREGATORS if name not in ("first", "last", "twa")]


def takes(name, value):
    """countnan looks at NaN alone, countall at all, the others at numbers."""
    return name == "countall" or (name == "countnan") == math.isnan(value)


def reduce(name, values, dialect):
    numbers = [v for v in values if not math.isnan(v)]
    if not numbers and (name == "sum" or (name == "count" and "REDUCE count of NaN is 0" not in dialect)):
        return NAN
    return fold(name, values, "Welford" in dialect)


class Line:
    """The straight lines from number to number: twa."""

    def __init__(self, numbers):
        self.numbers = numbers

    def value(self, at):
        last = self.numbers[0]
        for point in self.numbers:
            if point[0] >= at:
                part = (at - last[0]) / (point[0] - last[0]) if point[0] > last[0] else 1
                return last[1] + (point[1] - last[1]) * part
            last = point
        return last[1]

    def mean(self, begin, end, high):
        """Within the lines; None: not there."""
        if not self.numbers:
            return None
        after, begin, end = end, max(begin, self.numbers[0][0]), min(end, self.numbers[-1][0], high)
        if begin > end or begin == after:  # a bucket's end is the next one's
            return None
        biggest = max(abs(value) for _, value in self.numbers)
        if begin == end:
            return Near(self.value(begin), 8 * EPSILON * biggest)
        times = [begin, *(at for at, _ in self.numbers if begin < at < end), end]
        values = [self.value(at) for at in times]
        areas = [(a + b) / 2 * (t - s) for s, t, a, b in zip(times, times[1:], values, values[1:])]
        return Near(math.fsum(areas) / (end - begin), 64 * len(times) * EPSILON * biggest + slack(value for _, value in self.numbers))


class Buckets:
    """aggregators of buckets [align + n·size, + size), within [low, high]."""

    def __init__(self, aggregators, size, align, stamp, empty, low, high):
        self.aggregators, self.size, self.align, self.empty, self.low, self.high = aggregators, size, align, empty, low, high
        self.shift = {"-": 0, "~": size // 2, "+": size}[stamp]

    def backwards(self):
        """1.12's first and last, of a reply in reverse."""
        other = copy.copy(self)
        other.aggregators = [{"first": "last", "last": "first"}.get(name, name) for name in self.aggregators]
        return other

    def start(self, at):
        return at - (at - self.align) % self.size

    def rows(self, points, before, after, welford=True):
        """[(time, [a value each])]; before, after: the numbers next to the range, in lists of one or none."""
        inside = {}
        for at, value in points:
            if any(takes(name, value) for name in self.aggregators):
                inside.setdefault(self.start(at), []).append(value)
        numbers = [(at, value) for at, value in points if not math.isnan(value)]
        line = Line(before + numbers + after)
        starts = self.starts(inside, numbers, before, after)
        rows, carried = [], NAN
        for start in starts:
            values = inside.get(start, [])
            row = []
            for name in self.aggregators:
                folded = NAN if name == "twa" else fold(name, values, welford)
                if name == "twa":
                    folded = line.mean(max(start, self.low), start + self.size, self.high)
                    folded = fold("last", values) if folded is None else folded
                elif name == "last" and math.isnan(folded):
                    folded = carried
                row.append(folded)
            rows.append((min(max(start, 0) + self.shift, (1 << 63) - 1), row))
            carried = next((v for v in reversed(values) if not math.isnan(v)), carried)
        return rows

    def starts(self, inside, numbers, before, after):
        """EMPTY adds those between, and where lines from outside cross the range, twa knows these too."""
        if not self.empty:
            return sorted(inside)
        ends = list(inside)
        if "twa" in self.aggregators and before and (numbers or after):
            ends.append(self.start(self.low))
        if "twa" in self.aggregators and after and (numbers or before):
            ends.append(self.start(min(self.high, after[0][0])))
        return range(min(ends), max(ends) + 1, self.size) if ends else []
