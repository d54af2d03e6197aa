"""Random commands, to a longtaild and to the model (model.py): no reply may differ in shape, value or an error's first word.

The seed is printed and repeats a run; a difference is made as short as it goes before it is shown."""

import json
import math
import os
import random
import time

from .model import AGGREGATORS, Model
from .result import Results
from .server import ROOT, new_server
from .wire import Wire

BATCH = 200
LEFT_OUT = os.path.join(ROOT, "redis-compat/compat/left-out.json")
KEYS = ["a", "b", "h1/host.cpu.user", "h2/host.cpu.user", "h1/host.procs.12345678.rss", "with space"]
KINDS, ROOMS = ["x", "y", ""], ["1", "2", "3"]
STEPS = 60


def left_out():
    """command → why it is not compared yet."""
    with open(LEFT_OUT) as f:
        return json.load(f)


class Commands:
    """Random commands over few keys and times, so that they meet."""

    def __init__(self, seed, skip):
        self.random = random.Random(seed)
        self.base = (int(time.time()) // 3600 - 2) * 3600000
        makers = [(8, self.add, "TS.ADD"), (4, self.madd, "TS.MADD"), (3, self.create, "TS.CREATE"), (2, self.alter, "TS.ALTER"),
                  (2, self.delete_points, "TS.DEL"), (8, self.range, "TS.RANGE"), (4, self.range, "TS.REVRANGE"), (4, self.get, "TS.GET"),
                  (3, self.mget, "TS.MGET"), (3, self.queryindex, "TS.QUERYINDEX"), (1, self.exists, "EXISTS"), (1, self.type, "TYPE"),
                  (1, self.delete, "DEL"), (1, lambda _: ["KEYS", "*"], "KEYS"), (1, lambda _: ["DBSIZE"], "DBSIZE"), (3, self.wrong, "wrong"),
                  (0.1, lambda _: ["FLUSHDB"], "FLUSHDB")]
        makers = [maker for maker in makers if maker[2] not in skip]
        self.weights = [maker[0] for maker in makers]
        self.makers = makers

    def next(self):
        _, make, name = self.random.choices(self.makers, self.weights)[0]
        return [str(word) for word in make(name)]

    # ---- words ----

    def key(self):
        return self.random.choice(KEYS)

    def at(self):
        return self.base + self.random.randrange(STEPS) * 1000

    def value(self):
        return self.random.choice([self.random.randrange(-5, 20), self.random.randrange(0, 400) / 4, 100000, -0.5])

    def bounds(self):
        lo, hi = sorted((self.at(), self.at()))
        return [self.random.choice(["-", lo, lo]), self.random.choice(["+", hi, hi])]

    def labels(self):
        return ["LABELS", "kind", self.random.choice(KINDS[:2]), "room", self.random.choice(ROOMS)]

    def filters(self):
        pick = self.random.choice
        first = pick([f"kind={pick(KINDS[:2])}", "kind=(x,y)", f"room={pick(ROOMS)}", "room=(1,3)"])
        more = [f"kind!={pick(KINDS[:2])}", f"room!={pick(ROOMS)}", "room=", "kind!=", "other=", "room!=(1,2)", f"room={pick(ROOMS)}"]
        filters = [first] + [pick(more)] * (self.random.random() < 0.4)
        return pick([filters, filters, filters, [pick(more)]])

    # ---- commands ----

    def add(self, name):
        words = [name, self.key(), self.at(), self.value()]
        if self.random.random() < 0.3:
            words += ["ON_DUPLICATE", self.random.choice(["LAST", "FIRST", "MIN", "MAX", "SUM"])]
        return words

    def madd(self, name):
        words = [name]
        for _ in range(self.random.randrange(1, 6)):
            words += [self.key(), self.at(), self.value() if self.random.random() < 0.95 else "abc"]
        return words

    def create(self, name):
        words = [name, self.key()]
        if self.random.random() < 0.4:
            words += ["DUPLICATE_POLICY", self.random.choice(["LAST", "FIRST", "MIN", "MAX", "SUM"])]
        return words + (self.labels() if self.random.random() < 0.8 else [])

    def alter(self, name):
        return self.create(name)

    def delete_points(self, name):
        lo, hi = sorted((self.at(), self.at()))
        return [name, self.key(), lo, min(hi, lo + 8000)]

    def range(self, name):
        words = [name, self.key(), *self.bounds()]
        chance = self.random.random
        if chance() < 0.2:
            words += ["FILTER_BY_TS", *sorted(self.at() for _ in range(4))]
        if chance() < 0.2:
            words += ["FILTER_BY_VALUE", 0, self.random.randrange(5, 60)]
        if chance() < 0.3:
            words += ["COUNT", self.random.randrange(1, 8)]
        if chance() < 0.6:
            if chance() < 0.3:
                words += ["ALIGN", self.random.choice([0, self.base + 500, self.base])]
            names = self.random.sample(sorted(AGGREGATORS), self.random.choice([1, 1, 1, 2]))
            words += ["AGGREGATION", ",".join(names), self.random.choice([1000, 2000, 5000, 7000, 60000])]
            if chance() < 0.3:
                words += ["BUCKETTIMESTAMP", self.random.choice("-~+")]
            if chance() < 0.3:
                words += ["EMPTY"]
        return words

    def get(self, name):
        return [name, self.key()]

    def mget(self, name):
        shown = self.random.choice([[], ["WITHLABELS"], ["SELECTED_LABELS", "room", "none"]])
        return [name, *shown, "FILTER", *self.filters()]

    def queryindex(self, name):
        return [name, *self.filters()]

    def exists(self, name):
        return [name, self.key(), self.key()]

    def type(self, name):
        return [name, self.key()]

    def delete(self, name):
        return [name, self.key()]

    def wrong(self, _):
        return self.random.choice([["TS.ADD", self.key(), "when", 1], ["TS.ADD", self.key(), self.at(), "0x10"],
                                   ["TS.ADD", self.key(), self.at(), "abc"], ["TS.RANGE", "nosuch", "-", "+"],
                                   ["TS.GET", "nosuch"], ["TS.DEL", "nosuch", 0, 1], ["TS.ALTER", "nosuch", "RETENTION", 0]])


# ---- comparing ----


def same(got, wanted):
    kind, value = wanted
    if kind == "-":
        return got[0] == "-" and got[1].split(" ")[0] == value
    if got[0] != kind:
        return False
    if isinstance(value, float):  # a number, of a simple string in RESP2
        try:
            number = float(got[1])
        except (TypeError, ValueError):
            return False
        return number == value or math.isclose(number, value, rel_tol=1e-9, abs_tol=1e-9) or (number != number and value != value)
    if kind == "%":
        return len(got[1]) == len(value) and all(same(g[0], w[0]) and same(g[1], w[1]) for g, w in zip(got[1], value))
    if isinstance(value, list):
        return got[1] is not None and len(got[1]) == len(value) and all(map(same, got[1], value))
    return got[1] == value


def differs(words, got, wanted):
    if words[0] in ("TS.QUERYINDEX", "KEYS") and got[0] == wanted[0] and got[0] != "-":  # in any order
        return got[0], sorted(got[1]) != sorted(wanted[1])
    return got[0], not same(got, wanted)


def first_difference(wire, protocol, commands):
    """(index, reply, what the model says), or None. From an empty environment on."""
    model = Model(protocol)
    wire.ask("FLUSHDB")
    for begin in range(0, len(commands), BATCH):
        batch = commands[begin:begin + BATCH]
        for i, (words, got) in enumerate(zip(batch, wire.ask_all(batch))):
            wanted = model.answer(fitting(words))
            if differs(words, got, wanted)[1]:
                return begin + i, got, wanted
    return None


def fitting(words):
    """float() takes what the commands do not."""
    if words[0] == "TS.ADD" and words[3].lower().startswith(("0x", "inf", "+")):
        return [*words[:3], "refused", *words[4:]]
    return words


def shortest(wire, protocol, commands):
    """Leaves out what the difference does not need, halves first, then single commands."""
    size = len(commands) // 2
    while size >= 1:
        at = 0
        while at < len(commands) - 1:
            shorter = commands[:at] + commands[at + size:]
            if shorter and first_difference(wire, protocol, shorter):
                commands = shorter
            else:
                at += size
        size //= 2
    return commands


def explain(wire, protocol, commands):
    index = first_difference(wire, protocol, commands)[0]
    commands = shortest(wire, protocol, commands[max(0, index - 2000):index + 1])
    again = first_difference(wire, protocol, commands)
    if again is None:
        return "it does not repeat from an empty environment"
    index, got, wanted = again
    lines = [" ".join(words) for words in commands[:index + 1]]
    return "\n  ".join(["these commands show it:", *lines[-40:], f"reply: {got}", f"model: {wanted}"])


def run_differential(stack, scratch, count, seed=None, say=None):
    """count commands in each protocol."""
    results = Results()
    seed = random.randrange(1 << 32) if seed is None else seed
    for protocol in (2, 3):
        server = new_server(stack, scratch)
        wire = Wire(server.port, protocol)
        try:
            made = Commands(seed + protocol, left_out())
            done = 0
            while done < count:
                commands = [made.next() for _ in range(min(20000, count - done))]
                found = first_difference(wire, protocol, commands)
                where = f"differential RESP{protocol} seed {seed} from command {done}"
                if not results.check(where, found is None, found and explain(wire, protocol, commands)):
                    break
                done += len(commands)
                if say:
                    say(f"        RESP{protocol}: {done} commands")
        finally:
            wire.close()
            server.end()
    return results
