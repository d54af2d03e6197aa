"""Data sets: what longtail-generate has to make for a scenario. Each is a database prefix of its own, made once and
kept in the bench's folder."""

import json
import os
import subprocess
import time

from benchlib.server import ReplyError, Server, as_map

HOUR_S, DAY_S = 3600, 86400
DOWNSAMPLE_LIMIT_S = 3600

# name: steps of longtail-generate, each (hours, how many hours before the end it ends, flags)
SETS = {
    # 48 hours of 10 M items that resemble each other; the day before has what COMPARE asks for, and the last hour points
    # enough for peers.
    "ten": [(24, 24, {"items": 10_000_000, "points": 1}),
            (23, 1, {"items": 10_000_000, "points": 1, "dimensions": 4}),
            (1, 0, {"items": 10_000_000, "points": 6, "dimensions": 4})],
    "one": [(24, 24, {"items": 1_000_000, "points": 1}),
            (23, 1, {"items": 1_000_000, "points": 1, "dimensions": 4}),
            (1, 0, {"items": 1_000_000, "points": 6, "dimensions": 4})],
    "disjoint": [(24, 0, {"items": 1_000_000, "points": 1, "churn": 100})],
    "hosts": [(1, 0, {"items": 1_000_000, "points": 6, "hosts": 1000})],
    # An hour as flushes left it: what the open hour looks like to a reader.
    "arrival": [(1, 0, {"items": 1_000_000, "points": 12, "compact": "no"})],
    # An hour that is still open: eleven pieces of five minutes each, and five minutes as flushes left them.
    "open": [(1, 0, {"items": 1_000_000, "points": 12, "pieces": 11})],
    "sparse": [(24, 0, {"items": 200_000, "points": 12})],
    "dense": [(169, 0, {"items": 1000, "points": 6, "dense": 300})],
}
DOWNSAMPLED = ("dense",)  # whose days have become minutes and hours, as the job makes them of days that are over
QUICK = 100  # --quick divides items by this


def generate(build, stack, prefix, end_s, flags):
    argv = [os.path.join(build, "longtail-generate"), "--mysql", stack.mariadb.address, "--mysql-user", "root",
            "--mysql-prefix", prefix,
            "--end", str(end_s)]
    for name, value in flags.items():
        argv += [f"--{name}", str(value)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def asked(client, *words):
    """Not before the server has taken its partition."""
    try:
        client.ask(*words)
    except ReplyError as e:
        if "owned" not in str(e):
            raise
        return False
    return True


def downsample(build, stack, prefix, folder, from_s, to_s):
    """Has a server make all days that end before to_s: RUN, because a job that is idle may be between two days."""
    with Server(build, stack, prefix, folder, roles="ingest,store,query,jobs", **{"keep-1s": "400d"}) as server:
        client = server.client()
        begin = time.monotonic()
        while not asked(client, "JOBS", "RUN", "downsample", from_s // DAY_S * DAY_S, to_s // DAY_S * DAY_S):
            if time.monotonic() - begin > DOWNSAMPLE_LIMIT_S:
                raise SystemExit("downsample: the server does not take its partition; see its log")
            time.sleep(0.1)
        while True:
            jobs = [as_map(job) for job in client.ask("JOBS")[1]]
            job = next(j for j in jobs if j["name"] == "downsample")
            if job["error"] or job["asked_error"] or time.monotonic() - begin > DOWNSAMPLE_LIMIT_S:
                raise SystemExit(f"downsample: {job}")
            if job["asked"] == 0:
                return
            time.sleep(1)


class Data:
    def __init__(self, build, stack, folder, quick):
        self.build, self.stack, self.quick = build, stack, quick
        self.folder = folder
        self.note_path = os.path.join(folder, "data.json")
        try:
            with open(self.note_path) as f:
                self.note = json.load(f)
        except FileNotFoundError:
            self.note = {"end_s": int(time.time()) // HOUR_S * HOUR_S}

    @property
    def end_s(self):
        return self.note["end_s"]

    def prefix(self, name):
        return f"bench_{name}_"

    def flags(self, name, step):
        flags = dict(SETS[name][step][2])
        if self.quick:
            flags["items"] = max(1000, flags["items"] // QUICK)
        return flags

    def make(self, name, say):
        if self.note.get(name):
            return
        begin = time.monotonic()
        for step, (hours, before_end, _) in enumerate(SETS[name]):
            say(f"data '{name}': {hours} hours of {self.flags(name, step)}")
            generate(self.build, self.stack, self.prefix(name), self.end_s - before_end * HOUR_S,
                     {"hours": hours, **self.flags(name, step)})
        if name in DOWNSAMPLED:
            say(f"data '{name}': minutes and hours of its days")
            hours = sum(step[0] for step in SETS[name])
            downsample(self.build, self.stack, self.prefix(name), os.path.join(self.folder, "server", name),
                       self.end_s - hours * HOUR_S, self.end_s)
        self.note[name] = {"seconds": round(time.monotonic() - begin, 1)}
        with open(self.note_path, "w") as f:
            json.dump(self.note, f, indent=1)

    def dump(self, name, step, path):
        """The points of time_us of a step, for peers: 18 bytes each."""
        if not os.path.exists(path):
            hours, before_end, _ = SETS[name][step]
            generate(self.build, self.stack, self.prefix(name), self.end_s - before_end * HOUR_S,
                     {"hours": hours, **self.flags(name, step), "write": "no", "dump": path + ".new"})
            os.rename(path + ".new", path)
