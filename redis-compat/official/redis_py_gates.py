"""A pytest plugin for redis-py's own suite: no test is left out for what INFO says of versions.

The suite skips what an older server lacks. Whoever advertises little would pass by skipping, so here every test of the reference's 8.10 line runs; and each skip that is left must be
listed like a failure.
"""

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_sessionstart(session):
    yield  # the suite's own conftest reads INFO here
    from tests.conftest import REDIS_INFO

    REDIS_INFO["version"] = "8.10.0"
    REDIS_INFO["modules"] = [{"name": "timeseries", "ver": 81000}]
