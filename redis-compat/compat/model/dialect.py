"""Where Longtail and RedisTimeSeries 1.12 differ: what is not named here is the same in both."""

from dataclasses import dataclass

DEVIATIONS = {  # rows of DEVIATIONS.md
    "LAST by default": "a repeated time counts where nobody says a policy; the reference refuses it",
    "TS.MADD creates": "the reference's does not",
    "implicit keys": "a key that nobody declared is there while it has points, and without",
    "implied labels": "host, metric, category, item and dimension can be filtered on",
    "filtered neighbours": "what FILTER_BY_* leaves out is no neighbour for twa either",
    "EXPIRE is retention": "the reference deletes the key after its time",
    "rules are computed": "when they are read; the reference writes a row when a bucket closes",
    "SCAN in pages": "the reference's COUNT is about what it returns",
    "options are checked": "of TS.ADD and TS.INCRBY also where they have no effect; the reference does not look at these",
    "TS.INFO's names are bulk strings": "of TS.INFO's fields; the reference's are simple strings",
    "first label counts": "a label name may be given twice; the reference keeps both",
}
VERSION = {  # since which version of RedisTimeSeries
    "NaN": "values may be NaN: 8.6",
    "countnan, countall": "8.6",
    "REDUCE count of NaN is 0": "8.6; NaN in 1.12",
    "quotes are stripped": "of values in filters; 1.12 takes them for parts of the value",
    "a refused count creates nothing": "1.12 creates the key before it looks at the number",
    "CHUNK_SIZE loses nothing": "in 1.12, TS.ALTER with one and then a late point lose points",
    "0x10 is no value": "1.12 takes it for 0",
    "twa of any bounds": "with EMPTY or ALIGN it ends 1.12 now and then",
    "twa in reverse": "wrong in 1.12",
    "EMPTY in reverse": "wrong in 1.12 now and then, or it fills the memory until the server ends",
    "several aggregators": "8.8",
    "EXCLUDEEMPTY": "8.10",
    "first and last in reverse": "follow time; in 1.12 the reply's order",
    "TS.INCRBY's errors begin with ERR": "of one that would go back in time, with TSDB: in 1.12",
    "Welford": "std and var by distances from the mean; 1.12 takes sums of squares, which cancel",
}


@dataclass(frozen=True)
class Dialect:
    name: str
    has: frozenset

    def __contains__(self, difference):
        assert difference in DEVIATIONS or difference in VERSION, difference
        return difference in self.has


LONGTAIL = Dialect("Longtail", frozenset([*DEVIATIONS, *VERSION]))
REDIS = Dialect("RedisTimeSeries 1.12", frozenset())
