"""One log and one database, several processes: who reads, who owns, who takes over."""

import random
import string
import subprocess
import time

import redis

MINUTE = 60


def total(client, begin, pattern="app.*.n", **options):
    arguments = [word for pair in options.items() for word in pair]
    rows = client.execute_command("TOPQ", begin, begin + MINUTE, pattern, "LIMIT", 1, "FORMAT", "flat", *arguments)
    header = rows[0]
    last = dict(zip(header, rows[-1]))
    assert last["row"] == "total"
    return int(last["items"]), float(last["n"])


def state(client):
    return client.execute_command("STATUS", "partition")


def wait_for_state(server, wanted, limit_s=20):
    deadline = time.monotonic() + limit_s
    while True:
        text = str(server.client().execute_command("STATUS", "partition"))
        if wanted in text:
            return
        assert time.monotonic() < deadline, f"not '{wanted}' in {limit_s} s:\n{text}"
        time.sleep(0.05)


def test_a_query_process_sees_what_a_receipt_names(longtaild):
    """It numbers names by itself, from the log; rows come from another process, which flushes all the time."""
    writer = longtaild(log="kafka", roles="ingest,store", flush_interval="100ms")
    reader = longtaild(**writer.shared, roles="query", flush_interval="150ms")
    w, r = writer.client(), reader.client()
    begin = int(time.time())
    for n in range(1, 301):
        receipt = w.execute_command("OBSERVE", f"h{n % 3}", begin + n % 50, f"app.{n:08d}.n", n)
        if n % 7 == 0:  # a retry counts once
            receipt = w.execute_command("OBSERVE", f"h{n % 3}", begin + n % 50, f"app.{n:08d}.n", n)
        assert total(r, begin, AFTER=receipt) == (n, n * (n + 1) / 2)
    try:
        r.execute_command("OBSERVE", "h", 1, "a.b", 1)
        raise AssertionError("a query process took a write")
    except redis.ResponseError as error:
        assert "role ingest" in str(error)


def test_another_owner_takes_over_and_a_thawed_one_changes_nothing(longtaild):
    options = {"flush_interval": "100ms", "lease": "1s", "roles": "ingest,store,query"}
    first = longtaild(log="kafka", **options)
    wait_for_state(first, "owning")
    begin = int(time.time())
    c = first.client()
    written = 0
    for n in range(200):
        c.execute_command("OBSERVE", "h", begin + n % 50, f"app.{n:08d}.n", 1)
        written += 1
    second = longtaild(**first.shared, **options)
    wait_for_state(second, "following")
    receipt = c.execute_command("OBSERVE", "h", begin, "app.90000000.n", 1)
    written += 1
    assert total(second.client(), begin, AFTER=receipt) == (written, written)
    first.freeze()
    wait_for_state(second, "owning")
    c2 = second.client()
    for n in range(200, 400):
        receipt = c2.execute_command("OBSERVE", "h", begin + n % 50, f"app.{n:08d}.n", 1)
        written += 1
    assert total(c2, begin, AFTER=receipt) == (written, written)
    time.sleep(0.5)  # lets the second flush some of it; nothing depends on how much
    first.thaw()
    wait_for_state(first, "following")
    assert total(first.client(), begin, AFTER=receipt) == (written, written)
    assert total(c2, begin, AFTER=receipt) == (written, written)
    second.kill9()
    wait_for_state(first, "owning")
    assert total(first.client(), begin, AFTER=receipt) == (written, written)


def sql(server, text):
    done = subprocess.run(["mariadb", "--no-defaults", f"--socket={server.stack.mariadb.socket_path}", "-uroot",
                           "--batch", "--skip-column-names"], input=text, text=True, check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.split()


def test_the_shortest_lease_does_not_lapse_while_nothing_happens(longtaild):
    """An owner that only renews when its pause is over is late by what comes between, nearly each time. One that the
    machine holds up for a third of a second is late now and then."""
    server = longtaild(lease="500ms", roles="ingest,store")
    wait_for_state(server, "owning")
    look = (f"SELECT lease_until + 0, lease_until <= NOW(6) FROM `{server.options['mysql_prefix']}meta`.progress_1"
            " WHERE part = 0; DO SLEEP(0.001);")
    words = sql(server, look * 3000)
    lapsed = {}
    for until, late in zip(words[::2], words[1::2]):
        lapsed[until] = lapsed.get(until, False) or late == "1"
    assert len(lapsed) > 6 and 3 * sum(lapsed.values()) < len(lapsed), lapsed


def test_a_load_that_takes_longer_than_the_lease_keeps_it(longtaild):
    """Two owners to be that load for longer than the lease lasts must not take it from each other for ever."""
    options = {"flush_interval": "10ms", "lease": "1s", "roles": "ingest,store,query"}
    first = longtaild(log="kafka", **options)
    begin = int(time.time())
    c = first.client()
    c.execute_command("CATEGORY", "ADD", "app.*")
    alphabet = string.ascii_letters + string.digits
    for n in range(100):  # names that no compression makes small, in many rows: so rows arrive all the time
        names = ["".join(random.choices(alphabet, k=480)) for _ in range(12)]
        c.execute_command("OBSERVE", "h", begin + n % 50, *(word for name in names for word in (f"app.{name}.n", 1)))
        time.sleep(0.01)
    prefix = first.options["mysql_prefix"]
    database = sql(first, "SELECT table_schema FROM information_schema.tables WHERE table_name = 'catalog_1'"
                          f" AND table_schema LIKE '{prefix}%'")[0]
    assert first.terminate() == 0
    rows = int(sql(first, f"SELECT COUNT(*) FROM `{database}`.catalog_1")[0])
    assert rows > 20
    sql(first, f"RENAME TABLE `{database}`.catalog_1 TO `{database}`.catalog_quick;"
               f"CREATE VIEW `{database}`.catalog_1 AS SELECT what, scope, first, count,"
               f" IF(SLEEP({4 / rows:.3f}) = 0, body, body) AS body FROM `{database}`.catalog_quick")
    progress = f"SELECT epoch FROM `{prefix}meta`.progress_1 WHERE part = 0"
    epoch = int(sql(first, progress)[0])
    first.start(ready_s=None)
    deadline = time.monotonic() + 10
    while int(sql(first, progress)[0]) == epoch:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1.5)  # the lease that was taken before the load has run out, and the load goes on
    second = longtaild(**first.shared, **options)
    wait_for_state(first, "owning")
    wait_for_state(second, "following")
    assert int(sql(first, progress)[0]) == epoch + 1
    assert total(second.client(), begin) == (1200, 1200)
