"""What the server should say: a dict of dicts, folded in the order of acknowledgement."""

import math

NUMBERS_FIRST = {"min": min, "max": max, "sum": lambda a, b: a + b}


class Model:
    def __init__(self):
        self.series = {}  # (host, metric) -> {time in ms: value}
        self.beats = set()  # (host, collector, second)

    def write(self, points, policy="last", observed=False):
        """points: (host, metric, time in ms, value), in order."""
        for host, metric, at, value in points:
            series = self.series.setdefault((host, metric), {})
            if at not in series or policy == "last":
                series[at] = value
            elif policy in NUMBERS_FIRST:  # keeps the number where one of the two is NaN
                before = series[at]
                series[at] = value if math.isnan(before) else before if math.isnan(value) else \
                    NUMBERS_FIRST[policy](before, value)
            if observed:
                self.beats.add((host, metric.split(".")[1], at // 1000))

    def delete(self, series, from_ms, to_ms):
        """Both ends; how many there were."""
        points = self.series.get(series, {})
        gone = [at for at in points if from_ms <= at <= to_ms]
        for at in gone:
            del points[at]
        return len(gone)

    def clear(self):
        """No point is left; names stay known, with their kinds."""
        for points in self.series.values():
            points.clear()
        self.beats.clear()

    def values(self, series, from_ms, to_ms):
        """Those that count, in order of time: no NaN."""
        points = self.series.get(series, {})
        return [points[at] for at in sorted(points) if from_ms <= at < to_ms and not math.isnan(points[at])]

    def aggregate(self, how, values):
        return {"sum": sum, "count": len, "min": min, "max": max, "avg": lambda v: sum(v) / len(v),
                "first": lambda v: v[0], "last": lambda v: v[-1]}[how](values)

    def bucket(self, series, how, delta, from_ms, to_ms):
        """(value, state) of one bucket."""
        if values := self.values(series, from_ms, to_ms):
            return self.aggregate(how, values), "value"
        beaten = any((host, collector) == (series[0], series[1].split(".")[1]) and from_ms <= second * 1000 < to_ms
                     for host, collector, second in self.beats)
        has_nan = any(from_ms <= at < to_ms for at in self.series.get(series, {}))
        if has_nan or (beaten and not delta):
            return None, "absent"
        return (0, "zero") if beaten else (None, "not_collected")

    def ranked(self, stem, dimension, hosts, from_ms, to_ms):
        """{item: all its values} of the series `stem`.item.`dimension` on these hosts."""
        items = {}
        for host, metric in self.series:
            before, _, item = metric.rpartition(".")[0].rpartition(".")
            if host in hosts and before == stem and metric.rpartition(".")[2] == dimension:
                items.setdefault(item, []).extend(self.values((host, metric), from_ms, to_ms))
        return {item: values for item, values in items.items() if values}
