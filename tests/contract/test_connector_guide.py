"""docs/connectors.md: its connector works as printed and keeps the contract."""

import re
import sys
from pathlib import Path
from types import ModuleType

from lms_bridge.testing.contract import PORTS, methods

GUIDE = Path(__file__).parents[2] / "docs" / "connectors.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"^```python {name}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, name
    return found[1]


def run(name: str, as_module: str) -> ModuleType:
    """Runs a block of the guide as a module of that name."""
    module = ModuleType(as_module)
    sys.modules[as_module] = module
    exec(compile(block(name), f"{GUIDE.name} ({name})", "exec"), vars(module))
    return module


run("connector", "json_schedule")
# Collected from here, as if it stood in this file: the contract, on the guide's connector.
TestSchedule = run("tests", "json_schedule_tests").TestSchedule


def test_the_connector_fits_on_a_page() -> None:
    lines = [line for line in block("connector").splitlines() if line.strip()]
    assert len(lines) <= 45


def test_the_table_of_ports_is_complete() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, re.MULTILINE)
    reported = {name: set(re.findall(r"`(\w+)\(", cell)) for name, cell in rows}
    assert reported == {port.__name__: set(methods(port)) for port in PORTS}
