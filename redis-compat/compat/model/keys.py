"""Keys whatever they hold: DEL, RENAME, EXISTS, TYPE, EXPIRE, PERSIST, TTL, KEYS, SCAN …"""

import fnmatch

from .series import Wrong
from .shapes import ANY, OK, array, bulk, integer, unordered


class Keys:
    def do_exists(self, *keys):
        return integer(sum(self.there(key) is not None for key in keys))

    def do_type(self, key):
        return ("+", "TSDB-TYPE" if self.there(key) else "none")

    def drop(self, key):
        if self.there(key) is None:
            return 0
        self.end_rules(key)
        del self.series[key]
        return 1

    def do_del(self, *keys):
        return integer(sum(self.drop(key) for key in keys))

    do_unlink = do_del

    def do_rename(self, key, newkey):
        self.must(key)
        if key != newkey:
            self.drop(newkey)
            self.move(key, newkey)
        return OK

    def do_renamenx(self, key, newkey):
        self.must(key)
        if self.there(newkey):
            return integer(0)
        self.move(key, newkey)
        return integer(1)

    def move(self, key, newkey):
        series = self.series[newkey] = self.series.pop(key)
        series.declared = True
        if series.source:
            rules = self.series[series.source].rules
            rules[newkey] = rules.pop(key)
        for destination, rule in series.rules.items():
            rule.source = self.series[destination].source = newkey

    def do_keys(self, pattern):
        return unordered(bulk(key) for key in self.keys() if fnmatch.fnmatchcase(key, pattern))

    def do_scan(self, cursor, *words):
        """As it is asked here: all in one page."""
        options = dict(zip([word.upper() for word in words[::2]], words[1::2]))
        found = [key for key in self.keys() if fnmatch.fnmatchcase(key, options.get("MATCH", "*"))
                 and options.get("TYPE", "TSDB-TYPE").upper() == "TSDB-TYPE"]
        return array([bulk("0"), unordered(bulk(key) for key in found)])

    def do_dbsize(self):
        return integer(len(self.keys()))

    def do_randomkey(self):
        return ANY if self.keys() else self.shapes.null

    def do_object(self, word, key):
        return bulk("raw") if self.there(key) else self.shapes.null

    def do_memory(self, word, key):
        return ANY if self.there(key) else self.shapes.null

    def do_flushdb(self, *words):
        self.series.clear()
        return OK

    do_flushall = do_flushdb

    # ---- a time to live is a retention ----

    def do_pexpire(self, key, ms, condition=None, unit=1):
        try:
            ms = int(ms) * unit
        except ValueError:
            raise Wrong from None
        series = self.there(key)
        if ms <= 0:
            return integer(self.drop(key))
        now = series.retention if series else 0
        if series is None or not {None: True, "NX": now == 0, "XX": now > 0, "GT": 0 < now < ms, "LT": now == 0 or ms < now}[condition]:
            return integer(0)
        series.retention, series.declared = ms, True
        return integer(1)

    def do_expire(self, key, seconds, condition=None):
        return self.do_pexpire(key, seconds, condition, unit=1000)

    def do_persist(self, key):
        series = self.there(key)
        if series is None or not series.retention:
            return integer(0)
        series.retention = 0
        return integer(1)

    def do_pttl(self, key, unit=1):
        series = self.there(key)
        if series is None or not series.retention:
            return integer(-2 if series is None else -1)
        return integer((series.retention + unit // 2) // unit)

    def do_ttl(self, key):
        return self.do_pttl(key, 1000)
