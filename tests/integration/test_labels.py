"""Series by their labels: TS.QUERYINDEX, TS.QUERYLABELS, TS.MGET; declared labels and implied ones; against a model."""

import random

import pytest

from harness import error

T = 1700000000000


def query(client, *filters):
    reply = client.execute_command("TS.QUERYINDEX", *filters)
    keys = list(reply)
    assert isinstance(reply, set) or keys == sorted(keys, key=str.encode)
    assert len(set(keys)) == len(keys)
    return set(keys)


def create(client, key, **labels):
    client.execute_command("TS.CREATE", key, "LABELS", *(word for pair in labels.items() for word in pair))


def mget(client, *words):
    """{key: (labels, point)} in both protocols."""
    reply = client.execute_command("TS.MGET", *words)
    if isinstance(reply, list):
        keys = [key for key, _, _ in reply]
        assert keys == sorted(keys)
        reply = {key: [dict(labels), point] for key, labels, point in reply}
    return {key: (labels, (point[0], float(point[1])) if point else None) for key, (labels, point) in reply.items()}


# ---- what the language means ----


def test_the_language(client):
    create(client, "a", l="1", m="x")
    create(client, "b", l="2", m="x")
    create(client, "c", l="2")
    create(client, "d", m="x y", l="3")
    create(client, "e", m="x")
    for filters, expected in [
            (("l=1",), "a"), (("l=2",), "bc"), (("l=9",), ""), (("nope=1",), ""),
            (("m=x", "l!=1"), "be"), (("m=x", "l="), "e"), (("m=x", "l!="), "ab"),
            (("l=(1,2)",), "abc"), (("l=(1,2)", "m="), "c"), (("m=x", "l!=(1,2)"), "e"), (("m=x", "l!=(1,9)"), "be"),
            (("l=(9)",), ""), (("l=(2,2,)",), "bc"), (("m=x y",), "d"), (('m="x y"',), "d"), (("m=('x y',x)",), "abde"),
            (("m=X",), ""), (("M=x",), ""), (("m=x", "nope="), "abe"), (("m=x", "nope!="), ""), (("m=x", "nope!=3"), "abe"),
            (("l=1", "l=2"), ""), (("l=(1,2)", "l!=1"), "bc")]:
        assert query(client, *filters) == set(expected), filters


@pytest.mark.parametrize("filters, expected", [
    (("l",), "TSDB: failed parsing labels"), (("=1",), "TSDB: failed parsing labels"), (("!=1",), "TSDB: failed parsing labels"),
    (("l=(1,2",), "TSDB: failed parsing labels"), (("l=()",), "TSDB: failed parsing labels"),
    (("l!=1",), "TSDB: please provide at least one matcher"), (("l=",), "TSDB: please provide at least one matcher"),
    (("l!=",), "TSDB: please provide at least one matcher"), (("l!=(1,2)",), "TSDB: please provide at least one matcher"),
])
def test_errors_of_filters(lone_client, filters, expected):
    for words in (("TS.QUERYINDEX",), ("TS.MGET", "FILTER"), ("TS.QUERYLABELS", "LABELS", "FILTER")):
        text = error(lone_client, *words, *filters)
        assert text.startswith(expected) and "expected" in text


def test_labels_follow_alter_and_del(client):
    create(client, "a", l="1", m="x")
    client.execute_command("TS.ALTER", "a", "LABELS", "l", "2")
    assert query(client, "l=1") == query(client, "m=x") == set() and query(client, "l=2") == {"a"}
    client.execute_command("TS.ALTER", "a", "RETENTION", 5)
    assert query(client, "l=2") == {"a"}
    client.execute_command("TS.ALTER", "a", "LABELS")
    assert query(client, "l=2") == set()
    create(client, "b", l="2")
    client.execute_command("DEL", "b")
    assert query(client, "l=2") == set()
    create(client, "b", l="3")
    assert query(client, "l=(2,3)") == {"b"}


# ---- implied labels ----


def test_implied_labels(client):
    points = ["db1/host.cpu.user", "db2/host.cpu.user", "db1/host.cpu.sys", "db1/host.queries.c.1374c6821ead6f47.time_us", "lonely"]
    client.execute_command("TS.MADD", *(word for key in points for word in (key, T, 1)))
    create(client, "db3/host.cpu.user", region="eu")
    everywhere = {"db1/host.cpu.user", "db2/host.cpu.user", "db3/host.cpu.user"}
    for filters, expected in [
            (("host=db1",), {p for p in points if p.startswith("db1")}),
            (("metric=host.cpu.user",), everywhere),
            (("metric=host.cpu.user", "region="), everywhere - {"db3/host.cpu.user"}),
            (("metric=host.cpu.user", "region!="), {"db3/host.cpu.user"}),
            (("metric=host.cpu.user", "region=eu"), {"db3/host.cpu.user"}),
            (("metric=host.cpu.user", "region!=eu"), everywhere - {"db3/host.cpu.user"}),
            (("dimension=(user,sys)",), everywhere | {"db1/host.cpu.sys"}),
            (("dimension=(user,sys)", "host!=db1"), everywhere - {"db1/host.cpu.user"}),
            (("category=host.queries.c.*",), {points[3]}), (("item=1374c6821ead6f47",), {points[3]}),
            (("category=host.cpu", "item="), everywhere | {"db1/host.cpu.sys"}), (("category=host.cpu", "item!="), set()),
            (("metric=lonely",), {"lonely"}), (("category=lonely", "host="), {"lonely"}), (("category=lonely", "dimension="), {"lonely"}),
            (("host=nowhere",), set()), (("metric=host.cpu.nothing",), set()), (("region=eu", "host=db1"), set())]:
        assert query(client, *filters) == expected, filters


