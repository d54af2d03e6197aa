"""What was asked of the server and what it answered. Times are time.monotonic()."""

import dataclasses
import json
import threading
import time

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"


@dataclasses.dataclass
class Request:
    id: int
    client: str
    invoked: float
    points: list  # (key, time in ms, value)
    retry_of: int | None = None
    settled: float | None = None
    outcome: str | None = None
    answer: str = ""


class History:
    """Kept in memory for the checker, and as a line a request in a file for people. Thread: any."""

    def __init__(self, path=None):
        self.requests = []
        self.lock = threading.Lock()
        self.file = open(path, "w") if path else None

    def invoke(self, client, points, retry_of=None):
        with self.lock:
            request = Request(len(self.requests), client, time.monotonic(), points, retry_of)
            self.requests.append(request)
        return request

    def settle(self, request, outcome, answer):
        request.settled = time.monotonic()
        request.answer = str(answer)
        request.outcome = outcome
        if self.file:
            with self.lock:
                self.file.write(json.dumps(dataclasses.asdict(request)) + "\n")
                self.file.flush()

    def settled(self, outcome, since=0.0, until=float("inf")):
        """Requests that were answered so in [since, until)."""
        with self.lock:
            return [r for r in self.requests if r.outcome == outcome and since <= r.settled < until]

    def count(self):
        counts = {OK: 0, FAILED: 0, UNKNOWN: 0, None: 0}
        with self.lock:
            for r in self.requests:
                counts[r.outcome] += 1
        return counts


def outcome_of(reply):
    """The outcome that a reply states. An ERR or an answer of another shape is a defect of the test or the server."""
    replies = reply if isinstance(reply, list) else [reply]
    errors = [str(r) for r in replies if getattr(r, "kind", None)]
    if not errors:
        return OK
    if len(errors) == len(replies):
        if all(e.startswith(("KAFKA failed", "BUSY")) for e in errors):
            return FAILED
        if all(e.startswith("KAFKA unknown") for e in errors):
            return UNKNOWN
    raise AssertionError(f"neither OK, failed nor unknown: {reply!r}")
