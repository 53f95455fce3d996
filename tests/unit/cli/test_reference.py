"""Reference data, and the samples that must agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lms_bridge.devtools.demo.samples import read_samples
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Level, Modality, RegistrationType
from lms_bridge.network.memberships import area_warnings
from lms_bridge.reference import read_reference, reference


def test_the_configuration_files_are_read() -> None:
    known = reference()
    assert len(known.regions) == 6
    assert known.cycles["2015-2018"].most_per_centre == 2
    assert known.cycles["2015-2018"].complete
    assert not known.cycles["2019-2022"].complete
    assert set(known.modalities) == set(Modality)
    assert set(known.levels) == set(Level)
    assert set(known.registration_types) == set(RegistrationType)


def test_every_problem_is_reported(tmp_path: Path) -> None:
    (tmp_path / "regions.toml").write_text("[regions\n", encoding="utf-8")
    (tmp_path / "catalogue.toml").write_text('levels = "none"\n', encoding="utf-8")
    with pytest.raises(SettingsInvalid) as caught:
        read_reference(tmp_path)
    reported = "\n".join(caught.value.problems)
    assert "regions.toml is not TOML" in reported
    assert "priority_areas.toml cannot be read" in reported
    assert "catalogue.toml has no part [modalities]" in reported
    assert "catalogue.toml: levels is not a part" in reported


def test_samples_cover_all_regions_and_languages_and_are_marked() -> None:
    samples = read_samples()
    assert len(samples) == 7
    assert {each.centre.region for each in samples} == set(reference().regions)
    languages = {language for each in samples for language in each.centre.languages}
    assert languages == {"ar", "en", "es", "fr", "ru", "zh"}
    for each in samples:
        assert "sample" in each.centre.name
        assert each.centre.sample
        cycle = reference().cycles[each.membership.cycle]
        assert list(area_warnings(cycle, each.membership.priority_areas)) == []
        assert cycle.ends_on is None
        for course in each.courses:
            assert bool(course.words["price"]) == bool(course.words["currency"]), course.code
        assert all(learner.email.endswith("@example.org") for learner in each.learners)


def test_samples_are_the_same_every_time() -> None:
    first, second = read_samples(), read_samples()
    assert [each.places for each in first] == [each.places for each in second]
