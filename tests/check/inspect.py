"""longtail-inspect on a server's database."""

import os
import subprocess

BINARY = os.path.join(os.environ.get("BUILD", "build"), "longtail-inspect")


def inspect(server, command, **flags):
    options = {name: server.options[name] for name in ("mysql", "mysql_user", "mysql_password", "mysql_prefix")}
    argv = [BINARY, command]
    for name, value in {**options, **flags}.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"longtail-inspect {command}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def verify(server):
    """Everything derived is derived again; its last line says how much that was."""
    return inspect(server, "verify").strip().splitlines()[-1]
