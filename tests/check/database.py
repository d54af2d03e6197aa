"""What a server's environment has on the database."""

import pymysql


class Database:
    """The manifest and tables of a server's environment."""

    def __init__(self, server):
        self.name = f"{server.options['mysql_prefix']}1"
        path = server.stack.mariadb.address.removeprefix("unix:")
        self.connection = pymysql.connect(unix_socket=path, user="root", autocommit=True)

    def rows(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def runs(self):
        """(kind, resolution, from) of what is in force, but for the catch-all; OPEN, CLOSED, IN_FORCE."""
        return sorted(self.rows(f"SELECT kind, resolution_s, from_s FROM `{self.name}`.manifest_4"
                                " WHERE state IN (2, 3, 4) AND to_s > 0"))

    def count(self, kind, resolution_s):
        return len([run for run in self.runs() if run[:2] == (kind, resolution_s)])

    def left(self):
        """Runs that are in force no more, and have not been dropped."""
        return self.rows(f"SELECT COUNT(*) FROM `{self.name}`.manifest_4 WHERE state IN (1, 5)")[0][0]

    def tables(self):
        return {row[0].decode() if isinstance(row[0], bytes) else row[0]
                for row in self.rows("SELECT table_name FROM information_schema.tables"
                                     f" WHERE table_schema = '{self.name}'")}
