"""A stack and real longtailds for redis-compat, with the tools of tests/integration."""

import os
import secrets
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
for folder in ("tests/integration", "tools"):
    sys.path.insert(0, os.path.join(ROOT, folder))

from harness import Longtaild, free_port  # noqa: E402,F401
from stacklib.stack import Stack  # noqa: E402,F401


def quiet(text):
    pass


def new_server(stack, folder, **flags):
    """A longtaild with the local log and data of its own, started; end() ends it."""
    name = f"c{secrets.token_hex(4)}"
    folder = os.path.join(folder, name)
    os.makedirs(folder)
    server = Longtaild(folder, **{"log": "local", "local_log_dir": os.path.join(folder, "log"),
                                  "mysql": stack.mariadb.address, "mysql_user": "root", "mysql_password": "",
                                  "mysql_prefix": f"{name}_", "node": name, **flags})
    return server.start()


def until(condition, limit_s, what):
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {limit_s} s")
        time.sleep(0.01)
