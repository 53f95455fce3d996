"""The documentation names every option, function and course field of the connector."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from lms_bridge.connectors.moodle.options import ACADEMY, CENTRE
from lms_bridge.connectors.moodle.permission_checks import (
    ACADEMY_FUNCTIONS,
    ACADEMY_OPTIONAL,
    CENTRE_FUNCTIONS,
    CENTRE_OPTIONAL,
)
from lms_bridge.devtools.moodle.facts import ENROLMENT_CAPABILITIES
from lms_bridge.domain.document import ITU_FIELDS

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "moodle.md").read_text(encoding="utf-8")
NAMES = [
    *(option.name for option in (*CENTRE, *ACADEMY)),
    *CENTRE_FUNCTIONS,
    *CENTRE_OPTIONAL,
    *ACADEMY_FUNCTIONS,
    *ACADEMY_OPTIONAL,
    *ITU_FIELDS,
    *ITU_FIELDS.values(),
]


def test_the_preset_of_the_role_allows_what_the_page_lists() -> None:
    role = ElementTree.parse(DOCS / "moodle-role.xml").getroot()
    allowed = [each.text for each in role.iterfind("permissions/allow")]
    table = TEXT.partition("## 3. Give it a role")[2].partition("For the effects in bold")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert allowed == [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    # The recorded site showed first and last names to everybody.
    assert {*ENROLMENT_CAPABILITIES, "moodle/site:viewfullnames"} == set(allowed)
    # The order of the parts is that of Moodle's schema, which refuses any other.
    assert [each.tag for each in role] == [
        "shortname", "name", "description", "archetype", "contextlevels", "allowassign",
        "allowoverride", "allowswitch", "permissions",
    ]  # fmt: skip
    assert [each.text for each in role.iterfind("allowassign/shortname")] == ["student"]


def test_the_script_of_the_set_up_gives_the_service_every_function() -> None:
    script = (DOCS / "moodle-setup.php").read_text(encoding="utf-8")
    listed = script.partition("const FUNCTIONS = [")[2].partition("];")[0]
    assert re.findall(r"'(\w+)'", listed) == [*CENTRE_FUNCTIONS, *CENTRE_OPTIONAL]


def test_every_option_function_and_field_is_documented() -> None:
    assert [name for name in NAMES if f"`{name}`" not in TEXT] == []
