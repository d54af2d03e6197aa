"""One client that adds a point, waits for the reply, and adds the next: 3,000 times, with the local log."""

import time

from .result import Results
from .server import new_server
from .wire import Wire

COUNT = 3000
BAR_S = 3.0


def measure(stack, scratch, say):
    """A figure, no test of speed: it fails only where a reply is wrong."""
    results = Results()
    server = new_server(stack, scratch)
    wire = Wire(server.port)
    try:
        base = (int(time.time()) - COUNT) * 1000
        begin = time.monotonic()
        wrong = sum(wire.ask("TS.ADD", "loop", base + i * 1000, i) != (":", base + i * 1000) for i in range(COUNT))
        took = time.monotonic() - begin
        say(f"        {COUNT} sequential TS.ADD, local log: {took:.2f} s ({took / COUNT * 1000:.2f} ms each; the bar is {BAR_S} s)")
        results.check("each TS.ADD is answered by its time", wrong == 0, f"{wrong} were not")
        stored = len(wire.ask("TS.RANGE", "loop", "-", "+")[1])
        results.check("all points are there", stored == COUNT, f"{stored} of {COUNT}")
    finally:
        wire.close()
        server.end()
    return results
