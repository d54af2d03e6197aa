"""A series, and what a write to it comes to."""

import math
import re

from .aggregate import Near, slack

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
POLICIES = {"LAST": lambda old, new: new, "FIRST": lambda old, new: old, "MIN": min, "MAX": max,
            "SUM": lambda old, new: plus(old, new), "BLOCK": None}


def plus(a, b):
    """A row that a rule wrote may be a Near number."""
    lost = slack([a, b])
    return Near(a + b, lost) if lost else a + b


class Wrong(Exception):
    """The command is refused."""


def number(text, dialect):
    """A finite decimal number; inf, hexadecimal and a plus are refused."""
    if text.startswith("0x") and "0x10 is no value" not in dialect:
        return 0.0
    if "NaN" in dialect and text.lower() in ("nan", "-nan"):
        return math.nan
    if not NUMBER.fullmatch(text) or text.startswith("+") or math.isinf(float(text)):
        raise Wrong
    return float(text)


def natural(text, least=0):
    """Times, counts and durations."""
    if not text.isdigit() or not least <= int(text) < 1 << 63:
        raise Wrong
    return int(text)


class Series:
    def __init__(self, declared=False):
        self.declared = declared
        self.retention = 0
        self.policy = None
        self.ignore = (0, 0.0)
        self.chunk = 4096
        self.encoding = "compressed"
        self.labels = []
        self.points = {}
        self.rules = {}  # key of the destination → Rule
        self.source = None  # key
        self.had_rules = self.had_source = self.emptied = False

    # ---- what is there ----

    def newest(self):
        return max(self.points, default=None)

    def visible(self):
        """[(time, value)] in order; retention hides, relative to the newest point."""
        newest = self.newest()
        since = newest - self.retention if self.retention and newest is not None else 0
        return [(at, self.points[at]) for at in sorted(self.points) if at >= since]

    # ---- what a write comes to: (the time to reply, is it stored) ----

    def add(self, at, value, said, default):
        """said: the policy by name, of the command or the series; None where nobody says one, which is `default` without IGNORE."""
        policy = (said or default).upper()
        newest = self.newest()
        if newest is not None and self.retention and newest - at > self.retention:
            raise Wrong
        if said and policy == "LAST" and self.is_small_change(at, value):
            return newest, False
        if at in self.points:
            value = self.merge(policy, self.points[at], value)
        self.points[at] = value
        return at, True

    @staticmethod
    def merge(policy, old, new):
        if policy == "BLOCK":
            raise Wrong
        if policy in ("MIN", "MAX", "SUM") and (math.isnan(old) or math.isnan(new)):
            if math.isnan(new) and not math.isnan(old):
                raise Wrong
            return new  # takes the NaN's place (DEVIATIONS)
        return POLICIES[policy](old, new)

    def is_small_change(self, at, value):
        """Trap 2: IGNORE, from the newest point on."""
        newest = self.newest()
        return (any(self.ignore) and newest is not None and at >= newest and at - newest <= self.ignore[0]
                and abs(value - self.points[newest]) <= self.ignore[1])

    def count(self, at, addend):
        """TS.INCRBY: the newest point and a number, at the newest's time or later."""
        newest = self.newest()
        if newest is not None and at < newest:
            raise Wrong("backwards")
        if newest is not None and math.isnan(self.points[newest]):
            raise Wrong
        value = addend if newest is None else plus(self.points[newest], addend)
        if math.isinf(value):
            raise Wrong
        if self.is_small_change(at, value):
            return newest, False
        self.points[at] = value
        return at, True


class Settings:
    """RETENTION, CHUNK_SIZE, ENCODING, DUPLICATE_POLICY, IGNORE, LABELS among a command's words. LABELS swallows to the end,
    yet a keyword in there works as well (trap 7)."""

    def __init__(self, words, dialect):
        self.given = {}
        upper = [word.upper() for word in words]

        def behind(keyword, count=1):
            at = upper.index(keyword) + 1
            if at + count > len(words):
                raise Wrong
            return words[at:at + count]

        if "LABELS" in upper:
            rest = words[upper.index("LABELS") + 1:]
            self.given["labels"] = list(zip(rest[::2], rest[1::2]))
            if any(not name or not value or set(value) & set("(),") for name, value in self.given["labels"]):
                raise Wrong
        if "RETENTION" in upper:
            self.given["retention"] = natural(*behind("RETENTION"))
        if "CHUNK_SIZE" in upper:
            self.given["chunk"] = natural(*behind("CHUNK_SIZE"), least=48)
            if self.given["chunk"] % 8 or self.given["chunk"] > 1048576:
                raise Wrong
        if "ENCODING" in upper:
            self.given["encoding"] = behind("ENCODING")[0].lower()
            if self.given["encoding"] not in ("compressed", "uncompressed"):
                raise Wrong
        if "DUPLICATE_POLICY" in upper:
            self.given["policy"] = behind("DUPLICATE_POLICY")[0].upper()
            if self.given["policy"] not in POLICIES:
                raise Wrong
        if "IGNORE" in upper:
            time, value = behind("IGNORE", 2)
            self.given["ignore"] = (natural(time), number(value, dialect))
            if self.given["ignore"][1] < 0:
                raise Wrong

    def apply(self, series):
        for name, value in self.given.items():
            setattr(series, name, value)
