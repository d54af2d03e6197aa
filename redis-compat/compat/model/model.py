"""One environment, and its commands by name."""

from .dialect import LONGTAIL
from .keys import Keys
from .reads import Reads
from .rules import Rules
from .series import Wrong
from .shapes import ERROR, OK, Shapes, array
from .writes import Writes


class Model(Writes, Reads, Rules, Keys):
    def __init__(self, protocol, dialect=LONGTAIL):
        self.dialect = dialect
        self.shapes = Shapes(protocol == 3, dialect)
        self.series = {}
        self.queue, self.in_exec = None, False

    def answer(self, words, got=None):
        name = words[0].lower().replace("ts.", "ts_")
        if self.queue is not None and name not in ("multi", "exec", "discard"):
            self.queue.append(words)
            return ("+", "QUEUED")
        try:
            if name == "exec":
                return self.do_exec(got)
            more = {"got": got} if name in ("ts_add", "ts_incrby", "ts_decrby") else {}
            return getattr(self, f"do_{name}")(*words[1:], **more)
        except Wrong as wrong:
            return self.error(wrong)

    def error(self, wrong):
        """By its first word."""
        odd = wrong.args == ("backwards",) and "TS.INCRBY's errors begin with ERR" not in self.dialect
        return ("-", "TSDB:") if odd else ERROR

    # ---- transactions ----

    def do_multi(self):
        if self.queue is not None:
            raise Wrong
        self.queue = []
        return OK

    def do_discard(self):
        if self.queue is None:
            raise Wrong
        self.queue = None
        return OK

    def do_exec(self, got):
        if self.queue is None:
            raise Wrong
        queue, self.queue, self.in_exec = self.queue, None, True
        gots = got[1] if got and got[0] == "*" and len(got[1]) == len(queue) else [None] * len(queue)
        replies = array(self.answer(words, its) for words, its in zip(queue, gots))
        self.in_exec = False
        return replies

    # ---- what is there ----

    def there(self, key):
        series = self.series.get(key)
        return series if series and (series.declared or series.points) else None

    def must(self, key):
        series = self.there(key)
        if series is None:
            raise Wrong
        return series

    def keys(self):
        return sorted(key for key in self.series if self.there(key))
