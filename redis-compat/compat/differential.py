"""Random commands, to a longtaild and to the model: no reply may differ in shape, value or an error's first word.

The seed is printed and repeats a run; a difference is made as short as it goes before it is shown. With a peer, the same
sequences go to RedisTimeSeries, and to the model in its dialect (peer.py): so that the model is right, too."""

import collections
import json
import os
import random

from .commands import Commands
from .compare import same
from .model import LONGTAIL, Model
from .result import Results
from .server import ROOT, new_server
from .wire import Wire

BATCH = 200
CHUNK = 20000
ENDED = ("the server ended", None)
LEFT_OUT = os.path.join(ROOT, "redis-compat/compat/left-out.json")


def left_out(who):
    """command → why it is not asked."""
    with open(LEFT_OUT) as f:
        return json.load(f)[who]


class Asked:
    """One connection to what is compared with the model, again if it ends in the middle."""

    def __init__(self, port, protocol, dialect=LONGTAIL, again=None, hazard=None):
        """again(): a port where it is started again. hazard(model, words): why it would not survive a command, which is left out."""
        self.protocol, self.dialect, self.again, self.hazard = protocol, dialect, again, hazard
        self.left_out = collections.Counter()
        self.wire = Wire(port, protocol)

    def empty(self):
        try:
            self.wire.ask_all([["DISCARD"], ["FLUSHALL"]])  # DISCARD: what a shortened sequence left open
        except OSError:
            self.begin_again()

    def first_difference(self, commands):
        """(index, reply, what the model says), or None. From an empty environment on."""
        model = Model(self.protocol, self.dialect)
        self.empty()
        size = 1 if self.hazard else BATCH
        for begin in range(0, len(commands), size):
            batch = commands[begin:begin + size]
            if self.hazard and self.is_left_out(model, batch[0]):
                continue
            for i, (words, got) in enumerate(zip(batch, self.replies(commands[:begin], batch))):
                wanted = model.answer(words, got)
                if not same(got, wanted):
                    return begin + i, got, wanted
        return None

    def is_left_out(self, model, words):
        why = self.hazard(model, words)
        self.left_out.update([why] if why else [])
        return why is not None

    def replies(self, before, batch):
        """A server that ends is a difference as well: of the command that ends it, so one by one."""
        try:
            return self.wire.ask_all(batch)
        except OSError:
            self.begin_again()
        if len(batch) == 1:
            return [ENDED]
        for begin in range(0, len(before), BATCH):
            self.wire.ask_all(before[begin:begin + BATCH])
        got = []
        try:
            for words in batch:
                got.append(self.wire.ask(*words))
        except OSError:
            self.begin_again()
        return got + [ENDED] * (len(batch) - len(got))

    def begin_again(self):
        if self.again is None:
            raise ConnectionError("the server ended")
        self.wire.close()
        self.wire = Wire(self.again(), self.protocol)

    def shortest(self, commands):
        """Leaves out what the difference does not need, halves first, then single commands."""
        size = len(commands) // 2
        while size >= 1:
            at = 0
            while at < len(commands) - 1:
                shorter = commands[:at] + commands[at + size:]
                if shorter and self.first_difference(shorter):
                    commands = shorter
                else:
                    at += size
            size //= 2
        return commands

    def explain(self, commands, found):
        index, got, wanted = found
        once = "\n  ".join([*(" ".join(words) for words in commands[max(0, index - 40):index + 1]), f"reply: {got}", f"model: {wanted}"])
        commands = commands[:index + 1]
        if index > 2000 and self.first_difference(commands[-2000:]):
            commands = commands[-2000:]
        again = self.first_difference(commands)
        if again is None:
            return f"it does not repeat from an empty environment; once it came after:\n  {once}"
        commands = self.shortest(commands[:again[0] + 1])
        index, got, wanted = self.first_difference(commands)
        lines = [" ".join(words) for words in commands[:index + 1]]
        return "\n  ".join(["these commands show it:", *lines[-40:], f"reply: {got}", f"model: {wanted}"])

    def close(self):
        self.wire.close()


def run_commands(asked, made, count, where, say=None):
    """count commands, from an empty environment every CHUNK of them."""
    results = Results()
    done = 0
    while done < count:
        commands = made.take(min(CHUNK, count - done))
        found = asked.first_difference(commands)
        if not results.check(f"{where} from command {done}", found is None, found and asked.explain(commands, found)):
            break
        done += len(commands)
        if say:
            say(f"        {where}: {done} commands")
    return results


def run_differential(stack, scratch, count, seed=None, say=None):
    """count commands in each protocol, to a longtaild."""
    results = Results()
    seed = random.randrange(1 << 32) if seed is None else seed
    for protocol in (2, 3):
        server = new_server(stack, scratch)
        asked = Asked(server.port, protocol)
        try:
            made = Commands(seed + protocol, LONGTAIL, left_out(LONGTAIL.name))
            results.add(run_commands(asked, made, count, f"differential RESP{protocol} seed {seed}", say))
        finally:
            asked.close()
            server.end()
    return results
