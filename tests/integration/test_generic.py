"""Redis' generic commands that clients and tools send, by redis-py in both protocols, and by bytes."""

import socket
import time

import pytest
import redis

NOW_MS = int(time.time()) * 1000


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request):
    return request.param


@pytest.fixture(params=["10m", "50ms"], ids=["head", "flushed"])
def server(request, longtaild):
    """With points in the head alone, or nearly all in MariaDB."""
    return longtaild(flush_interval=request.param)


@pytest.fixture
def lone(longtaild):
    return longtaild()


def talk(server, request, size):
    """What `size` bytes of answers a request gets."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.sendall(request)
        answer = b""
        while len(answer) < size and (more := s.recv(65536)):
            answer += more
        return answer


def add(client, key, time_ms=NOW_MS, value=1):
    return client.execute_command("TS.ADD", key, time_ms, value)


# ---- keys ----


def test_what_is_asked_about_keys(server, protocol):
    client = server.client(protocol)
    add(client, "h1/app.a")
    add(client, "h2/app.b", 1424444400000)
    assert client.exists("h1/app.a") == 1
    assert client.exists("h1/app.a", "h2/app.b", "h1/app.b", "nope", "h1/app.a") == 3, "twice counts twice; names that never met do not"
    assert client.type("h2/app.b") == "TSDB-TYPE"
    assert client.type("h1/app.b") == "none"
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert client.execute_command(name, "h1/app.a") == -1
        assert client.execute_command(name, "h2/app.a") == -2
    assert client.object("ENCODING", "h1/app.a") == "raw"
    assert client.object("ENCODING", "h2/app.a") is None
    assert client.memory_usage("h1/app.a", samples=0) >= 30
    assert client.memory_usage("h2/app.a") is None
    with pytest.raises(redis.ResponseError, match="expected host/metric"):
        client.exists("h1/")
    with pytest.raises(redis.ResponseError, match="unknown option 'SAMPLE': expected SAMPLES count"):
        client.execute_command("MEMORY", "USAGE", "h1/app.a", "SAMPLE", 1)


def test_a_key_is_there_while_it_has_points(server, protocol):
    client = server.client(protocol)
    for i in range(5):
        add(client, "h/app.x", NOW_MS + i, i)
    assert client.execute_command("TS.DEL", "h/app.x", NOW_MS, NOW_MS + 3) == 4
    assert client.exists("h/app.x") == 1
    assert client.execute_command("TS.DEL", "h/app.x", "-", "+") == 1
    assert client.exists("h/app.x") == 0
    assert client.type("h/app.x") == "none"
    add(client, "h/app.x")
    assert client.exists("h/app.x") == 1


def test_memory_grows_with_points_in_the_head(lone):
    client = lone.client()
    add(client, "h/app.x")
    before = client.memory_usage("h/app.x")
    for i in range(1, 101):
        add(client, "h/app.x", NOW_MS + i)
    assert client.memory_usage("h/app.x") == before + 100 * 25


def test_asking_follows_the_clients_own_writes(server, protocol):
    client = server.client(protocol)
    with client.pipeline(transaction=False) as pipe:
        for i in range(50):
            pipe.execute_command("TS.ADD", f"h/app.n{i}x", NOW_MS, i).exists(f"h/app.n{i}x").type(f"h/app.n{i + 1}x")
        replies = pipe.execute()
    assert replies[1::3] == [1] * 50
    assert replies[2::3] == ["none"] * 50


# ---- transactions ----


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(lone, request):
    return lone.client(request.param)


def test_a_transaction_is_one_array_in_order(lone, protocol):
    c = lone.client(protocol)
    with c.pipeline(transaction=True) as pipe:
        for i in range(20):
            pipe.execute_command("TS.ADD", "h/app.t", NOW_MS + i, i).echo(str(i)).exists("h/app.t").execute_command("TS.GET", "h/app.t")
        pipe.execute_command("TS.ADD", "h/app.t", "soon", 1).echo("after the error")
        replies = pipe.execute(raise_on_error=False)
    for i in range(20):
        added, echo, there, (at, value) = replies[4 * i:4 * i + 4]
        assert (added, echo, there, at, float(value)) == (NOW_MS + i, str(i), 1, NOW_MS + i, float(i))
    assert isinstance(replies[80], redis.ResponseError)
    assert replies[81] == "after the error"


def test_nothing_is_said_before_the_log_has_it(lone):
    """The array's header may leave at once, its writes' replies not; and nothing runs before EXEC."""
    s = talk(lone, b"MULTI\r\nTS.ADD h/app.e 1424444400000 1\r\nEXISTS h/app.e\r\nEXEC\r\n", 5 + 9 + 9 + 4 + 16 + 4)
    assert s == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1424444400000\r\n:1\r\n"
    s = talk(lone, b"MULTI\r\nTS.ADD h/app.f 1424444400000 1\r\nDISCARD\r\nEXISTS h/app.f\r\n", 5 + 9 + 5 + 4)
    assert s == b"+OK\r\n+QUEUED\r\n+OK\r\n:0\r\n"


def test_errors_of_transactions(lone):
    def errors(request, count):
        answer = b""
        with socket.create_connection(("127.0.0.1", lone.port), 10) as s:
            s.sendall(request)
            while answer.count(b"\r\n") < count:
                answer += s.recv(65536)
        return [line.split(b" ")[0].decode() + " " + b" ".join(line.split(b" ")[1:4]).decode() if line.startswith(b"-") else line.decode()
                for line in answer.split(b"\r\n")[:-1]]

    assert errors(b"EXEC\r\nDISCARD\r\n", 2) == ["-ERR EXEC without MULTI", "-ERR DISCARD without MULTI"]
    assert errors(b"MULTI\r\nMULTI\r\nPING\r\nEXEC\r\n", 4 + 1) == ["+OK", "-ERR MULTI calls can", "+QUEUED", "*1", "+PONG"], \
        "as in Redis, a nested MULTI does not break the outer one"
    for bad in (b"NOPE", b"ECHO", b"CLIENT NOPE", b"SUBSCRIBE x"):
        got = errors(b"MULTI\r\n" + bad + b"\r\nPING\r\nEXEC\r\nPING\r\n", 5)
        assert got[0] == "+OK" and got[1].startswith("-ERR") and got[2:] == ["+QUEUED", "-EXECABORT Transaction discarded because", "+PONG"]
    assert errors(b"MULTI\r\nEXEC\r\n", 2) == ["+OK", "*0"]
    assert errors(b"MULTI\r\nPING\r\nRESET\r\nEXEC\r\n", 4) == ["+OK", "+QUEUED", "+RESET", "-ERR EXEC without MULTI"]


def test_transactions_of_two_clients_do_not_mix(lone):
    a, b = lone.client(), lone.client()
    one, two = a.pipeline(transaction=True), b.pipeline(transaction=True)
    for i in range(200):
        one.execute_command("TS.ADD", "a/app.n", NOW_MS + i, i)
        two.execute_command("TS.ADD", "b/app.n", NOW_MS - i, i)
    assert one.execute() == [NOW_MS + i for i in range(200)]
    assert two.execute() == [NOW_MS - i for i in range(200)]


# ---- the server ----


def test_info_has_the_sections_that_tools_parse(client, lone):
    info = client.info()
    assert info["role"] == "master" and info["connected_slaves"] == 0
    assert info["loading"] == 0 and info["cluster_enabled"] == 0 and info["redis_mode"] == "standalone"
    assert info["used_memory"] > 1 << 20 and info["used_memory_peak"] > 1 << 20 and info["used_memory_human"].endswith("M")
    assert info["tcp_port"] == lone.port
    assert float(info["used_cpu_user"]) >= 0
    assert client.info("cpu").keys() == {"used_cpu_sys", "used_cpu_user"}
    assert client.info("REPLICATION").keys() == {"role", "connected_slaves"}
    assert client.info("keyspace") == {}, "how many keys there are is not known without reading them"
    both = client.execute_command("INFO", "memory", "clients")
    assert "used_memory" in both and "connected_clients" in both and "role" not in both


def test_config_set_takes_what_is_and_explains_the_rest(client):
    assert client.config_set("clients-max", "20000") is True
    assert client.execute_command("CONFIG", "SET", "clients-max", "20000", "CLIENT-IDLE-TIMEOUT", client.config_get("client-idle-timeout")["client-idle-timeout"])
    with pytest.raises(redis.ResponseError, match="CONFIG SET failed .*'clients-max'.*immutable.*--clients-max"):
        client.config_set("clients-max", "5")
    with pytest.raises(redis.ResponseError, match="Unknown option or number of arguments for CONFIG SET - 'maxmemory'"):
        client.config_set("maxmemory", "5")
    with pytest.raises(redis.ResponseError, match="immutable"):
        client.config_set("password", "")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.execute_command("CONFIG", "SET", "clients-max", "20000", "listen")
    assert client.config_get("clients-max") == {"clients-max": "20000"}


def test_resetstat(client):
    client.ping()
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOPE")
    before = client.info("stats")
    assert before["commands_refused"] >= 1 and before["total_connections_received"] >= 1
    assert client.config_resetstat() is True
    after = client.info("stats")
    assert after["commands_refused"] == 0 and after["total_commands_processed"] <= 2


def test_clients(client):
    mine = client.client_id()
    assert [c["id"] for c in client.client_list(_type="normal") if c["id"] == str(mine)] == [str(mine)]
    assert client.client_list(_type="pubsub") == []
    with pytest.raises(redis.ResponseError, match="syntax error"):
        client.execute_command("CLIENT", "LIST", "TYPE", "odd")
    assert client.client_no_evict("ON") and client.client_no_touch("OFF")
    assert client.client_getredir() == -1
    assert client.execute_command("CLIENT", "REPLY", "ON") == "OK"
    for mode in ("OFF", "SKIP"):
        with pytest.raises(redis.ResponseError, match="replies are always on"):
            client.execute_command("CLIENT", "REPLY", mode)
    assert client.client_setname("x") and client.client_getname() == "x"
    assert client.execute_command("MODULE", "LIST") == []


def test_wait_comes_after_the_writes(client):
    assert client.wait(0, 0) == 0
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("TS.ADD", "h/app.w", NOW_MS, 1).wait(1, 60000).execute_command("TS.GET", "h/app.w")
        added, replicas, got = pipe.execute()
    assert (added, replicas, got[0]) == (NOW_MS, 0, NOW_MS), "it does not wait for what will not come"
    with pytest.raises(redis.ResponseError, match="timeout is negative"):
        client.wait(0, -1)
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.execute_command("WAIT", "one", 0)


@pytest.mark.parametrize("words, advice", [
    ("SUBSCRIBE news", "there are no channels here"),
    ("publish news x", "there are no channels here"),
    ("SET a 1", "every key is a time series: TS.ADD"),
    ("DEL h/app.a", "TS.DEL key - \\+ deletes"),
    ("EXPIRE h/app.a 10", "TS.DEL"),
    ("CLUSTER SLOTS", "there is no cluster here"),
    ("BGSAVE", "in the log already"),
])
def test_other_commands_of_redis_say_what_to_type(client, words, advice):
    with pytest.raises(redis.ResponseError, match=f"unknown command '{words.split()[0]}'.*{advice}"):
        client.execute_command(*words.split())
    assert client.ping() is True


def test_what_is_advertised_is_there(client):
    known = client.command()
    assert {"exists", "type", "wait"} <= known.keys() and "readonly" in known["exists"]["flags"]
    assert known["exists"]["first_key_pos"] == 1 and known["exists"]["last_key_pos"] == -1
    assert client.command_getkeys("EXISTS", "a", "b") == ["a", "b"]
    assert client.command_getkeys("MEMORY", "USAGE", "a") == ["a"]
    names = set(client.command_list())
    assert {"exists", "type", "ttl", "wait", "memory|usage", "object|encoding", "module|list", "config|set"} <= names
    assert not {"subscribe", "del", "expire"} & names
    docs = client.execute_command("COMMAND DOCS", "exists")
    assert "exists" in (docs if isinstance(docs, dict) else docs[0::2])
