"""The colours of the style sheet, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lms_bridge.web

STYLE = (Path(lms_bridge.web.__file__).parent / "static" / "style.css").read_text("utf-8")
PAPERS = ("paper", "pale", "good-paper", "warn-paper", "bad-paper", "blue-pale")
TEXTS = ("ink", "soft", "blue", "green", "red", "amber")


def palettes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    found = [dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6});", each)) for each in (light, dark)]
    return {"light": found[0], "dark": {**found[0], **found[1]}}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    whole = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
    parts = [int(whole[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_texts_and_borders_stand_out_from_each_surface(mode: str) -> None:
    colours = palettes()[mode]
    for paper in PAPERS:
        for text in TEXTS:
            assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
        for border in ("field", "focus"):
            assert contrast(colours[border], colours[paper]) >= 3, (border, paper)
    for surface in ("blue", "blue-deep"):
        assert contrast(colours["on-blue"], colours[surface]) >= 4.5, surface


def test_no_rule_has_a_colour_that_is_not_a_variable() -> None:
    rules = re.sub(r"--[a-z-]+: #[0-9a-f]+;", "", STYLE)
    assert re.findall(r"#[0-9a-f]{3,6}\b", rules) == []
