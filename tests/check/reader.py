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


def pairs(flat):
    """A map, which RESP2 sends as an array of names and values in turn."""
    return dict(zip(flat[::2], flat[1::2]))


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
        header, *rows = ok(self.client.call("RANGE", from_s, to_s, "INTERVALS", 1, "AGGREGATE", how, "FORMAT", "flat",
                                            "KEYS", *keys))
        assert header == ["time", *keys, "complete"] and len(rows) == 1, (header, rows)
        if rows[0][-1] != 1:
            raise ReadError("incomplete")
        return dict(zip(keys, (number(v) for v in rows[0][1:-1])))

    def buckets(self, series, from_s, to_s, step_s, how):
        """For each (host, metric): [(start in s, value or None, state)]."""
        keys = [f"{host}/{metric}" for host, metric in series]
        reply = self._nested("RANGE", from_s, to_s, "STEP", step_s, "AGGREGATE", how, "FORMAT", "nested", "KEYS", *keys)
        if not reply["complete"]:
            raise ReadError(reply["why"])
        answers = [pairs(one) for one in reply["series"]]
        assert [one["key"] for one in answers] == keys
        return [[(at, number(value), state) for at, value, state in one["buckets"]] for one in answers]

    def completeness(self, key, from_s, to_s):
        """(is a RANGE of this complete, what it says is missing, its buckets' values)."""
        reply = self._nested("RANGE", from_s, to_s, "STEP", 1, "AGGREGATE", "last", "FORMAT", "nested", "KEYS", key)
        values = [number(value) for _, value, _ in pairs(reply["series"][0])["buckets"]]
        return bool(reply["complete"]), reply["why"], values

    def topq(self, from_s, to_s, pattern, rank="sum", limit=1000, hosts=()):
        """({item: value}, rest, total) with rows, rest and total as numbers."""
        words = ["TOPQ", from_s, to_s, pattern, "LIMIT", limit, "RANK", rank, "FORMAT", "nested"]
        if hosts:
            words += ["HOSTS", len(hosts), *hosts]
        reply = self._nested(*words)
        if not reply["complete"]:
            raise ReadError(reply["why"])
        rows = [pairs(row) for row in reply["rows"]]
        ranked = {row["item"]: number(row["value"]) for row in rows}
        assert len(ranked) == len(rows), f"an item twice: {rows}"
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        return ranked, number(pairs(reply["rest"])["value"]) or 0, number(pairs(reply["total"])["value"]) or 0

    def _nested(self, *words):
        return pairs(ok(self.client.call(*words)))
