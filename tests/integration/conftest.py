"""Fixtures: a stack for the session, private stacks for tests that break theirs, and longtaild."""

import itertools
import os
import secrets
import shutil
import tempfile

import pytest

from harness import Longtaild
from stacklib.stack import Stack


def quiet(text):
    pass


@pytest.fixture(scope="session")
def stack():
    """The session's MariaDB; never to be killed or frozen: others use it. tests/run starts one for all files."""
    shared = os.environ.get("LONGTAIL_TEST_VAR")
    var = shared or tempfile.mkdtemp(prefix="longtail-test-")
    stack = Stack(var)
    stack.up(False, quiet)
    yield stack
    if not shared:
        stack.down(quiet)
        shutil.rmtree(var)


@pytest.fixture(scope="session")
def kafka(stack):
    """The same stack, with its broker."""
    stack.up(True, quiet)
    return stack


@pytest.fixture
def private_stack(tmp_path):
    """private_stack(kafka=False): a stack of the test's own, whose parts it may kill, freeze and start."""
    stacks = []

    def make(kafka=False):
        stacks.append(Stack(tmp_path / f"stack{len(stacks)}"))
        stacks[-1].up(kafka, quiet)
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.down(quiet)


def faults_of(server):
    """Ends the server. What it did wrong, that a test need not have looked at."""
    if server.process is None:
        return
    try:
        server.end()
    except AssertionError as fault:
        yield f"{fault}; see {server.log_path}"
    report = server.sanitizer_report()
    if report:
        yield report


@pytest.fixture
def longtaild(request, tmp_path):
    """longtaild(log="local"|"kafka", stack=None, partitions=1, start=True, **flags): a running server.

    It has a port, a node name, a MySQL prefix, a local log folder or a topic of its own, so that tests do
    not see each other's data. Two servers of one test share data where they are given the same
    mysql_prefix and kafka_topic: longtaild(**first.shared). Without `stack` it uses the session's.
    """
    servers = []
    numbers = itertools.count()

    def make(log="local", stack=None, partitions=1, start=True, environment=None, **flags):
        stack = stack or request.getfixturevalue("kafka" if log == "kafka" else "stack")
        number = next(numbers)
        unique = f"t{secrets.token_hex(4)}"
        folder = tmp_path / f"longtaild{number}"
        folder.mkdir()
        options = {"log": log, "mysql": stack.mariadb.address, "mysql_user": "root", "mysql_password": "",
                   "mysql_prefix": f"{unique}_", "node": f"node{number}"}
        if log == "kafka":
            options |= {"kafka_brokers": stack.kafka.address, "kafka_topic": unique}
        else:
            options |= {"local_log_dir": folder / "log"}
        options |= flags
        if log == "kafka":
            stack.kafka.create_topic(options["kafka_topic"], partitions)
        server = Longtaild(folder, **options)
        server.stack = stack
        server.shared = {name: options[name] for name in ("log", "mysql_prefix", "kafka_topic") if name in options}
        servers.append(server)
        return server.start(environment=environment) if start else server

    request.node.longtaild_servers = servers
    yield make
    faults = [fault for server in servers for fault in faults_of(server)]
    assert not faults, "\n".join(faults)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request):
    return request.param


@pytest.fixture(params=["10m", "50ms"], ids=["head", "flushed"])
def server(request, longtaild):
    """With points in the head alone, or nearly all in MariaDB."""
    return longtaild(flush_interval=request.param)


@pytest.fixture
def client(server, protocol):
    """Of server, in both protocols; a file may say which server that is by a fixture of its own."""
    return server.client(protocol)


@pytest.fixture
def lone(longtaild):
    """A server as it is without options."""
    return longtaild()


@pytest.fixture
def lone_client(lone):
    return lone.client()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test's report ends with its servers' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in getattr(item, "longtaild_servers", []):
            report.sections.append((f"end of {server.log_path}", server.log_tail()))
