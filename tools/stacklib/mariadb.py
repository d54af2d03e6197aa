"""A private MariaDB: own data folder, own unix socket, no network."""

import os
import shutil
import socket
import subprocess
import tempfile

from .process import Process, StackError, wait_until

SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path, without its final NUL
START_LIMIT_S = 60
STOP_LIMIT_S = 30


class MariaDB:
    name = "mariadb"

    def __init__(self, var):
        self.home = os.path.join(var, "mariadb")
        self.data = os.path.join(self.home, "data")
        self.log_dir = os.path.join(var, "log")
        self.marker = f"--datadir={self.data}"
        self.process = Process(self.name, os.path.join(self.home, "pid"),
                               os.path.join(self.log_dir, "mariadb.log"), self.marker)

    @property
    def socket_path(self):
        """In the data's own folder; where that path is too long for a socket, in a short one."""
        path = os.path.join(self.home, "mysql.sock")
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        try:
            with open(self._short_dir_note()) as f:
                return os.path.join(f.read().strip(), "mysql.sock")
        except FileNotFoundError:
            return None

    @property
    def address(self):
        path = self.socket_path
        return f"unix:{path}" if path else "-"

    def exists(self):
        return os.path.isdir(self.data)

    def ready(self):
        """It greets: the first packet's fifth byte is the protocol version, 10, or an error, 255."""
        path = self.socket_path
        if path is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                s.connect(path)
                return s.recv(5)[4:] in (b"\x0a", b"\xff")
        except OSError:
            return False

    def start(self, say):
        if self.process.pid() is None:
            self._prepare(say)
            self.spawn()
        wait_until(self.ready, self.process, START_LIMIT_S, "its first answer")

    def spawn(self):
        """Starts it on the data that is there, and does not wait."""
        self.process.spawn(self._command())

    def stop(self):
        how = self.process.stop(STOP_LIMIT_S)
        note = self._short_dir_note()
        if os.path.exists(note):
            shutil.rmtree(os.path.dirname(self.socket_path), ignore_errors=True)
            os.unlink(note)
        return how

    # ---- inside ----

    def _short_dir_note(self):
        return os.path.join(self.home, "socket-folder")

    def _prepare(self, say):
        os.makedirs(self.home, exist_ok=True)
        os.makedirs(self.log_dir, exist_ok=True)
        if self.socket_path is None or not os.path.isdir(os.path.dirname(self.socket_path)):
            with open(self._short_dir_note(), "w") as f:
                f.write(tempfile.mkdtemp(prefix="longtail-", dir="/tmp") + "\n")
        if not self.exists():
            say("mariadb: making its data folder")
            self._install()

    def _install(self):
        """Into a folder beside, renamed when it is whole: an interrupted first start leaves no half."""
        fresh = self.data + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        argv = ["mariadb-install-db", "--no-defaults", f"--datadir={fresh}", "--skip-test-db",
                "--skip-name-resolve", "--auth-root-authentication-method=normal",
                "--innodb-log-file-size=128M"] + self._user()
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
        except FileNotFoundError:
            raise StackError("mariadb-install-db is missing; run deps/install run") from None
        if done.returncode != 0:
            raise StackError(f"mariadb-install-db failed; it should have made {fresh}:\n{done.stdout}")
        os.rename(fresh, self.data)

    def _user(self):
        return ["--user=root"] if os.geteuid() == 0 else []  # mariadbd refuses root unless told

    def _command(self):
        mariadbd = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if mariadbd is None:
            raise StackError("mariadbd is missing; run deps/install run")
        pool = os.environ.get("MARIADB_BUFFER_POOL", "256M")
        return [mariadbd, "--no-defaults", self.marker] + self._user() + [
            f"--socket={self.socket_path}",
            f"--pid-file={os.path.join(self.home, 'mariadbd.pid')}",
            f"--tmpdir={self.data}",
            "--skip-networking",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=1",  # a commit is on disk before its answer
            "--innodb-log-file-size=128M",
            f"--innodb-buffer-pool-size={pool}",
            "--max-allowed-packet=64M",
            "--max-connections=300",
            "--local-infile=0",
            "--character-set-server=binary",  # names are bytes, compared as bytes
            "--collation-server=binary",
            "--performance-schema=ON",  # the agent reads the digests of statements
            "--performance-schema-consumer-statements-digest=ON",
        ]
