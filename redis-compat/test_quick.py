"""The quick part of redis-compat/run, for make test: two clients' stories, and random commands against the model."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from compat.clients import BUILDERS  # noqa: E402
from compat.differential import run_differential  # noqa: E402
from compat.server import Stack, quiet  # noqa: E402
from compat.story import run_story  # noqa: E402


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """That of tests/run, or one for these tests alone."""
    shared = os.environ.get("LONGTAIL_TEST_VAR")
    stack = Stack(shared or tmp_path_factory.mktemp("stack"))
    stack.up(False, quiet)
    yield stack
    if not shared:
        stack.down(quiet)


@pytest.mark.parametrize("name", ["redis-py", "hiredis"])
def test_story(name, stack, tmp_path):
    for telling in BUILDERS[name](str(tmp_path)):
        for protocol in telling.protocols:
            results = run_story(telling.name, telling.argv, protocol, stack, str(tmp_path), telling.environment)
            assert not results.failures, "\n".join(results.failures)


def test_random_commands_answer_as_the_model_does(stack, tmp_path):
    results = run_differential(stack, str(tmp_path), 5000, seed=int(os.environ.get("COMPAT_SEED", "1")))
    assert not results.failures, "\n".join(results.failures)
