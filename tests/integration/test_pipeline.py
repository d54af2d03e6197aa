"""Commands that a client sends without waiting are as if it had waited for each reply: TS.ADDs that came together are
written together, and nobody can tell."""

import random
import time

import redis

T = 1700000000000
KEYS = ["m.plain", "m.other", "m.block", "m.sum", "m.young", "h/m.plain", "h/m.block"]
BAD = [("TS.ADD", "{m.plain}", "x", 1), ("TS.ADD", "{m.plain}", T, "x"), ("TS.ADD", "{m.plain}", -1, 1), ("TS.ADD", "", T, 1),
       ("TS.ADD", "{m.plain}", T), ("TS.ADD", "{m.plain}", T, 1, "LABELS"), ("TS.ADDD", "{m.plain}", T, 1)]


def random_add(rng):
    key = "{" + rng.choice(KEYS) + "}"
    value = rng.choice([rng.randrange(100), rng.randrange(100), rng.random(), "nan"])
    return ("TS.ADD", key, T + 1000 * rng.randrange(40), value)


def random_command(rng):
    kind = rng.randrange(20)
    add = random_add(rng)
    if kind < 12:
        return add
    return [add + ("ON_DUPLICATE", rng.choice(["MIN", "SUM", "FIRST", "LAST", "BLOCK"])),
            ("TS.ADD", "{m.now}", "*", 1),
            ("TS.INCRBY", add[1], 5, "TIMESTAMP", T + 60000 + rng.randrange(40)),
            ("TS.GET", add[1]),
            ("TS.MADD", *add[1:], *random_add(rng)[1:]),
            ("MULTI",) if rng.randrange(3) == 0 else ("PING",),
            ("EXEC",) if rng.randrange(2) == 0 else ("TS.RANGE", add[1], "-", "+", "COUNT", 5),
            rng.choice(BAD)][kind - 12]


def in_side(command, side):
    """The command for keys of its own."""
    return [word.replace("{h/", f"h/{side}").replace("{", side).replace("}", "") if isinstance(word, str) else word
            for word in command]


def make_series(client, side):
    for key, *settings in [("{m.plain}",), ("{m.block}", "DUPLICATE_POLICY", "BLOCK"), ("{m.sum}", "DUPLICATE_POLICY", "SUM"),
                           ("{m.young}", "RETENTION", 20000), ("{h/m.block}", "DUPLICATE_POLICY", "BLOCK")]:
        client.execute_command("TS.CREATE", *in_side([key], side), *settings)


def reply_of(connection, began_ms):
    """A reply, where a time that the server chose is the same whenever it was."""
    def known(value):
        if isinstance(value, list):
            return [known(x) for x in value]
        if isinstance(value, int) and value >= began_ms:
            return "now"
        return f"{type(value).__name__}: {value}" if isinstance(value, Exception) else value

    try:
        return known(connection.read_response())
    except redis.ResponseError as error:
        return known(error)


def in_pieces(rng, packed, connection):
    while packed:
        n = rng.choice([rng.randrange(1, 50), rng.randrange(1, 500), len(packed)])
        connection._sock.sendall(packed[:n])
        packed = packed[n:]
        if rng.randrange(4) == 0:
            time.sleep(0.001)  # so that pieces arrive as such


def test_a_pipeline_is_as_if_sent_one_by_one(lone):
    rng = random.Random(11)
    began_ms = int(time.time() * 1000)
    client = lone.client()
    for n in range(30):
        sides = [f"p{n}.", f"w{n}."]
        for side in sides:
            make_series(client, side)
        pipelined, waiting = (lone.client().connection_pool.get_connection() for _ in sides)
        commands = [random_command(rng) for _ in range(150)] + [("DISCARD",)]
        packed = b""
        for command in commands:
            words = in_side(command, sides[0])
            if rng.randrange(15) == 0 and "" not in words:
                packed += " ".join(map(str, words)).encode() + b"\r\n"
            else:
                packed += b"".join(pipelined.pack_command(*words))
        in_pieces(rng, packed, pipelined)
        together = [reply_of(pipelined, began_ms) for _ in commands]
        alone = []
        for command in commands:
            waiting.send_command(*in_side(command, sides[1]))
            alone.append(reply_of(waiting, began_ms))
        for command, a, b in zip(commands, together, alone, strict=True):
            assert str(a).replace(sides[0], sides[1]) == str(b), command
        for key in KEYS:
            a, b = (client.execute_command("EXISTS", *in_side(["{" + key + "}"], side)) for side in sides)
            assert a == b
            if a:
                a, b = (client.execute_command("TS.RANGE", *in_side(["{" + key + "}"], side), "-", T + 100000) for side in sides)
                assert a == b, key


def test_adds_that_come_together_are_counted_one_by_one(lone):
    client = lone.client()
    pipe = client.pipeline(transaction=False)
    for i in range(1000):
        pipe.execute_command("TS.ADD", f"m.{i % 7}.value", T + i, i)
    assert pipe.execute() == [T + i for i in range(1000)]
    stats = client.info("commandstats")["cmdstat_ts.add"]
    assert stats["calls"] == 1000
    assert 0 < stats["usec_per_call"] < 1000
