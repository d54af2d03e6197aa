"""The outage of 2016: the broker dies under load, and what was acknowledged is there, once, and nothing else."""

import socket
import threading
import time

from check.checker import check
from check.history import FAILED, OK, UNKNOWN, History
from check.load import start_writers, wait_ok
from check.reader import Reader
from check.resp import Client

DEADLINE_S = 6
MARGIN_S = 0.7  # for measuring from outside, on a machine that is busy
RESUME_S = 10
DOWN_S = 15


class Readiness(threading.Thread):
    """What a load balancer sees: (asked, answered, reply)."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.client = Client(port)
        self.seen = []
        self.stop = threading.Event()

    def run(self):
        while not self.stop.wait(0.1):
            asked = time.monotonic()
            reply = self.client.call("READY")
            self.seen.append((asked, time.monotonic(), reply))


def wait_refused(port):
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.001)


def test_outage_2016(private_stack, longtaild, tmp_path):
    stack = private_stack(kafka=True)
    server = longtaild(log="kafka", stack=stack, flush_interval="1s")
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history)
    readiness = Readiness(server.port)
    readiness.start()
    wait_ok(history, time.monotonic(), 10)
    time.sleep(2)

    stack.kafka.process.kill()
    wait_refused(stack.kafka.port)  # a process of many threads is not gone all at once
    gone = time.monotonic()  # from here on nothing can be stored
    time.sleep(DOWN_S)
    restarted = time.monotonic()
    stack.kafka.start(print)
    up = time.monotonic()
    assert wait_ok(history, up, RESUME_S + 5) <= RESUME_S
    time.sleep(1)
    for writer in writers:
        writer.finish()
    readiness.stop.set()
    readiness.join()

    # Not one OK: of no command sent after the broker's death, and after a second of none at all.
    assert [r for r in history.settled(OK, gone, restarted) if r.invoked >= gone] == []
    assert history.settled(OK, gone + 1, restarted) == []
    # Each client was told, in time.
    told = [r for outcome in (FAILED, UNKNOWN) for r in history.settled(outcome, gone, up)]
    assert {r.client for r in told} == {w.name for w in writers}
    slowest = max(history.requests, key=lambda r: r.settled - r.invoked)
    assert slowest.settled - slowest.invoked <= DEADLINE_S + MARGIN_S, slowest
    meanwhile = [(a, b, reply) for a, b, reply in readiness.seen if a >= gone and b < restarted]
    assert meanwhile and all(reply != "OK" and b - a <= DEADLINE_S + MARGIN_S for a, b, reply in meanwhile)
    assert readiness.seen[-1][2] == "OK"

    with Client(server.port) as client:
        reader = Reader(client)
        assert check(history, reader) == [], "right after the retries"
        time.sleep(2.5)
        assert check(history, reader) == [], "after everything was flushed"
    server.kill9()
    server.start()
    with Client(server.port) as client:
        assert check(history, Reader(client)) == [], "after a restart"
    print(f"{history.count()}, resumed after {wait_ok(history, up, 1):.1f} s")
