"""Flushes while runs are closed under them, as jobs do it: nothing is lost, nothing waits, nothing is logged."""

import threading
import time

import pymysql

from check.checker import check
from check.history import History
from check.load import start_writers, wait_ok
from check.reader import Reader
from check.resp import Client

CLOSES = 60


class Closer(threading.Thread):
    """Closes one open run after the other, each in one transaction with the fence, as runs_close in src/mysql/runs.c."""

    def __init__(self, server):
        super().__init__()
        self.connection = pymysql.connect(unix_socket=server.stack.mariadb.socket_path, user="root")
        self.prefix = server.shared["mysql_prefix"]
        with self.connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            self.databases = [name for name, in cursor.fetchall()
                              if name.startswith(self.prefix) and not name.endswith("meta")]
        self.closed = 0

    def run(self):
        """A flush tries a few times to find an open run: between two closes there is one flush at least, however slow."""
        stored = None
        with self.connection.cursor() as cursor:
            for _ in range(CLOSES):
                time.sleep(0.15)
                while stored == (stored := self.lock_progress(cursor)):
                    self.connection.commit()
                    time.sleep(0.01)
                for database in self.databases:
                    self.closed += cursor.execute(
                        f"UPDATE `{database}`.manifest_4 SET state = 3, state_at = NOW(6) WHERE state = 2 LIMIT 1")
                self.connection.commit()

    def lock_progress(self, cursor):
        cursor.execute(f"SELECT `next` FROM `{self.prefix}meta`.progress_1 FOR UPDATE")
        return cursor.fetchall()

    def manifest(self, where):
        with self.connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(
                f"SELECT id FROM `{database}`.manifest_4 WHERE {where}" for database in self.databases))
            return cursor.fetchall()


def test_runs_are_closed_under_the_writers(longtaild, tmp_path):
    server = longtaild(flush_interval="10ms")
    history = History(tmp_path / "history.jsonl")
    writers = start_writers(server.port, history)
    wait_ok(history, time.monotonic(), 10)
    closer = Closer(server)
    closer.start()
    closer.join()
    for writer in writers:
        writer.finish()
    assert closer.closed > CLOSES / 2
    with Client(server.port) as client:
        assert check(history, Reader(client)) == []
    server.restart()
    with Client(server.port) as client:
        assert check(history, Reader(client)) == []
    assert len(closer.manifest("state = 2")) > 0
    for noise in ("tried again", "nothing yet", "refused", " error "):
        assert noise not in server.log_tail(100000)