def test_a_declared_label_wins_over_an_implied_one(client):
    client.execute_command("TS.ADD", "db1/host.cpu.user", T, 1)
    create(client, "db2/host.cpu.user", host="db1", item="none")
    create(client, "db3/host.cpu.user")
    assert query(client, "host=db1") == {"db1/host.cpu.user", "db2/host.cpu.user"}
    assert query(client, "host=db2") == set() and query(client, "host=db3") == {"db3/host.cpu.user"}
    assert query(client, "metric=host.cpu.user", "item!=") == {"db2/host.cpu.user"}


def test_points_that_are_gone(client):
    client.execute_command("TS.ADD", "db1/host.cpu.user", T, 1)
    client.execute_command("TS.DEL", "db1/host.cpu.user", "-", "+")
    assert query(client, "host=db1") == set()


# ---- TS.QUERYLABELS ----


def test_querylabels(client):
    create(client, "h1/a", l="1", m="x")
    create(client, "h2/b", l="2", n="y")
    client.execute_command("TS.ADD", "h3/c", T, 1)

    def labels(*words):
        return set(client.execute_command("TS.QUERYLABELS", *words))

    assert labels("LABELS") == {"l", "m", "n"}
    assert labels("labels", "filter", "l=1") == {"l", "m"}
    assert labels("VALUES", "l") == {"1", "2"} and labels("VALUES", "nope") == set()
    assert labels("VALUES", "l", "FILTER", "n=y") == {"2"}
    assert labels("VALUES", "host") == {"h1", "h2", "h3"}
    assert labels("VALUES", "host", "FILTER", "l=(1,2)") == {"h1", "h2"}
    client.execute_command("DEL", "h2/b")
    assert labels("LABELS") == {"l", "m"} and labels("VALUES", "l") == {"1"}
    for words, expected in [
            (("VALUES",), "wrong number of arguments for 'ts.querylabels' command"),
            (("FOO",), "TSDB: unknown subtype, must be one of LABELS|VALUES"),
            (("LABELS", "extra"), "TSDB: unknown argument, expected FILTER"),
            (("VALUES", "room", "extra"), "TSDB: unknown argument, expected FILTER"),
            (("LABELS", "FILTER"), "TSDB: FILTER given with no filter expressions")]:
        assert error(client, "TS.QUERYLABELS", *words).startswith(expected)


# ---- TS.MGET ----


def test_mget(client):
    create(client, "h1/a.t", l="1", m="x")
    create(client, "h2/a.t", l="1")
    create(client, "h3/b", l="1")
    for at, value in ((T, 1), (T + 5, 2), (T + 3, 3)):
        client.execute_command("TS.ADD", "h1/a.t", at, value)
    client.execute_command("TS.ADD", "h3/b", "*", 7)
    client.execute_command("TS.ADD", "h1/b", T, 9)
    now = client.execute_command("TS.GET", "h3/b")[0]
    last = {"h1/a.t": (T + 5, 2), "h2/a.t": None, "h3/b": (now, 7)}
    assert mget(client, "FILTER", "l=1") == {key: ({}, point) for key, point in last.items()}
    assert mget(client, "LATEST", "WITHLABELS", "FILTER", "l=1") == {
        "h1/a.t": ({"l": "1", "m": "x"}, last["h1/a.t"]), "h2/a.t": ({"l": "1"}, None), "h3/b": ({"l": "1"}, last["h3/b"])}
    assert mget(client, "SELECTED_LABELS", "m", "host", "FILTER", "l=1", "m!=y") == {
        "h1/a.t": ({"m": "x", "host": "h1"}, last["h1/a.t"]), "h2/a.t": ({"m": None, "host": "h2"}, None),
        "h3/b": ({"m": None, "host": "h3"}, last["h3/b"])}
    assert mget(client, "FILTER", "metric=b") == {"h1/b": ({}, (T, 9)), "h3/b": ({}, last["h3/b"])}
    assert mget(client, "FILTER", "l=none") == {}
    for words, expected in [
            (("WITHLABELS", "l=1"), "TSDB: missing FILTER argument"), (("LATEST", "FILTER"), "TSDB: missing labels for filter argument"),
            (("SELECTED_LABELS", "FILTER", "l=1"), "TSDB: SELECT_LABELS should have at least 1 parameter"),
            (("SELECTED_LABELS", *["l"] * 51, "FILTER", "l=1"), "TSDB: reached max size for SELECT_LABELS"),
            (("WITHLABELS", "SELECTED_LABELS", "l", "FILTER", "l=1"), "TSDB: cannot accept WITHLABELS and SELECT_LABELS together"),
            (("FILTER", "l=1", "GROUPBY", "l", "REDUCE", "max"), "")]:
        assert error(client, "TS.MGET", *words).startswith(expected)


