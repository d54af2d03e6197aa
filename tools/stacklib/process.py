"""One background process: started, found again by its pid file, and ended without ever touching another.

A pid file may outlive its process, and the number may since belong to somebody else. So before each signal
the process is held by a pidfd and its command line is compared: it must contain `marker` as one whole
argument. Markers name a path in the stack's own folder, so no two stacks can be mistaken for each other.
"""

import os
import signal
import subprocess
import time


class StackError(Exception):
    """What happened, what was expected, what to do: printed as it is."""


class Process:
    def __init__(self, name, pid_path, log_path, marker):
        self.name = name
        self.pid_path = pid_path
        self.log_path = log_path
        self.marker = marker
        self._child = None

    # ---- looking ----

    def pid(self):
        """Its process id, or None when it does not run."""
        try:
            with open(self.pid_path) as f:
                pid = int(f.read())
        except (OSError, ValueError):
            return None
        self._reap()
        return pid if self._is_ours(pid) else None

    def frozen(self):
        pid = self.pid()
        return pid is not None and process_state(pid) == "T"

    def exit_text(self):
        """How it ended, as far as is known: only its own parent is told."""
        code = self._child.poll() if self._child else None
        if self._child and code is None and self.pid() is None:
            try:
                code = self._child.wait(5)  # its memory is gone already, its status comes a moment later
            except subprocess.TimeoutExpired:
                pass
        if code is None:
            return "ended"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with status {code}"

    def log_tail(self, lines=15):
        try:
            with open(self.log_path, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    # ---- acting ----

    def spawn(self, argv, env=None):
        """Starts argv, detached from the terminal, its output appended to the log."""
        assert self.marker in argv, f"{self.name} could not be found again"
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                start_new_session=True,  # Ctrl-C is for the one who started the stack
            )
        with open(self.pid_path + ".new", "w") as f:
            f.write(f"{self._child.pid}\n")
        os.replace(self.pid_path + ".new", self.pid_path)
        # exec() shows the new command line a moment after it has returned to us.
        while not self._is_ours(self._child.pid) and self._child.poll() is None:
            time.sleep(0.001)

    def signal(self, number):
        """True if it was delivered; False if the process is gone."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if not self._is_ours(pid):  # the number was given away just now
                return False
            signal.pidfd_send_signal(fd, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)

    def stop(self, limit_s):
        """TERM, then KILL after limit_s. Returns "stopped", "killed" or None when it did not run."""
        pid = self.pid()
        if not self.signal(signal.SIGTERM):
            self._forget()
            return None
        self.signal(signal.SIGCONT)  # a frozen process cannot hear TERM
        how = "stopped"
        if not self.wait_gone(pid, limit_s):
            how = "killed"
            self.kill()
        self._forget()
        return how

    def kill(self):
        pid = self.pid()
        self.signal(signal.SIGKILL)
        if not self.wait_gone(pid, 30):
            raise StackError(f"{self.name} (pid {pid}) does not die, even by SIGKILL")

    def wait_gone(self, pid, limit_s):
        """Whether that one is gone in time; tools/run may have started the next by then."""
        deadline = time.monotonic() + limit_s
        while pid is not None and self.pid() == pid:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True

    # ---- inside ----

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                arguments = f.read().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self.marker) in arguments and process_state(pid) not in ("Z", "X")

    def _reap(self):
        if self._child is not None:
            self._child.poll()

    def _forget(self):
        try:
            os.unlink(self.pid_path)
        except FileNotFoundError:
            pass


def process_state(pid):
    """The letter of /proc/PID/stat: R, S, D, T, Z …; X when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"


def wait_until(ready, process, limit_s, what):
    """Polls ready(); fails with the log's end when the process dies or the limit passes."""
    deadline = time.monotonic() + limit_s
    while not ready():
        if process.pid() is None:
            raise StackError(f"{process.name} {process.exit_text()} before {what}. The end of "
                             f"{process.log_path}:\n{process.log_tail()}")
        if time.monotonic() >= deadline:
            raise StackError(f"{process.name} runs, but {what} did not happen within {limit_s} s. The "
                             f"end of {process.log_path}:\n{process.log_tail()}")
        time.sleep(0.05)
