"""Random commands over few keys and times, so that they meet."""

import random
import time

from .model.aggregate import AGGREGATORS, REDUCERS

KEYS = ["a", "b", "c", "h1/host.cpu.user", "h2/host.cpu.user", "h1/host.procs.12345678.rss", "with space"]
KINDS, ROOMS = ["x", "y", "two words"], ["1", "2", "3"]
STEPS = 60
POLICIES = ["LAST", "FIRST", "MIN", "MAX", "SUM", "BLOCK"]


class Commands:
    """has(name): does who is asked know it? Names are those of model/dialect.py; `without` are commands that are not asked."""

    def __init__(self, seed, dialect, without=()):
        self.random = random.Random(seed)
        self.dialect = dialect
        self.base = (int(time.time()) // 3600 - 2) * 3600000
        self.waiting = []
        makers = [(9, self.add, "TS.ADD"), (4, self.madd, "TS.MADD"), (3, self.create, "TS.CREATE"), (2, self.alter, "TS.ALTER"),
                  (2, self.count, "TS.INCRBY"), (1, self.count, "TS.DECRBY"), (2, self.delete_points, "TS.DEL"), (2, self.createrule, "TS.CREATERULE"), (0.4, self.deleterule, "TS.DELETERULE"),
                  (8, self.range, "TS.RANGE"), (4, self.range, "TS.REVRANGE"), (3, self.nrange, "TS.NRANGE"), (2, self.nrange, "TS.NREVRANGE"),
                  (5, self.mrange, "TS.MRANGE"), (3, self.mrange, "TS.MREVRANGE"), (3, self.read, "TS.READ"), (3, self.get, "TS.GET"),
                  (3, self.mget, "TS.MGET"), (2, self.queryindex, "TS.QUERYINDEX"), (2, self.querylabels, "TS.QUERYLABELS"), (2, self.info, "TS.INFO"),
                  (1, self.two_keys, "EXISTS"), (1, self.one_key, "TYPE"), (0.6, self.delete, "DEL"), (0.3, self.delete, "UNLINK"), (0.8, self.two_keys, "RENAME"), (0.4, self.two_keys, "RENAMENX"),
                  (1, lambda _: ["KEYS", self.pick("*", "h*", "?", "*cpu*")], "KEYS"), (1, self.scan, "SCAN"), (1, lambda _: ["DBSIZE"], "DBSIZE"),
                  (0.3, lambda _: ["RANDOMKEY"], "RANDOMKEY"), (0.5, self.expire, "EXPIRE"), (0.5, self.expire, "PEXPIRE"),
                  (0.3, self.one_key, "PERSIST"), (0.5, self.one_key, "TTL"), (0.5, self.one_key, "PTTL"),
                  (0.3, lambda _: ["OBJECT", "ENCODING", self.key()], "OBJECT"), (0.3, lambda _: ["MEMORY", "USAGE", self.key()], "MEMORY"),
                  (0.5, self.transaction, "MULTI"), (3, self.wrong, "wrong"), (0.05, lambda name: [name], "FLUSHDB"), (0.05, lambda name: [name], "FLUSHALL")]
        self.makers = [maker for maker in makers if maker[2] not in without]
        self.weights = [maker[0] for maker in self.makers]

    def next(self):
        """A command's words. Those of a transaction come one by one."""
        if not self.waiting:
            _, make, name = self.random.choices(self.makers, self.weights)[0]
            words = make(name)
            self.waiting = words if isinstance(words[0], list) else [words]
        return [str(word) for word in self.waiting.pop(0)]

    def take(self, count):
        """Whole transactions: a few more."""
        commands = []
        while len(commands) < count or self.waiting:
            commands.append(self.next())
        return commands

    # ---- words ----

    def has(self, name):
        return name in self.dialect

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *of):
        return self.random.choice(of)

    def key(self):
        return self.random.choice(KEYS)

    def at(self):
        return self.base + self.random.randrange(STEPS) * 1000

    def number(self):
        r = self.random
        return r.choice([r.randrange(-5, 20), r.randrange(-5, 20), r.randrange(0, 400) / 4, 100000, -0.5, r.uniform(-10, 10), 1e9 + r.randrange(10)])

    def value(self):
        return "nan" if self.has("NaN") and self.chance(0.04) else self.number()

    def bounds(self):
        lo, hi = sorted((self.at(), self.at()))
        if self.chance(0.02):
            lo, hi = hi, lo
        return [self.pick("-", lo, lo), self.pick("+", hi, hi)]

    def labels(self):
        words = ["LABELS", "kind", self.random.choice(KINDS), "room", self.random.choice(ROOMS)]
        words = words[:3] if self.chance(0.2) else words
        if self.chance(0.1):
            words += ["Only " + self.key()[0], "1"]
        if self.has("first label counts") and self.chance(0.05):
            words += ["kind", self.random.choice(KINDS)]
        return words

    def implied(self):
        return self.pick("metric=host.cpu.user", "host=h1", "category=(host.cpu,host.procs.*)", "item=12345678", "dimension=rss")

    def filters(self):
        pick = self.pick
        kind, room = pick(*KINDS), pick(*ROOMS)
        first = pick(f"kind={kind}", f"kind={kind}", "kind=(x,y)", "kind=(x,two words)", f"room={room}", "room=(1,3)", "room=(1,2,3)")
        if self.has("quotes are stripped") and self.chance(0.1):
            first = pick("kind=(x,'two words')", f'kind="{kind}"')
        if self.has("implied labels") and self.chance(0.15):
            first = self.implied()
        more = [f"kind!={kind}", f"room!={room}", "room=", "kind!=", "other=", "room!=(1,2)", f"room={room}", "Kind="]
        filters = [first] + [pick(*more)] * self.chance(0.4)
        if self.chance(0.1):
            filters.reverse()
        return pick(filters, filters, filters, filters, [pick(*more)])

    def settings(self, name):
        words = []
        if self.chance(0.15):
            words += ["RETENTION", self.pick(0, 5000, 20000, 100000)]
        if self.chance(0.1) and self.has("CHUNK_SIZE loses nothing"):
            words += ["CHUNK_SIZE", self.pick(128, 4096)]
        if self.chance(0.1) and name != "TS.ALTER":
            words += ["ENCODING", self.pick("COMPRESSED", "uncompressed")]
        if self.chance(0.4):
            words += ["DUPLICATE_POLICY", self.random.choice(POLICIES)]
        if self.chance(0.15):
            words += ["IGNORE", self.pick(0, 3000, 10000), self.pick(0, 1, 5.5)]
        return words + (self.labels() if self.chance(0.8) else [])

    # ---- writes ----

    def create(self, name):
        return [name, self.key(), *self.settings(name)]

    def alter(self, name):
        words = self.settings(name)
        return [name, self.key(), *(words or ["LABELS"])]

    def add(self, name):
        words = [name, self.key(), "*" if self.chance(0.005) else self.at(), self.value()]
        if self.chance(0.3):
            words += ["ON_DUPLICATE", self.random.choice(POLICIES)]
        return words + (self.settings(name) if self.chance(0.1) else [])

    def madd(self, name):
        words = [name]
        for _ in range(self.random.randrange(1, 6)):
            words += [self.key(), self.at(), self.value() if self.chance(0.95) else self.pick("abc", "inf", "+1")]
        return words

    def count(self, name):
        words = [name, self.key(), self.number() if self.chance(0.97) else "abc"]
        if not self.chance(0.01):
            late = self.base + self.random.randrange(STEPS - 5, STEPS) * 1000
            words += ["TIMESTAMP", self.pick(self.at(), late, late, late)]
        return words + (self.settings(name) if self.chance(0.1) else [])

    def delete_points(self, name):
        lo, hi = sorted((self.at(), self.at()))
        bounds = [lo, min(hi, lo + 8000)]
        return [name, self.key(), *self.pick(bounds, bounds, bounds, bounds, ["-", lo], [hi, "+"], ["-", "+"])]

    # ---- rules ----

    def createrule(self, name):
        known = [a for a in AGGREGATORS if self.has("countnan, countall") or a not in ("countnan", "countall")]
        known = [a for a in known if self.has("rules are computed") or a != "twa"]  # there, a row keeps the neighbours of its time
        words = [name, self.key(), self.key(), "AGGREGATION", self.random.choice(known), self.pick(2000, 5000, 7000, 10000, 60000)]
        return words + [self.pick(0, self.base + 500, 3000)] * self.chance(0.3)

    def deleterule(self, name):
        return [name, self.key(), self.key()]

    # ---- reads ----

    def aggregators(self):
        known = [a for a in AGGREGATORS if self.has("countnan, countall") or not a.startswith("countn") and a != "countall"]
        many = self.pick(1, 1, 1, 2, 3) if self.has("several aggregators") else 1
        names = ",".join(self.random.sample(known, many))
        return names.upper() if self.chance(0.2) else names

    def aggregation(self, name, start, end, keys=1, single=False):
        lists = [self.aggregators() for _ in range(keys)]
        lists = [names.split(",")[0] for names in lists] if single else lists
        align = []
        if self.chance(0.3):
            align = ["ALIGN", self.pick(0, self.base + 500, self.base, self.base + 3700, *(["start"] * (start != "-")), *(["+"] * (end != "+")))]
        words = ["AGGREGATION", *lists, self.pick(1000, 2000, 5000, 7000, 60000, 1500)]
        if self.chance(0.3):
            words += ["BUCKETTIMESTAMP", self.pick(*"-~+", "mid")]
        if self.chance(0.3):
            words += ["EMPTY"]
        return self.safe(align, words, "REV" in name)

    def safe(self, align, words, reverse):
        """What 1.12 does not survive is not asked there."""
        if not self.has("twa of any bounds") and "twa" in words[1].lower():
            align, words = [], [word for word in words if word != "EMPTY"]
        if not self.has("twa in reverse") and reverse and words[1].lower() == "twa":
            words[1] = "avg"
        if not self.has("EMPTY in reverse") and reverse:
            words = [word for word in words if word != "EMPTY"]
        return self.pick(align + words, words + align) if not ({"EMPTY", "BUCKETTIMESTAMP"} & set(words)) else align + words

    def reading(self, name, start, end, keys=1, single=False):
        words = []
        if self.chance(0.2):
            words += ["FILTER_BY_TS", *sorted(self.at() for _ in range(4))]
        if self.chance(0.2):
            words += ["FILTER_BY_VALUE", 0, self.random.randrange(5, 60)]
        if self.chance(0.3):
            words += ["COUNT", self.random.randrange(1, 8)]
        if self.chance(0.2):
            words += ["LATEST"]
        if self.chance(0.03):
            words += ["nonsense"]
        if self.chance(0.6):
            aggregation = self.aggregation(name, start, end, keys, single)
            if "filtered neighbours" not in self.dialect and "twa" in " ".join(map(str, aggregation)).lower():
                words = []  # there, what a filter left out may be a neighbour or not
            words += aggregation
        return words

    def range(self, name):
        bounds = self.bounds()
        return [name, self.key(), *bounds, *self.reading(name, *bounds)]

    def nrange(self, name):
        bounds, keys = self.bounds(), [self.key() for _ in range(self.pick(1, 2, 2, 3))]
        return [name, len(keys), *keys, *bounds, *self.reading(name, *bounds, keys=len(keys))]

    def mrange(self, name):
        bounds, grouped = self.bounds(), self.chance(0.4)
        words = [name, *bounds, *self.reading(name, *bounds, single=grouped and self.chance(0.95)), *self.shown()]
        if self.has("EXCLUDEEMPTY") and self.chance(0.05 if grouped else 0.3):
            words += ["EXCLUDEEMPTY"]
        words += ["FILTER", *self.filters()]
        if grouped:
            reducers = REDUCERS if self.has("countnan, countall") else [r for r in REDUCERS if r not in ("countnan", "countall")]
            groups = ["kind", "room", "none"] + ["metric", "host"] * self.has("implied labels")
            words += ["GROUPBY", self.pick(*groups), "REDUCE", self.random.choice(reducers)]
        return words

    def shown(self):
        names = ["SELECTED_LABELS", "room", "none"] + ["metric"] * (self.has("implied labels") and self.chance(0.3))
        return self.pick([], ["WITHLABELS"], names)

    def read(self, name):
        words = [name, self.key(), self.pick("-", "+", "$", self.at(), self.at())]
        if self.chance(0.3):
            words += ["MAX_COUNT", self.random.randrange(1, 8)]
        if self.chance(0.05):
            words += ["BLOCK", 1, self.random.randrange(1, 4)]
        return words

    def get(self, name):
        return [name, self.key()] + ["LATEST"] * self.chance(0.2)

    def mget(self, name):
        return [name, *["LATEST"] * self.chance(0.2), *self.shown(), "FILTER", *self.filters()]

    def queryindex(self, name):
        return [name, *self.filters()]

    def querylabels(self, name):
        what = self.pick(["LABELS"], ["VALUES", self.pick("kind", "room", "host", "metric", "none")])
        return [name, *what, *(["FILTER", *self.filters()] if self.chance(0.6) else [])]

    def info(self, name):
        return [name, self.key()]

    # ---- keys ----

    def one_key(self, name):
        return [name, self.key()]

    def two_keys(self, name):
        return [name, self.key(), self.key()]

    def delete(self, name):
        return [name, self.key()] + [self.key()] * self.chance(0.2)

    def scan(self, name):
        words = [name, 0, "COUNT", 10000]
        if self.chance(0.5):
            words += ["MATCH", self.pick("*", "h*", "*cpu*")]
        return words + (["TYPE", self.pick("TSDB-TYPE", "string")] if self.chance(0.3) else [])

    def expire(self, name):
        span = self.pick(5, 20, 100, 0, -1)
        return [name, self.key(), span * (1 if name == "EXPIRE" else 1000)] + [self.pick("NX", "XX", "GT", "LT")] * self.chance(0.2)

    def transaction(self, name):
        inner = []
        while len(inner) < self.random.randrange(1, 6):
            _, make, name = self.random.choices(self.makers, self.weights)[0]
            if name != "MULTI":
                inner.append(make(name))
        return [["MULTI"], *inner, self.pick(["EXEC"], ["EXEC"], ["EXEC"], ["DISCARD"])]

    def wrong(self, _):
        key, at = self.key(), self.at()
        return self.pick(["TS.ADD", key, "when", 1], ["TS.ADD", key, at, "0x10"], ["TS.ADD", key, at, "abc"], ["TS.ADD", key, -5, 1],
                         ["TS.ADD", key, at, "inf"], ["TS.ADD", key, at, "+1"], ["TS.ADD", key, at, 1, "ON_DUPLICATE", "all"],
                         ["TS.ADD", key, at, 1, "RETENTION", "x"], ["TS.ADD", key, at, 1, "LABELS", "a", "(b)"],
                         ["TS.RANGE", "nosuch", "-", "+"], ["TS.RANGE", key, "x", "+"], ["TS.RANGE", key, "-", "+", "COUNT", "x"],
                         ["TS.RANGE", key, "-", "+", "AGGREGATION", "odd", 1000], ["TS.RANGE", key, "-", "+", "AGGREGATION", "avg", 0],
                         ["TS.RANGE", key, "-", "+", "ALIGN", "start", "AGGREGATION", "avg", 1000], ["TS.RANGE", key, "-", "+", "ALIGN", 5],
                         ["TS.RANGE", key, "-", "+", "FILTER_BY_TS", "x"], ["TS.RANGE", key, "-", "+", "FILTER_BY_VALUE", 1],
                         ["TS.MRANGE", "-", "+", "COUNT", 1], ["TS.MRANGE", "-", "+", "FILTER", "kind!=x"], ["TS.MRANGE", "-", "+", "FILTER", "odd"],
                         ["TS.MRANGE", "-", "+", "WITHLABELS", "SELECTED_LABELS", "room", "FILTER", "kind=x"],
                         ["TS.MRANGE", "-", "+", "FILTER", "kind=x", "GROUPBY", "room", "REDUCE", "last"], ["TS.MGET", "FILTER", "kind!="],
                         ["TS.GET", "nosuch"], ["TS.GET", key, "odd"], ["TS.DEL", "nosuch", 0, 1], ["TS.DEL", key, "x", 1], ["TS.INFO", "nosuch"],
                         ["TS.ALTER", "nosuch", "RETENTION", 0], ["TS.ALTER", key, "CHUNK_SIZE", 100], ["TS.ALTER", key, "DUPLICATE_POLICY", "all"],
                         ["TS.CREATE", key, "ENCODING", "zip"], ["TS.CREATE", key, "IGNORE", 5, -1], ["TS.CREATE", key, "CHUNK_SIZE", 40],
                         ["TS.CREATERULE", key, "nosuch", "AGGREGATION", "avg", 1000], ["TS.CREATERULE", key, key, "AGGREGATION", "avg", 1000],
                         ["TS.CREATERULE", key, self.key(), "AGGREGATION", "odd", 1000], ["TS.CREATERULE", key, self.key(), "AGGREGATION", "avg", 0],
                         ["TS.CREATERULE", key, self.key(), "AGGREGATION", "avg", 1000, -1], ["TS.DELETERULE", "nosuch", key],
                         ["TS.INCRBY", key, "x"], ["TS.INCRBY", key, 1, "TIMESTAMP", "x"], ["TS.QUERYINDEX", "kind"], ["TS.QUERYINDEX", "kind!=x"])
