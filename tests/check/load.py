"""Clients that write and keep the history. Every point's value is unique in its history, and explicit times are
used throughout, so that what is read back names the request it came from."""

import itertools
import threading
import time

from .history import OK, UNKNOWN, outcome_of
from .resp import Client, Lost

ITEMS = [f"{i:016x}" for i in range(0xabc0000000000000, 0xabc0000000000005)]
DIMENSIONS = ("time_us", "tput")


class Writer(threading.Thread):
    """One connection. Alternates OBSERVE and TS.MADD, `depth` requests in flight; what is unknown is sent again, as
    an agent would, until it is not unknown any more; what failed is given up."""

    def __init__(self, name, port, history, base_s, depth=1, pause_s=0.005):
        super().__init__(name=name, daemon=True)
        self.port, self.history, self.base_s = port, history, base_s
        self.depth, self.pause_s = depth, pause_s
        self.stop = threading.Event()
        self.error = None
        self.connection = None
        self.values = itertools.count(1)
        self.rounds = itertools.count()

    def run(self):
        try:
            while not self.stop.is_set():
                self._exchange([(self._points(), None) for _ in range(self.depth)])
                time.sleep(self.pause_s)
        except Exception as e:  # noqa: BLE001: the test's thread raises it again in finish()
            self.error = e
        finally:
            if self.connection:
                self.connection.close()

    def finish(self, limit_s=40):
        self.stop.set()
        self.join(limit_s)
        if self.error:
            raise self.error
        assert not self.is_alive(), f"{self.name} still waits for an answer after {limit_s} s"

    # ---- inside ----

    def _points(self):
        n = next(self.rounds)
        host = f"{self.name}-{n % 2}"
        second = self.base_s + n // 2
        if n % 3 == 2:  # between two seconds: where no OBSERVE writes
            return [(f"{host}/host.queries.q.{item}.time_us", second * 1000 + 500, next(self.values))
                    for item in ITEMS]
        return [(f"{host}/host.queries.q.{item}.{dimension}", second * 1000, next(self.values))
                for item in ITEMS[n % 4:] for dimension in DIMENSIONS]

    def _send(self, points):
        if points[0][1] % 1000 == 0:
            host = points[0][0].partition("/")[0]
            words = ["OBSERVE", host, points[0][1] // 1000]
            for key, _, value in points:
                words += [key.partition("/")[2], value]
        else:
            words = ["TS.MADD"]
            for key, at_ms, value in points:
                words += [key, at_ms, value]
        self.connection.send(*words)

    def _connect(self):
        while self.connection is None and not self.stop.is_set():
            try:
                self.connection = Client(self.port, timeout_s=30)
            except OSError:
                time.sleep(0.02)
        return self.connection is not None

    def _exchange(self, work):
        """Sends all of it, reads the answers, sends again what is unknown."""
        while work and self._connect():
            requests = [self.history.invoke(self.name, points, retry_of) for points, retry_of in work]
            answered = 0
            try:
                for request in requests:
                    self._send(request.points)
                for request in requests:
                    reply = self.connection.read()
                    answered += 1
                    self.history.settle(request, outcome_of(reply), reply)
            except Lost as e:
                self.connection.close()
                self.connection = None
                for request in requests[answered:]:
                    self.history.settle(request, UNKNOWN, e)
            work = [(r.points, r.id if r.retry_of is None else r.retry_of) for r in requests if r.outcome == UNKNOWN]
            if work:
                time.sleep(0.05)


def start_writers(port, history, count=4, pipelined=2, base_s=None, pause_s=0.005):
    base_s = base_s or int(time.time()) - 6 * 3600
    writers = [Writer(f"w{i}", port, history, base_s, 5 if i < pipelined else 1, pause_s) for i in range(count)]
    for writer in writers:
        writer.start()
    return writers


def wait_ok(history, since, limit_s, count=20):
    """Until `count` requests invoked after `since` were OK. Returns how long that took."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with history.lock:
            settled = sorted(r.settled for r in history.requests if r.outcome == OK and r.invoked >= since)
        if len(settled) >= count:
            return settled[0] - since
        time.sleep(0.05)
    raise AssertionError(f"no {count} OK within {limit_s} s; {history.count()}")
