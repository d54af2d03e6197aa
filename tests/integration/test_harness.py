"""The fixtures themselves: what other tests rely on."""

import pytest
import redis


def observe(server, protocol=2):
    """Writes one point; its offset in the log, which tells one log from another."""
    receipt = server.client(protocol).execute_command("OBSERVE", "h", 1700000000, "host.load.load1", 1)
    partition, _, offset = receipt.partition(":")
    assert partition == "0"
    return int(offset)


@pytest.mark.parametrize("log", ["local", "kafka"])
def test_a_server_keeps_its_log_and_address(longtaild, log):
    server = longtaild(log=log)
    first = observe(server)
    server.kill9()
    assert not server.running()
    server.start()
    second = observe(server)
    assert server.terminate() == 0
    server.restart()
    assert first < second < observe(server, protocol=3)


def test_servers_of_one_test_have_logs_of_their_own(longtaild):
    one, two = longtaild(), longtaild()
    assert one.port != two.port
    last = [observe(one) for _ in range(10)][-1]
    assert observe(two) < last


def test_a_frozen_server_does_not_answer(longtaild):
    server = longtaild()
    server.freeze()
    with pytest.raises(redis.TimeoutError):
        server.client(socket_timeout=0.5).ping()
    server.thaw()
    assert server.client().ping()


def test_a_client_sends_a_command_once(longtaild):
    """A ledger is only right if nobody repeats a write behind its back."""
    server = longtaild()
    client = server.client()
    client.ping()
    server.kill9()
    with pytest.raises(redis.ConnectionError):
        client.execute_command("TS.ADD", "h/x", 1000, 7)


def test_a_sanitizer_report_is_found(longtaild):
    server = longtaild(start=False)
    with open(server.log_path, "w") as log:
        log.write("2026-01-01T00:00:00.000Z info main: longtaild serves\n"
                  "==7==ERROR: LeakSanitizer: detected memory leaks\nDirect leak of 1 byte(s)\n")
    assert server.sanitizer_report().startswith("==7==ERROR: LeakSanitizer")
    with open(server.log_path, "w") as log:
        log.write("src/a.c:1:2: runtime error: signed integer overflow\n")
    assert "overflow" in server.sanitizer_report()
    with open(server.log_path, "w") as log:
        log.write("2026-01-01T00:00:00.000Z info main: longtaild serves\n")
    assert server.sanitizer_report() == ""


def test_a_frozen_server_is_ended_cleanly(longtaild):
    server = longtaild()
    server.freeze()
    server.end()
    assert server.process.returncode == 0
