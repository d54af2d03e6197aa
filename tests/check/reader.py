"""Reads over RESP, as plain Python values."""

import math

from .resp import Error


class ReadError(Exception):
    pass


def ok(reply):
    if isinstance(reply, Error):
        raise ReadError(reply)
    return reply


def number(text):
    """None where there is no value."""
    if text in (None, "", "-"):
        return None
    value = float(text)
    return None if math.isnan(value) else value


class Reader:
    def __init__(self, client):
        self.client = client

    def points(self, key):
        """All points of a series: (time in ms, value), as they come. [] for a series that does not exist."""
        reply = self.client.call("TS.RANGE", key, "-", "+")
        if isinstance(reply, Error) and "not exist" in reply:
            return []
        return [(at, float(value)) for at, value in ok(reply)]

    def aggregate(self, keys, from_s, to_s, how):
        """{key: the one value of [from, to)}, None where there is none."""
        rows = ok(self.client.call("RANGE", from_s, to_s, "INTERVALS", 1, "AGGREGATE", how, "FORMAT", "flat",
                                   "KEYS", *keys))
        assert len(rows) == 2, rows
        return dict(zip(keys, (number(v) for v in rows[1][1:])))

    def topq(self, from_s, to_s, pattern, rank="sum", limit=1000, hosts=()):
        """({item: value}, rest, total) with rows, rest and total as numbers."""
        words = ["TOPQ", from_s, to_s, pattern, "LIMIT", limit, "RANK", rank, "FORMAT", "flat"]
        if hosts:
            words += ["HOSTS", len(hosts), *hosts]
        header, *rows = ok(self.client.call(*words))
        item, value = header.index("item"), header.index("value")
        *rows, rest, total = rows
        ranked = {row[item]: number(row[value]) for row in rows}
        assert len(ranked) == len(rows), f"an item twice: {rows}"
        return ranked, number(rest[value]) or 0, number(total[value]) or 0
