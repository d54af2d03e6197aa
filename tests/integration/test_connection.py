"""The connection's own commands, by redis-py in both protocols, by redis-cli, and by bytes."""

import re
import socket
import subprocess
import time

import pytest
import redis


@pytest.fixture
def server(lone):
    return lone


@pytest.fixture
def guarded(longtaild):
    return longtaild(password="secret", client_auth_timeout="1s", start=False).start(ready_s=None)


def cli(server, *words, stdin=None, options=()):
    done = subprocess.run(["redis-cli", "-p", str(server.port), *options, *words], input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True, timeout=30)
    return done.stdout


def wait_port(server):
    """For a server that READY cannot ask, because it wants a password."""
    for _ in range(500):
        try:
            return socket.create_connection(("127.0.0.1", server.port), 10)
        except ConnectionRefusedError:
            assert server.running(), server.log_tail()
            time.sleep(0.02)
    raise AssertionError("it does not listen")


# ---- redis-py ----


def test_ping_echo_time_select(client):
    assert client.ping() is True
    assert client.echo("a\r\nb") == "a\r\nb"
    assert abs(client.time()[0] - time.time()) < 5
    assert client.execute_command("SELECT", 0) is True
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        client.execute_command("SELECT", 1)


def test_hello_says_what_is_true(server):
    client = server.client(3)
    hello = client.execute_command("HELLO", 3)
    assert hello["server"] == "longtail"
    assert hello["proto"] == 3
    whole = b"*-1" not in server.talk(b"COMMAND INFO ts.createrule ts.deleterule\r\n", 14)
    module = {"name": "timeseries", "ver": 81000, "path": "", "args": []}
    assert hello["modules"] == ([module] if whole else [])
    assert [m["name"] for m in client.module_list()] == (["timeseries"] if whole else [])
    assert [(m["name"], m["ver"]) for m in client.info("modules").get("modules", [])] == ([("timeseries", 81000)] if whole else [])
    assert hello["id"] == client.client_id()
    with pytest.raises(redis.ResponseError, match="NOPROTO"):
        client.execute_command("HELLO", 4)
    assert client.ping() is True


def test_names_and_the_list_of_clients(server, client):
    assert client.client_getname() is None
    assert client.client_setname("agent-7")
    assert client.client_getname() == "agent-7"
    mine = [c for c in client.client_list() if c["name"] == "agent-7"]
    assert len(mine) == 1
    assert mine[0]["id"] == str(client.client_id())
    assert mine[0]["lib-name"] == "redis-py"
    assert client.client_info()["name"] == "agent-7"
    with pytest.raises(redis.ResponseError, match="cannot contain spaces"):
        client.client_setname("a b")
    with pytest.raises(redis.ResponseError):
        client.client_setname("x" * 65)


def named_connection(server, name):
    s = socket.create_connection(("127.0.0.1", server.port), 10)
    s.sendall(f"CLIENT SETNAME {name}\r\n".encode())
    assert s.recv(100) == b"+OK\r\n"
    return s


def test_kill(server, client):
    """redis-py would connect again unseen, so the victims are sockets."""
    for by in ("address", "id"):
        with named_connection(server, "victim") as victim:
            line = next(c for c in client.client_list() if c["name"] == "victim")
            if by == "address":
                assert client.client_kill(line["addr"]) is True
            else:
                assert client.client_kill_filter(_id=line["id"]) == 1
            assert victim.recv(1) == b""
    with pytest.raises(redis.ResponseError, match="No such client"):
        client.client_kill("127.0.0.1:1")
    assert client.client_kill_filter(_id=client.client_id()) == 0, "SKIPME is the default"
    with named_connection(server, "suicide") as s:
        s.sendall(b"CLIENT KILL SKIPME no LADDR 127.0.0.1:%d\r\n" % server.port)
        assert re.fullmatch(rb":[1-9]\d*\r\n", s.recv(100)), "it still gets the answer"
        assert s.recv(1) == b""


def test_info_and_config(client):
    info = client.info()
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["redis_version"])
    assert info["connected_clients"] >= 1
    assert "uptime_in_seconds" not in client.info("clients")
    options = client.config_get("*")
    assert options["clients-max"] == "20000"
    assert options["password"] == ""
    assert client.config_get("client-*-max").keys() == {"client-query-bytes-max", "client-output-bytes-max"}
    assert client.config_get("nothing") == {}


def test_commands_describe_themselves(client):
    names = client.command_list()
    assert client.command_count() == len([n for n in names if "|" not in n])
    assert {"ping", "observe", "client|kill"} <= set(names)
    assert client.command_getkeys("TS.MADD", "a", 1, 2, "b", 3, 4) == ["a", "b"]
    assert client.command_getkeys("RANGE", "1", "2", "STEP", "5", "KEYS", "a", "b") == ["a", "b"]
    for name, command in client.command().items():
        assert command["name"] == name and command["arity"] != 0


def test_command_info_of_what_is_none(server):
    assert server.talk(b"COMMAND INFO nope\r\n", 9) == b"*1\r\n*-1\r\n"


def test_transactions(client):
    with client.pipeline(transaction=True) as pipe:
        pipe.echo("a").execute_command("SELECT", 1).echo("b")
        a, error, b = pipe.execute(raise_on_error=False)
    assert (a, b) == ("a", "b")
    assert isinstance(error, redis.ResponseError), "it does not undo the others"
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("NOPE").echo("b")
        with pytest.raises(redis.ResponseError, match="unknown command"):
            pipe.execute()
    assert client.ping() is True