def test_the_bytes_of_mget(lone_client):
    """Grafana's plug-in takes keys and labels as bulk strings, values as simple ones."""
    import socket
    create(lone_client, "a", l="1")
    lone_client.execute_command("TS.ADD", "a", T, "1.5")
    port = lone_client.connection_pool.connection_kwargs["port"]
    expected = b"*1\r\n*3\r\n$1\r\na\r\n*1\r\n*2\r\n$1\r\nl\r\n$1\r\n1\r\n*2\r\n:1700000000000\r\n+1.5\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"TS.MGET WITHLABELS FILTER l=1\r\n")
        answer = b""
        while len(answer) < len(expected):
            answer += s.recv(65536)
    assert answer == expected


# ---- a random story, against a model ----


class Model:
    """key -> labels, or None: it only has points."""

    def __init__(self):
        self.series = {}

    @staticmethod
    def implied(key):
        host, metric = key.split("/") if "/" in key else ("", key)
        stem, _, dimension = metric.rpartition(".") if "." in metric else (metric, "", "")
        parts = stem.split(".")
        is_item = [len(p) >= 8 and all(c in "0123456789abcdef" for c in p) for p in parts]
        return {"host": host, "metric": metric, "dimension": dimension,
                "category": ".".join("*" if i else p for p, i in zip(parts, is_item)),
                "item": ".".join(p for p, i in zip(parts, is_item) if i)}

    def query(self, filters):
        def value(key, label):
            declared = self.series[key] or {}
            return declared.get(label) or self.implied(key).get(label) or None

        def fits(key, text):
            label, _, values = text.partition("=")
            negated = label.endswith("!")
            found = value(key, label.rstrip("!"))
            if not values:
                return (found is not None) == negated
            values = values[1:-1].split(",") if values[0] == "(" else [values]
            return (found in values) != negated

        return {key for key in self.series if all(fits(key, text) for text in filters)}


KEYS = [f"{host}{metric}.{dimension}" for host in ("", "db1/", "db2/") for metric in ("cpu", "q.c.00000001", "q.c.0000000a")
        for dimension in ("user", "sys")]
LABELS = {"l": ["1", "2", "3"], "m": ["x", "y"], "host": ["db1", "other"], "item": ["00000001", "it"]}
VALUES = LABELS | {"metric": ["cpu.user", "q.c.00000001.sys"], "category": ["cpu", "q.c.*"], "dimension": ["user", "sys", "none"]}


def random_filter(chance):
    label = chance.choice(list(VALUES))
    some = VALUES[label] + ["nothing"]
    value = chance.choice(some) if chance.random() < 0.6 else "(" + ",".join(chance.sample(some, 2)) + ")"
    return chance.choice([f"{label}={value}"] * 3 + [f"{label}!={value}", f"{label}=", f"{label}!="])


def is_matcher(text):
    return "!=" not in text and not text.endswith("=")


def step(chance, client, model):
    key = chance.choice(KEYS)
    labels = {label: chance.choice(values) for label, values in LABELS.items() if chance.random() < 0.4}
    words = [word for pair in labels.items() for word in pair]
    what = chance.random()
    if what < 0.4 and key not in model.series:
        client.execute_command("TS.CREATE", key, "LABELS", *words)
        model.series[key] = labels
    elif what < 0.6 and key in model.series:
        client.execute_command("TS.ALTER", key, "LABELS", *words)
        model.series[key] = labels
    elif what < 0.8:
        client.execute_command("TS.ADD", key, T + chance.randrange(100), 1)
        model.series.setdefault(key, None)
    elif what < 0.9:
        assert client.execute_command("DEL", key) == (key in model.series)
        model.series.pop(key, None)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_story(longtaild, seed):
    chance, model = random.Random(seed), Model()
    server = longtaild(flush_interval=chance.choice(["10m", "50ms"]))
    client = server.client(chance.choice([2, 3]))
    for turn in range(400):
        step(chance, client, model)
        filters = [random_filter(chance) for _ in range(chance.randrange(1, 4))]
        if any(is_matcher(text) for text in filters):
            assert query(client, *filters) == model.query(filters), (turn, filters)
        if turn % 130 == 129:
            assert set(client.keys()) == set(model.series) and client.dbsize() == len(model.series)
            server.kill9()
            server.start()
            client = server.client(chance.choice([2, 3]))
