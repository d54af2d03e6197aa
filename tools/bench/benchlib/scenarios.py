"""The questions. Each: data set, words of the command, bar; {end} is the data's last second, exclusive."""

PATTERN = "host.queries.*.*.time_us"


def topq(name, title, data, from_h, to_h, bar, *words, runs=21):
    return {"name": name, "title": title, "data": data, "from_h": from_h, "to_h": to_h, "bar_ms": bar,
            "words": words, "runs": runs, "command": "TOPQ"}


HOSTS_500 = tuple(f"db{i:05}" for i in range(1, 1001, 2))

SCENARIOS = [
    topq("hour", "TOPQ, 10 M items, one whole hour, LIMIT 10", "ten", -1, 0, 10, "LIMIT", 10, runs=101),
    topq("day", "the same over 24 h (240 M item-hours)", "ten", -24, 0, 100, "LIMIT", 10, runs=51),
    topq("scan-avg", "RANK avg: all 10 M items of one hour", "ten", -1, 0, 400, "LIMIT", 10, "RANK", "avg"),
    topq("scan-match", "MATCH on a tenth of the items: 10 M items, one hour", "ten", -1, 0, 400, "LIMIT", 10,
         "MATCH", "ab"),
    topq("day-wide", "24 h, LIMIT 100 WITH 3, SPARKLINE 60, COMPARE the day before", "ten", -24, 0, 500,
         "LIMIT", 100, "WITH", 3, "tput", "errors", "rows", "SPARKLINE", 60, "COMPARE", "{end-48h}", "{end-24h}"),
    topq("hour-1m", "TOPQ, 1 M items, one whole hour, LIMIT 10", "one", -1, 0, None, "LIMIT", 10, runs=101),
    topq("day-1m", "the same over 24 h", "one", -24, 0, None, "LIMIT", 10, runs=51),
    topq("disjoint", "hours that share no items: 24 x 1 M", "disjoint", -24, 0, 1000, "LIMIT", 10),
    topq("hosts-500", "HOSTS 500 of 1,000, one hour, 1 M items", "hosts", -1, 0, 500, "LIMIT", 10, "HOSTS", 500,
         *HOSTS_500),
    topq("hosts-all", "1,000 hosts: all of them", "hosts", -1, 0, None, "LIMIT", 10, runs=51),
    topq("hosts-one", "1,000 hosts: one of them", "hosts", -1, 0, None, "LIMIT", 10, "HOSTS", 1, "db00007", runs=51),
    topq("quarter", "15 minutes as flushed, unaligned, 1 M active items", "arrival", -0.4, -0.15, 150, "LIMIT", 10),
    topq("open-hour", "an hour that is still open, in 11 pieces and 5 minutes as flushed; 1 M items, 12 M points", "open", -1,
         0, None, "LIMIT", 10),
    topq("open-half", "the last 30 minutes of it", "open", -0.5, 0, None, "LIMIT", 10),
    topq("open-quarter", "the last 15.5 minutes of it, unaligned to its pieces", "open", -0.2583, 0, 150, "LIMIT", 10),
    topq("open-edge", "15 minutes of it, unaligned to its pieces", "open", -0.4, -0.15, None, "LIMIT", 10),
    {"name": "range-week", "title": "RANGE, one dense series, one week at 600 intervals", "data": "dense",
     "from_h": -169, "to_h": -1, "bar_ms": 5, "command": "RANGE", "runs": 51,
     "words": ("INTERVALS", 600, "KEYS", "db00001/host.gauge.g7.level")},
    {"name": "range-300", "title": "RANGE, 300 dense series, one week at 600 intervals", "data": "dense",
     "from_h": -169, "to_h": -1, "bar_ms": 250, "command": "RANGE", "runs": 7,
     "words": ("INTERVALS", 600, "KEYS", *(f"db00001/host.gauge.g{i}.level" for i in range(300)))},
    {"name": "sparse-day", "title": "TS.RANGE, one sparse series, one day at 1 s", "data": "sparse", "from_h": -24,
     "to_h": 0, "bar_ms": 5, "command": "TS.RANGE", "runs": 51, "words": ()},
]


def words_of(scenario, end_s, item):
    """The command's words."""
    from_s = int(end_s + scenario["from_h"] * 3600)
    to_s = int(end_s + scenario["to_h"] * 3600)
    rest = [{"{end-48h}": end_s - 48 * 3600, "{end-24h}": end_s - 24 * 3600}.get(w, w) for w in scenario["words"]]
    if scenario["command"] == "TOPQ":
        return ["TOPQ", from_s, to_s, PATTERN, *rest]
    if scenario["command"] == "TS.RANGE":
        return ["TS.RANGE", f"db00001/host.queries.c.{item}.time_us", from_s * 1000, to_s * 1000 - 1, *rest]
    return ["RANGE", from_s, to_s, *rest]
