"""Redis' generic commands that clients and tools send, by redis-py in both protocols, and by bytes."""

import socket
import time

import pytest
import redis

from check.inspect import inspect

NOW_MS = int(time.time()) * 1000


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


@pytest.fixture
def client(lone, protocol):
    return lone.client(protocol)


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
    s = lone.talk(b"MULTI\r\nTS.ADD h/app.e 1424444400000 1\r\nEXISTS h/app.e\r\nEXEC\r\n", 5 + 9 + 9 + 4 + 16 + 4)
    assert s == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1424444400000\r\n:1\r\n"
    s = lone.talk(b"MULTI\r\nTS.ADD h/app.f 1424444400000 1\r\nDISCARD\r\nEXISTS h/app.f\r\n", 5 + 9 + 5 + 4)
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
    assert "rdb_bgsave_in_progress" in client.info("persistence")
    assert client.info("REPLICATION").keys() == {"role", "connected_slaves"}
    assert client.info("keyspace") == {}, "how many keys there are is not known without reading them: DBSIZE"
    for section in ("server", "clients", "memory", "persistence", "stats", "replication", "cpu", "commandstats", "modules", "errorstats"):
        assert f"# {section}".lower() in raw(lone, f"INFO {section}").lower()
    assert client.info("nonsense") == {}
    assert "cmdstat_info" not in client.info() and "cmdstat_info" not in client.info("default")
    assert "cmdstat_info" in client.info("all") and "cmdstat_info" in client.info("everything")
    both = client.execute_command("INFO", "memory", "clients")
    assert "used_memory" in both and "connected_clients" in both and "role" not in both


def raw(server, line):
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.sendall(line.encode() + b"\r\nPING\r\n")
        text = b""
        while b"+PONG" not in text:
            text += s.recv(65536)
        return text.decode()


def test_what_ran_and_what_failed_is_counted(lone, protocol):
    client = lone.client(protocol)
    client.config_resetstat()
    for i in range(130):
        add(client, "h/app.x", NOW_MS + i)
    client.execute_command("TS.CREATE", "b", "DUPLICATE_POLICY", "BLOCK")
    add(client, "b")
    pipeline = client.pipeline(transaction=True)
    add(pipeline, "h/app.x")
    pipeline.execute_command("TS.GET", "nope")
    pipeline.execute(raise_on_error=False)
    for words in (("TS.ADD", "b", NOW_MS, 2), ("TS.ADD", "b", "yesterday", 2), ("TS.GET",), ("NOPE",)):
        with pytest.raises(redis.ResponseError):
            client.execute_command(*words)
    client.client_id()
    stats = client.info("commandstats")
    added = stats["cmdstat_ts.add"]
    assert (added["calls"], added["failed_calls"], added["rejected_calls"]) == (134, 2, 0)
    assert 0 < added["usec_per_call"] < 1000 and added["usec"] == pytest.approx(added["usec_per_call"] * 134, rel=.1, abs=2)
    got = stats["cmdstat_ts.get"]
    assert (got["calls"], got["failed_calls"], got["rejected_calls"]) == (1, 1, 1)
    assert stats["cmdstat_client|id"]["calls"] == 1
    errors = client.info("errorstats")
    assert {name: value["count"] for name, value in errors.items()}["errorstat_ERR"] == 5
    assert client.info("stats")["total_error_replies"] == 5
    client.config_resetstat()
    assert "cmdstat_ts.add" not in client.info("commandstats")
    assert client.info("errorstats") == {}


def test_the_rate_of_commands_is_of_the_last_second(lone):
    client = lone.client()
    deadline = time.monotonic() + 20
    while client.info("stats")["instantaneous_ops_per_sec"] < 5:
        assert time.monotonic() < deadline


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
    watcher = client.pipeline()
    watcher.watch("a", "b")
    assert "2" in [c["watch"] for c in client.client_list()]
    watcher.reset()
    module = client.command_list(module="TimeSeries")
    assert module == client.command_list(pattern="ts.*") and len(module) >= 20
    assert client.command_list(module="search") == []
    assert client.execute_command("CLIENT", "REPLY", "ON") == "OK"
    for mode in ("OFF", "SKIP"):
        with pytest.raises(redis.ResponseError, match="replies are always on"):
            client.execute_command("CLIENT", "REPLY", mode)
    assert client.client_setname("x") and client.client_getname() == "x"
    assert len(client.module_list()) == 1


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
    ("COPY h/app.a h/app.b", "RENAME gives a series another name"),
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
    assert not {"subscribe", "get", "hset"} & names
    docs = client.execute_command("COMMAND DOCS", "exists")
    assert "exists" in (docs if isinstance(docs, dict) else docs[0::2])


# ---- listing keys ----


def runs(server):
    """(kind, state, resolution) of each run."""
    lines = [line.split() for line in inspect(server, "tables").splitlines() if line[:8].strip().isdigit()]
    return [(words[1], " ".join(words[2:words.index("s") - 1]), int(words[words.index("s") - 1])) for words in lines]


