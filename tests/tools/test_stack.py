"""tools/stack, from outside: what it starts, what it never touches."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid

import pymysql
import pytest

from stacklib import kafka
from stacklib.process import Process, StackError, process_state, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def stack(tmp_path):
    var = str(tmp_path / "var")

    def run(*arguments, status=0, var=var):
        done = subprocess.run([os.path.join(ROOT, "tools/stack"), *arguments, "--var", var],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.var = var
    yield run
    run("down")


def lines(text):
    return [line.split() for line in text.splitlines()]


def environment(var):
    with open(os.path.join(var, "stack.env")) as f:
        return dict(line.strip().split("=", 1) for line in f if not line.startswith("#"))


def query(address, sql):
    with pymysql.connect(unix_socket=address.removeprefix("unix:"), user="root", autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


def test_life_with_kafka(stack):
    assert "no stack" in stack("status", status=1)
    stack("up", "--kafka")
    first = lines(stack("status"))
    assert [line[0] for line in first] == ["mariadb", "kafka"]
    assert [line[3] for line in first] == ["ready", "ready"]
    for _, pid, _, _ in first:
        with open(f"/proc/{pid}/cmdline") as f:
            assert stack.var in f.read(), "a process of the stack is named by its folder"
    addresses = environment(stack.var)
    assert addresses == {"LONGTAIL_MYSQL": first[0][2], "LONGTAIL_KAFKA": first[1][2]}

    query(addresses["LONGTAIL_MYSQL"], "CREATE DATABASE kept")
    stack("up", "--kafka")
    assert lines(stack("status")) == first, "up changes nothing that runs"

    stack("kill", "kafka")
    stack("kill", "mariadb")
    assert [line[3] for line in lines(stack("status", status=1))] == ["stopped", "stopped"]
    stack("start", "kafka")
    stack("start", "mariadb")
    assert environment(stack.var) == addresses, "addresses are kept"
    assert ("kept",) in query(addresses["LONGTAIL_MYSQL"], "SHOW DATABASES")

    stack("freeze", "mariadb")
    assert [line[3] for line in lines(stack("status", status=1))] == ["frozen", "ready"]
    stack("thaw", "mariadb")
    assert [line[3] for line in lines(stack("status"))] == ["ready", "ready"]

    stack("topic", "other", "3")
    stack("topic", "other", "3")
    assert os.path.isdir(os.path.join(stack.var, "kafka/data/other-2"))
    pids = [line[1] for line in lines(stack("status"))]
    stack("down")
    assert {process_state(pid) for pid in pids} <= {"Z", "X"}


def test_a_path_too_long_for_a_socket(stack):
    root = tempfile.mkdtemp(prefix="longtail-test-")
    var = os.path.join(root, "x" * 100)
    try:
        stack("up", var=var)
        address = environment(var)["LONGTAIL_MYSQL"]
        assert len(address.removeprefix("unix:")) <= 107
        assert query(address, "SELECT 1") == ((1,),)
        stack("down", var=var)
        assert not os.path.exists(os.path.dirname(address.removeprefix("unix:")))
    finally:
        stack("down", var=var)
        shutil.rmtree(root)


def test_statements_are_digested_and_durable(stack):
    stack("up")
    address = environment(stack.var)["LONGTAIL_MYSQL"]
    query(address, "SELECT 12345")
    digests = query(address, "SELECT DIGEST_TEXT FROM performance_schema.events_statements_summary_by_digest")
    assert any("SELECT ?" in str(text) for text, in digests)
    assert query(address, "SELECT @@innodb_flush_log_at_trx_commit, @@max_allowed_packet") == ((1, 64 << 20),)


def test_a_number_that_another_process_has_now_is_left_alone(tmp_path):
    """The pid file names a living process that is not ours: it is not seen, and not signalled."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        ours = Process("ours", str(tmp_path / "pid"), str(tmp_path / "log"), str(tmp_path / "marker"))
        (tmp_path / "pid").write_text(f"{other.pid}\n")
        assert ours.pid() is None
        ours.kill()
        assert ours.stop(1) is None
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_process_deaf_to_term_is_killed(tmp_path):
    marker = str(tmp_path / "marker")
    deaf = Process("deaf", str(tmp_path / "pid"), str(tmp_path / "log"), marker)
    deaf.spawn(["/bin/bash", "-c", "trap '' TERM; echo ignored; while :; do sleep 0.1; done", marker])
    wait_until(lambda: "ignored" in deaf.log_tail(), deaf, 10, "its trap")
    started = time.monotonic()
    assert deaf.stop(0.5) == "killed"
    assert 0.5 <= time.monotonic() - started < 5
    assert deaf.pid() is None and not os.path.exists(tmp_path / "pid")
    assert deaf.exit_text() == "was killed by SIGKILL"


def test_a_process_that_ends_too_soon_shows_its_log(tmp_path):
    marker = str(tmp_path / "marker")
    short = Process("short", str(tmp_path / "pid"), str(tmp_path / "log"), marker)
    short.spawn(["/bin/bash", "-c", "echo the disk is full; exit 3", marker])
    with pytest.raises(StackError, match="exited with status 3.*(?s:.*)the disk is full"):
        wait_until(lambda: False, short, 10, "its first answer")


def test_a_broker_takes_the_variables_of_kafkas_scripts(tmp_path, monkeypatch):
    broker = kafka.Kafka(str(tmp_path), port=9092)
    assert "-Xmx256m" in broker._java("Main") and "-XX:TieredStopAtLevel=1" in broker._java("Main")
    monkeypatch.setenv("KAFKA_HEAP_OPTS", "-Xms300m -Xmx300m")
    monkeypatch.setenv("KAFKA_JVM_PERFORMANCE_OPTS", "")
    line = broker._java("Main", "file")
    assert line[1:4] == ["-Xms300m", "-Xmx300m", "-XX:+ExitOnOutOfMemoryError"] and line[-2:] == ["Main", "file"]


def test_a_cluster_id_may_begin_with_a_dash(tmp_path, monkeypatch):
    """One in 64 does; the broker's format command takes it for an option where it is free to."""
    monkeypatch.setattr(kafka.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xf8" + bytes(15)))
    assert kafka._cluster_id().startswith("-")
    broker = kafka.Kafka(str(tmp_path), port=9092)
    broker._prepare(lambda line: None)
    assert os.path.exists(os.path.join(broker.data, "meta.properties"))
