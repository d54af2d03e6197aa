"""The same questions to ClickHouse, in this process (PyPI chdb, pinned in requirements.txt)."""

import time


class ClickHouse:
    def __init__(self, folder):
        from chdb import session
        self.session = session.Session(folder)
        self.session.query("SET max_threads = 2")
        self.session.query("SET max_memory_usage = 0")

    def ask(self, sql):
        begin = time.perf_counter()
        self.session.query(sql, "TabSeparated")
        return time.perf_counter() - begin

    def load(self, dump):
        """Raw points, packed series and roll-ups of one hour."""
        if str(self.session.query("EXISTS TABLE bench.points", "TabSeparated")).strip() == "1":
            return
        for sql in (
                "CREATE DATABASE IF NOT EXISTS bench",
                "CREATE TABLE bench.points (item UInt32, host UInt16, ts UInt32 CODEC(DoubleDelta, ZSTD(1)), value "
                "Float64 CODEC(Gorilla, ZSTD(1))) ENGINE = MergeTree ORDER BY (host, item, ts)",
                f"INSERT INTO bench.points SELECT * FROM file('{dump}', 'RowBinary', "
                "'item UInt32, host UInt16, ts UInt32, value Float64')",
                "OPTIMIZE TABLE bench.points FINAL",
                "CREATE TABLE bench.packed (item UInt32, host UInt16, ts Array(UInt32) CODEC(ZSTD(1)), value "
                "Array(Float64) CODEC(ZSTD(1))) ENGINE = MergeTree ORDER BY (host, item)",
                "INSERT INTO bench.packed SELECT item, host, groupArray(ts), groupArray(value) FROM bench.points "
                "GROUP BY item, host",
                "OPTIMIZE TABLE bench.packed FINAL",
                "CREATE TABLE bench.hourly (hour UInt32, item UInt32, host UInt16, sum Float64, count UInt32) "
                "ENGINE = MergeTree ORDER BY (host, hour, item)",
                "INSERT INTO bench.hourly SELECT intDiv(ts, 3600), item, host, sum(value), count() FROM bench.points "
                "GROUP BY 1, 2, 3",
                "OPTIMIZE TABLE bench.hourly FINAL"):
            self.session.query(sql)

    # What else is asked beside the rows: the total, so that "everything else" is known too.
    QUESTIONS = {
        "ClickHouse, raw points": "SELECT item, sum(value) AS s FROM bench.points GROUP BY item ORDER BY s DESC LIMIT 10",
        "ClickHouse, packed series": "SELECT item, arraySum(value) AS s FROM bench.packed ORDER BY s DESC LIMIT 10",
        "ClickHouse, hourly roll-up": "SELECT item, sum(sum) AS s FROM bench.hourly GROUP BY item ORDER BY s DESC "
                                      "LIMIT 10",
        "ClickHouse, presorted hourly roll-up": "SELECT item, sum AS s FROM bench.hourly ORDER BY s DESC LIMIT 10",
    }

    def close(self):
        self.session.close()
