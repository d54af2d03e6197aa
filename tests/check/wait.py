"""Waiting for what comes by itself."""

import time

WAIT_S = 60


def wait_for(what, condition, limit_s=WAIT_S):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {limit_s} s: {what}"
        time.sleep(0.05)


def partition(client, name):
    """A number of STATUS partition."""
    lines = client.execute_command("STATUS", "partition")
    return int(dict(line.split(": ", 1) for line in lines if ": " in line)[name])


def flushed(client):
    """All that this client wrote is in the tables."""
    client.execute_command("CATEGORY", "LIST")  # waits until the head has it
    applied = partition(client, "applied_offset")
    wait_for("a flush", lambda: partition(client, "stored_offset") >= applied)
