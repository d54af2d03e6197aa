"""tools/generate-commands against the specifications in commands/: what it makes of them is commands/expected.*."""

import importlib.machinery
import importlib.util
import json
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
TOOL = HERE.parent.parent / "tools" / "generate-commands"


@pytest.fixture
def tool(tmp_path):
    """The generator, with folders of its own: commands/ (a copy), docs/, README.md."""
    loader = importlib.machinery.SourceFileLoader("generate_commands", str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("generate_commands", loader))
    loader.exec_module(module)
    module.ROOT = tmp_path
    module.SPECS = tmp_path / "commands"
    module.SPECS.mkdir()
    (tmp_path / "docs").mkdir()
    for path in (HERE / "commands").glob("*.json"):
        (module.SPECS / path.name).write_text(path.read_text())
    (tmp_path / "README.md").write_text("before\n<!-- commands:begin -->\nold\n<!-- commands:end -->\nafter\n")
    return module


def test_the_table(tool, tmp_path):
    assert tool.main(["table", str(tmp_path)]) == 0
    assert (tmp_path / "command_table.c").read_text() == (HERE / "commands" / "expected.c").read_text()
    header = (tmp_path / "command_table.h").read_text()
    assert "command_handler test_open;\ncommand_handler test_store;\n" in header


def test_the_documents(tool, tmp_path, capsys):
    assert tool.main(["check"]) == 1
    assert "docs/commands.md is stale" in capsys.readouterr().err
    assert tool.main(["docs"]) == 0
    assert tool.main(["check"]) == 0
    assert (tmp_path / "docs/commands.md").read_text() == (HERE / "commands" / "expected.md").read_text()
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n<!-- commands:begin -->\n") and readme.endswith("<!-- commands:end -->\nafter\n")
    assert "| [`BOX OPEN`](docs/commands.md#box-open) | Opens a box. |" in readme
    (tmp_path / "README.md").write_text(readme.replace("Opens", "Breaks"))
    assert tool.main(["check"]) == 1


@pytest.mark.parametrize("change, complaint", [
    ({"group": "none"}, "group none"),
    ({"command_flags": ["QUICK"]}, "flag QUICK"),
    ({"role": "king"}, "role king"),
    ({"container": "NOPE"}, "expected the file name NOPE-STORE.json"),
    ({"colour": "red"}, "expected"),
    ({"arguments": [{"name": "x", "type": "float"}]}, "expected a name, and a type"),
    ({"arguments": [{"name": "x", "type": "block"}]}, "oneof and block have arguments"),
    ({"arguments": [{"name": "x", "type": "pure-token"}]}, "has a token"),
])
def test_a_bad_specification_is_refused(tool, tmp_path, capsys, change, complaint):
    path = tool.SPECS / "STORE.json"
    spec = json.loads(path.read_text())
    spec["STORE"].update(change)
    path.write_text(json.dumps(spec))
    assert tool.main(["table", str(tmp_path)]) == 1
    assert complaint in capsys.readouterr().err
