"""TS.DEL: what it deletes, what stays, and that a deletion is as durable as a write."""

import pytest
import redis

import harness

T = 1700000000000
KEY = "db1/host.cpu.user"


@pytest.fixture
def server(lone):
    return lone


def points(client, key=KEY):
    return harness.points(client, key)


def add(client, key, *seconds, value=1):
    client.execute_command("TS.MADD", *(word for s in seconds for word in (key, T + s * 1000, value)))


def test_both_ends_are_deleted_and_counted(client):
    add(client, KEY, *range(10))
    assert client.execute_command("TS.DEL", KEY, T + 3000, T + 5000) == 3
    assert points(client) == [(T + s * 1000, 1) for s in range(10) if not 3 <= s <= 5]
    assert client.execute_command("TS.DEL", KEY, T + 3000, T + 5000) == 0


def test_everything(client):
    add(client, KEY, *range(10))
    add(client, "db2/host.cpu.user", 0)
    add(client, "db1/host.cpu.sys", 0)
    assert client.execute_command("TS.DEL", KEY, "-", "+") == 10
    assert points(client, "db2/host.cpu.user") == points(client, "db1/host.cpu.sys") == [(T, 1)]


def test_more_points_than_one_record_takes(client):
    for at in range(0, 45000, 5000):
        add(client, KEY, *range(at, at + 5000))
    assert client.execute_command("TS.DEL", KEY, T + 1000, T + 44998 * 1000) == 44998
    assert points(client) == [(T, 1), (T + 44999 * 1000, 1)]


def test_a_point_added_again_stands(client):
    add(client, KEY, 1, value=7)
    assert client.execute_command("TS.DEL", KEY, "-", "+") == 1
    client.execute_command("TS.ADD", KEY, T + 1000, 5, "ON_DUPLICATE", "SUM")
    assert points(client) == [(T + 1000, 5)]


def test_overwritten_points_are_gone_once(client):
    add(client, KEY, 1, 2, value=7)
    add(client, KEY, 1, 2, value=8)
    assert client.execute_command("TS.DEL", KEY, T, T + 1000) == 1
    assert points(client) == [(T + 2000, 8)]


def test_sums_do_not_see_what_is_deleted(client):
    key = "db1/host.queries.c.{:016x}.time_us"
    for item in range(3):
        add(client, key.format(item), 0, 1, 2, value=10 ** item)
    client.execute_command("TS.DEL", key.format(2), T, T + 1000)
    reply = client.execute_command("TOPQ", T // 1000, T // 1000 + 10, "host.queries.c.*.time_us")
    reply = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
    total = reply["total"] if isinstance(reply["total"], dict) else dict(zip(reply["total"][::2], reply["total"][1::2]))
    assert float(total["value"]) == 3 + 30 + 100


def test_it_stays_deleted(longtaild):
    server = longtaild(flush_interval="100ms")
    add(server.client(), KEY, *range(10))
    assert server.client().execute_command("TS.DEL", KEY, T, T + 4000) == 5
    server.kill9()
    server.start()
    assert points(server.client()) == [(T + s * 1000, 1) for s in range(5, 10)]


@pytest.mark.parametrize("words, expected", [
    (("no/such.thing", "-", "+"), "does not exist"),
    ((KEY, "a", "+"), "wrong fromTimestamp 'a': expected Unix milliseconds or -"),
    ((KEY, "-", "-1"), "wrong toTimestamp '-1': expected Unix milliseconds or +"),
    (("db1/" + "n" * 600, "-", "+"), "each of 1 to 512 bytes"),
])
def test_errors_say_what_was_expected(client, words, expected):
    add(client, KEY, 0)
    with pytest.raises(redis.ResponseError, match=None) as error:
        client.execute_command("TS.DEL", *words)
    assert expected in str(error.value)
    assert points(client) == [(T, 1)]


def test_it_follows_the_clients_own_writes(client):
    pipe = client.pipeline(transaction=False)
    for s in range(50):
        pipe.execute_command("TS.ADD", KEY, T + s * 1000, s)
        pipe.execute_command("TS.DEL", KEY, T + s * 1000, T + s * 1000)
    assert pipe.execute()[1::2] == [1] * 50
    assert points_or_none(client) in ([], None)


def points_or_none(client):
    try:
        return points(client)
    except redis.ResponseError:
        return None
