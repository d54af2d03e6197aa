"""What the time-series commands answer, from COMPAT.md's words and the commands' public documentation: small, slow, plain.

A model has one environment and speaks one dialect: Longtail's, or that of RedisTimeSeries 1.12, which checks the model itself.
`answer(words, got)` gives the reply as compat/wire.py reads it; got, the server's own, is looked at only where a clock decides.

  dialect.py    where the two differ, each by name
  series.py     a series: settings, points, what a write comes to
  rules.py      compaction
  aggregate.py  points to buckets, and several series to one
  options.py    the words of reads, filters
  shapes.py     replies in RESP2 and RESP3
  writes.py, reads.py, keys.py   the commands
"""

from .dialect import LONGTAIL, REDIS
from .model import Model

__all__ = ["LONGTAIL", "REDIS", "Model"]