def test_ten_thousand_commands_in_one_pipeline(client):
    with client.pipeline(transaction=False) as pipe:
        for i in range(10000):
            pipe.echo(str(i))
        assert pipe.execute() == [str(i) for i in range(10000)]


# ---- the order of deferred and immediate replies ----


def test_writes_and_pings_of_a_pipeline_are_answered_in_order(client):
    now = int(time.time())
    with client.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.execute_command("TS.ADD", f"h{i % 7}/app.n", (now - i) * 1000, i)
            pipe.echo(str(i))
        replies = pipe.execute()
    assert replies[1::2] == [str(i) for i in range(500)]
    assert replies[0::2] == [(now - i) * 1000 for i in range(500)]
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("TS.ADD", "h/app.n", now * 1000, 41).echo("between").execute_command("TS.GET", "h/app.n")
        added, between, got = pipe.execute()
    assert (added, between) == (now * 1000, "between")
    assert [got[0], float(got[1])] == [now * 1000, 41.0], "a read sees the writes before it in its transaction"


# ---- redis-cli ----


def test_redis_cli_reads_a_script(server):
    out = cli(server, stdin="PING\nECHO 'a b'\nMULTI\nPING\nTIME\nDISCARD\nOBSRVE x\nQUIT\n")
    assert out.split("\n")[:6] == ["PONG", "a b", "OK", "QUEUED", "QUEUED", "OK"]
    assert "did you mean OBSERVE host time" in out


def test_redis_cli_shows_status_and_help(server):
    status = cli(server, "STATUS", "clients")
    assert "# clients" in status and re.search(r"^connected_clients: \d+$", status, re.M)
    assert "connected_clients" in cli(server, "STATUS", "clients", options=["-3"])
    assert "CLIENT KILL" in cli(server, "CLIENT", "HELP")
    wrong = cli(server, "STATUS", "clinets")
    assert wrong.startswith("ERR there is no section 'clinets': expected ") and " clients, " in wrong


def test_errors_say_what_was_expected(server):
    assert "expected: OBSERVE host time metric value [metric value ...]" in cli(server, "OBSERVE", "a")
    assert "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP." in cli(server, "CLIENT", "MAINT_NOTIFICATIONS", "on")
    assert "ERR unknown command 'nope', with args beginning with: 'a' " in cli(server, "nope", "a")


# ---- authentication ----


def test_a_password_is_needed(guarded):
    wait_port(guarded).close()
    assert guarded.talk(b"PING\r\n", 1).startswith(b"-NOAUTH")
    assert "PONG" in cli(guarded, "PING", options=["-a", "secret", "--no-auth-warning"])
    assert "WRONGPASS" in cli(guarded, "AUTH", "default", "guess")
    assert guarded.client(3, password="secret").ping() is True
    assert guarded.client(2, username="default", password="secret").ping() is True
    with pytest.raises(redis.AuthenticationError):
        guarded.client(2, password="guess").ping()
    assert guarded.client(2, password="secret").config_get("password") == {"password": ""}
    answer = guarded.talk(b"AUTH secret\r\nRESET\r\nPING\r\n", 40)
    assert re.fullmatch(rb"\+OK\r\n\+RESET\r\n-NOAUTH[^\n]*\n", answer)


def test_who_goes_on_guessing_is_closed(guarded):
    wait_port(guarded).close()
    answer = guarded.talk(b"AUTH guess\r\n" * 50, 1 << 20)  # until it closes
    assert answer.count(b"WRONGPASS") == 5


def test_who_does_not_authenticate_is_closed(guarded):
    with wait_port(guarded) as s:
        s.settimeout(5)
        assert s.recv(1) == b""


# ---- bytes ----


def test_quit_answers_what_came_before(server):
    answer = server.talk(b"OBSERVE h 1700000000 app.n 1\r\nPING\r\nQUIT\r\nPING\r\n", 1 << 20)
    assert re.fullmatch(rb"\$\d+\r\n0:\d+\r\n\+PONG\r\n\+OK\r\n", answer)


def test_a_command_byte_by_byte(server):
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n":
            s.sendall(bytes([byte]))
        assert s.recv(100) == b"$2\r\nhi\r\n"


# ---- the end ----


def test_term_answers_what_is_in_flight(server):
    """Each reply is the point's time; none is cut in the middle; a quiet client does not hold up the end."""
    quiet = server.client()
    quiet.ping()
    count = 2000
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.sendall(b"".join(b"TS.ADD h/app.n %d 1\r\n" % (1700000000000 + i) for i in range(count)))
        first = s.recv(1)
        began = time.monotonic()
        server.process.terminate()
        answer = first
        while more := s.recv(65536):
            answer += more
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 10
    replies = answer.split(b"\r\n")
    assert replies.pop() == b"", "cut in the middle"
    assert replies == [b":%d" % (1700000000000 + i) for i in range(len(replies))]


def test_term_with_quiet_clients_is_quick(server):
    clients = [server.client() for _ in range(3)]
    for client in clients:
        client.ping()
    time.sleep(0.2)
    began = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - began < 1.5
