"""Clients that misbehave (FAULTS.md 20, 21, 22): they are closed, others do not notice."""

import os
import resource
import socket
import time

import pytest

AUTH_TIMEOUT_S = 1


@pytest.fixture
def guarded(longtaild):
    server = longtaild(password="secret", client_auth_timeout=f"{AUTH_TIMEOUT_S}s", clients_max=3000, start=False)
    server.start(ready_s=None)
    deadline = time.monotonic() + 20
    while True:
        try:
            connect(server).close()
            return server
        except ConnectionRefusedError:
            assert time.monotonic() < deadline and server.running(), server.log_tail()
            time.sleep(0.02)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), 10)


def closed_within(s, limit_s):
    """What it answered until it closed."""
    deadline = time.monotonic() + limit_s
    answer = b""
    while True:
        s.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            return answer
        except TimeoutError:
            raise AssertionError(f"still open after {limit_s} s; it answered {answer[:200]!r}")
        if not more:
            return answer
        answer += more


ABUSE = {
    "huge multibulk": b"*1048577\r\n",
    "huge bulk": b"*1\r\n$2147483647\r\n",
    "negative bulk": b"*1\r\n$-1\r\n",
    "no number": b"*x\r\n",
    "too large a number": b"*99999999999999999999\r\n",
    "no bulk": b"*1\r\nPING\r\n",
    "70 KB inline": b"a" * 70000 + b"\r\n",
    "70 KB inline without end": b"a" * 70000,
    "NUL inline": b"PI\0NG\r\n",
    "unbalanced quotes": b"ECHO 'a\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + b"x" * 100,
    "HTTP post": b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP get": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP header": b"Host: example\r\n",
}


@pytest.mark.parametrize("name", ABUSE)
def test_abuse_is_closed(guarded, name):
    with connect(guarded) as s:
        try:
            s.sendall(ABUSE[name])
        except OSError:
            pass  # closed while we sent
        answer = closed_within(s, 5)
    assert answer == b"" or answer.startswith((b"-ERR Protocol error", b"-NOAUTH")), answer
    assert guarded.client(password="secret").ping() is True


@pytest.mark.parametrize("name", ["negative bulk", "no bulk", "70 KB inline", "TLS hello", "HTTP post", "huge bulk"])
def test_abuse_after_authentication_is_closed_too(guarded, name):
    with connect(guarded) as s:
        s.sendall(b"AUTH secret\r\n" + ABUSE[name])
        answer = closed_within(s, 5)
    assert answer.startswith(b"+OK\r\n-ERR Protocol error"), answer


def test_one_byte_at_a_time_does_not_hold_a_connection(guarded):
    with connect(guarded) as s:
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - began < 5:
                s.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() - began < AUTH_TIMEOUT_S + 1


def rss(server):
    with open(f"/proc/{server.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_unauthenticated_connections_cost_little_and_others_are_served(guarded):
    """Each sends as much as it may of a command that it never completes."""
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 500), hard), hard))
    before = rss(guarded)
    crowd = []
    for _ in range(count):
        s = connect(guarded)
        s.sendall(b"*2\r\n$4\r\nAUTH\r\n$16384\r\n" + b"x" * 16000)
        crowd.append(s)
    client = guarded.client(password="secret")
    assert client.ping() is True
    assert rss(guarded) - before < count * 64 * 1024
    for s in crowd:
        closed_within(s, AUTH_TIMEOUT_S + 5)
        s.close()
    idle_from, cpu_from = time.monotonic(), cpu_seconds(guarded)
    time.sleep(1)
    assert cpu_seconds(guarded) - cpu_from < 0.5 * (time.monotonic() - idle_from), "it spins"
    assert len(client.client_list()) == 1


def test_one_client_too_many_is_told_so(longtaild):
    server = longtaild(clients_max=5)
    crowd = [connect(server) for _ in range(8)]
    answers = []
    for s in crowd:
        s.sendall(b"PING\r\n")
        s.settimeout(10)
        try:
            answers.append(s.recv(100))
        except ConnectionResetError:
            answers.append(b"")
    # The fixture's own connection may still be one of them: then the fifth is refused, and a later one is not.
    served = answers.count(b"+PONG\r\n")
    assert served in (4, 5), answers
    refused = [answer for answer in answers if answer in (b"", b"-ERR max number of clients reached\r\n")]
    assert served + len(refused) == len(crowd), answers
    for s in crowd:
        s.close()


def test_who_never_reads_is_cut_and_others_are_not(longtaild):
    server = longtaild(client_output_bytes_max="1mb")
    with connect(server) as s:
        request = b"COMMAND\r\n" * 100
        s.settimeout(5)
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - began < 20:
                try:
                    s.sendall(request)
                except TimeoutError:
                    pass
        assert server.client().ping() is True
    assert server.client().info("stats")["client_output_buffer_limit_disconnections"] >= 1
