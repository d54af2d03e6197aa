"""Compaction: TS.CREATERULE, TS.DELETERULE, LATEST."""


class Rules:
    def compact(self, series, before):
        """series' points were `before`."""

    def points(self, key, latest=False):
        """What a read of the key sees."""
        return self.series[key].visible()