def wait_for(what, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def scan(client, **options):
    """All pages, and how many there were."""
    cursor, keys, calls = 0, [], 0
    while calls == 0 or cursor != 0:
        cursor, page = client.scan(cursor, **options)
        keys += page
        calls += 1
    return keys, calls


def test_keys_are_listed(server, protocol):
    client = server.client(protocol)
    assert client.keys() == [] and client.dbsize() == 0 and client.randomkey() is None and client.scan() == (0, [])
    expected = set()
    with client.pipeline(transaction=False) as pipe:
        for host in ("db1", "db2", "db3"):
            for i in range(40):
                for dimension in ("time_us", "tput"):
                    if (len(host) + i + len(dimension)) % 3 != 0:
                        key = f"{host}/host.queries.c.{i:016x}.{dimension}"
                        pipe.execute_command("TS.ADD", key, NOW_MS - i * 3600 * 1000, i)
                        expected.add(key)
        for key in ("plain", "db1/plain", "db1/app.", "db1/app", "/a/b", "café/ü.x", "db1/host.1374c6821ead6f47.x"):
            pipe.execute_command("TS.ADD", key, NOW_MS, 1)
            expected.add(key)
        pipe.execute()
    assert sorted(client.keys()) == sorted(expected), "each once"
    assert client.dbsize() == len(expected)
    for count in (1, 7, 100, 100000):
        keys, calls = scan(client, count=count)
        assert sorted(keys) == sorted(expected)
        assert calls == 1 if count > len(expected) else calls >= len(expected) / max(count, 10) / 2
    only = {key for key in expected if key.startswith("db2/") and key.endswith(".tput")}
    assert set(client.keys("db2/*.tput")) == only == set(scan(client, match="db2/*.tput")[0])
    assert client.keys("nope*") == [] and client.keys("pl[a-b]in") == ["plain"] and client.keys("") == []
    assert set(scan(client, _type="TSDB-TYPE")[0]) == expected and scan(client, _type="string") == ([], 1)
    assert {client.randomkey() for _ in range(200)} <= expected
    assert len({client.randomkey() for _ in range(200)}) > 10
    assert all(client.exists(key) == 1 for key in expected)


def test_listing_leaves_out_what_was_deleted(server, protocol):
    client = server.client(protocol)
    for i in range(20):
        add(client, f"h/app.k{i}x", NOW_MS, i)
        add(client, f"h/app.k{i}x", NOW_MS - 86400000, i)
    for i in range(10):
        assert client.execute_command("TS.DEL", f"h/app.k{i}x", "-", "+") == 2
    assert client.execute_command("TS.DEL", "h/app.k10x", NOW_MS, NOW_MS) == 1
    left = {f"h/app.k{i}x" for i in range(10, 20)}
    assert set(client.keys()) == left and client.dbsize() == 10 and set(scan(client)[0]) == left
    add(client, "h/app.k3x", NOW_MS + 1000)
    assert set(client.keys()) == left | {"h/app.k3x"}


def test_a_scan_survives_changes_and_a_restart(server, protocol):
    """What is there during all of it comes exactly once, whatever comes and goes, and by whichever process."""
    client = server.client(protocol)
    stays = {f"h{i % 3}/app.s{i}x" for i in range(300)}
    goes = {f"h{i % 3}/app.g{i}x" for i in range(60)}
    with client.pipeline(transaction=False) as pipe:
        for key in stays | goes:
            pipe.execute_command("TS.ADD", key, NOW_MS, 1)
        pipe.execute()
    cursor, keys, calls = 0, [], 0
    going = sorted(goes)
    while calls == 0 or cursor != 0:
        cursor, page = client.scan(cursor, count=20)
        keys += page
        calls += 1
        for i in range(3):
            add(client, f"new{calls}/app.n{i}x")
            if going:
                client.execute_command("TS.DEL", going.pop(), "-", "+")
        if calls == 5:
            server.terminate()
            server.start()
            client = server.client(protocol)
    assert calls > 10
    assert len(keys) == len(set(keys)), "no key twice"
    assert stays <= set(keys)
    assert set(keys) - stays - goes <= {f"new{c}/app.n{i}x" for c in range(calls + 1) for i in range(3)}


def test_listing_refuses_what_it_does_not_understand(client):
    for words, why in ((("SCAN", "x"), "invalid cursor 'x'"), (("SCAN", "-1"), "invalid cursor"), (("SCAN", 0, "COUNT", 0), "bad COUNT '0'"),
                       (("SCAN", 0, "MATCH"), "MATCH is the last argument"), (("SCAN", 0, "SIZE", 1), "unknown option 'SIZE': expected MATCH pattern")):
        with pytest.raises(redis.ResponseError, match=why):
            client.execute_command(*words)


def test_listing_follows_the_clients_own_writes(client):
    with client.pipeline(transaction=False) as pipe:
        for i in range(30):
            pipe.execute_command("TS.ADD", f"h/app.n{i}x", NOW_MS, i).dbsize()
        assert pipe.execute()[1::2] == list(range(1, 31))


def test_compact_hours_are_listed(longtaild):
    server = longtaild(flush_interval="100ms", jobs_interval="100ms", compact_grace="0ms", compact_late="0ms", ranked_items_min=1)
    client = server.client()
    begin = NOW_MS // 86400000 * 86400000 - 86400000
    expected = {f"h{i % 4}/host.queries.c.{i:016x}.tput" for i in range(200)}
    with client.pipeline(transaction=False) as pipe:
        for key in expected:
            pipe.execute_command("TS.ADD", key, begin, 1)
        pipe.execute()

    def is_compact():
        found = runs(server)
        return ("compact", "in force", 1) in found and ("arrival", "closed", 1) not in found and ("arrival", "open", 1) not in found

    assert set(client.keys()) == expected
    wait_for(is_compact)
    assert set(client.keys()) == expected == set(scan(client, count=50)[0])
    gone = sorted(expected)[:20]
    for key in gone:
        assert client.execute_command("TS.DEL", key, "-", "+") == 1
    assert set(client.keys()) == expected - set(gone)
    add(client, gone[0], begin + 1000)
    assert set(client.keys()) == expected - set(gone[1:])
    wait_for(is_compact)
    assert set(client.keys()) == expected - set(gone[1:])
