"""What this machine is, how it idles, what waking a process costs, and who used its cores while something was measured."""

import contextlib
import os
import platform
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
HANDOVERS = 400  # there and back: 20 ms
HALT_POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"


class LeftOut(Exception):
    """This machine cannot do it: its message says why."""


def describe():
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
    with open("/proc/meminfo") as f:
        memory_gib = int(f.readline().split()[1]) / (1 << 20)
    return f"{os.cpu_count()} cores ({cpu}), {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


@contextlib.contextmanager
def awake(us):
    """Until the end, idle cores look for work for that long before they halt: a setting of a virtual machine's Linux
    (Documentation/virt/guest-halt-polling), which wants root."""
    try:
        with open(HALT_POLL) as f:
            before = f.read()
        with open(HALT_POLL, "w") as f:
            f.write(str(us * 1000))
    except OSError as e:
        raise LeftOut(f"idle cores cannot be kept awake here: {HALT_POLL}: {e.strerror}") from e
    try:
        yield
    finally:
        with open(HALT_POLL, "w") as f:
            f.write(before)


def memory_bytes(name):
    """A line of /proc/meminfo, such as MemAvailable."""
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(f"{name}:"))


def cpu_s(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


def _machine_s():
    """(busy, stolen) seconds of all cores since the machine started."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = (int(x) / TICKS for x in f.readline().split()[1:9])
    return user + nice + system + irq + softirq, steal


class Meter:
    """CPU seconds by name between two moments; and what others took, and what a hand-over cost just before, so that a noisy run
    can be told."""

    def __init__(self, pids):
        self.handover_us = handover_us()
        self.pids = pids
        self.begin = {name: cpu_s(pid) for name, pid in pids.items()}
        self.busy, self.stolen = _machine_s()
        self.started = time.monotonic()

    def read(self, own_s):
        """own_s: CPU seconds of children that are named nowhere else."""
        elapsed = time.monotonic() - self.started
        busy, stolen = _machine_s()
        used = {name: cpu_s(pid) - self.begin[name] for name, pid in self.pids.items()}
        others = max(0.0, busy - self.busy - sum(used.values()) - own_s)
        cores_s = elapsed * os.cpu_count()
        return used, {"others": others / cores_s, "stolen": (stolen - self.stolen) / cores_s, "handover_us": self.handover_us}


def handover_us():
    """What it costs to wake a process on another core: half of the median of a byte's way to cat(1) and back. In a virtual
    machine a core that has halted waits for its host to run it again, and /proc/stat counts that as idle."""
    cores = os.sched_getaffinity(0)
    times = []
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as other:
        os.sched_setaffinity(other.pid, {max(cores)})
        os.sched_setaffinity(0, {min(cores)})
        try:
            for _ in range(HANDOVERS):
                begin = time.perf_counter()
                other.stdin.write(b".")
                other.stdout.read(1)
                times.append(time.perf_counter() - begin)
        finally:
            os.sched_setaffinity(0, cores)
    return statistics.median(times) / 2 * 1e6


def settle(limit_s=15, dirty_bytes=64 << 20):
    """Waits until what earlier runs wrote is on disk, so that the next one does not pay for it."""
    deadline = time.monotonic() + limit_s
    while memory_bytes("Dirty") + memory_bytes("Writeback") > dirty_bytes and time.monotonic() < deadline:
        time.sleep(0.1)
