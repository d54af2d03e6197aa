"""Runs longtail-load and longtail-roundtrip, and reads what they report."""

import json
import os
import resource
import subprocess

from .machine import Meter


class BenchError(Exception):
    """A run that cannot be counted: its message says why."""


def _flags(options):
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def _children_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Load:
    """A run of longtail-load against 127.0.0.1:port, and the CPU that the named processes used meanwhile."""

    def __init__(self, build, port, pids, **options):
        self.pids = pids
        self.meter = Meter(pids)
        self.before_s = _children_s()
        argv = [os.path.join(build, "longtail-load"), "--server", f"127.0.0.1:{port}", "--json", "yes", *_flags(options)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)

    def wait(self, timeout_s=None):
        """True when it has ended."""
        try:
            self.process.wait(timeout_s)
            return True
        except subprocess.TimeoutExpired:
            return False

    def result(self):
        """Its report. Every reply must have been right, or there is no figure."""
        out, err = self.process.communicate()
        if self.process.returncode != 0:
            raise BenchError(f"longtail-load: {err.strip()} {out.strip()}")
        self.own_s = _children_s() - self.before_s
        report = json.loads(out)
        return report | self.cpu(report["points_acked"])

    def cpu(self, points):
        """Since the run began, until now."""
        used, noise = self.meter.read(self.own_s)
        return {"cpu_us_a_point_of": {name: seconds * 1e6 / points for name, seconds in used.items()}, "noise": noise}


def load(build, port, pids, **options):
    run = Load(build, port, pids, **options)
    run.wait()
    return run.result()


def roundtrip(build, **options):
    """{'p50_ms', 'p99_ms', 'rounds_per_s', …}: one record at a time, by the bare library."""
    argv = [os.path.join(build, "longtail-roundtrip"), *_flags(options)]
    meter = Meter({})
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"longtail-roundtrip: {done.stderr.strip()}")
    _, noise = meter.read(0)
    return json.loads(done.stdout) | {"noise": {name: noise[name] for name in ("stolen", "handover_us")}}
