"""Names and texts in several languages: one language is shown, and never any marks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.courses import offering_of
from lms_bridge.connectors.moodle.multilang import in_language, languages_of
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.document import ITU_FIELDS
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema
from tests.integration.moodle.records import records
from tests.integration.moodle.replay import MORE

Open = Callable[..., MoodleCentre]
EN, FR = "Broadband policy", "Politique du haut débit"


def span(language: str, text: str) -> str:
    return f'<span lang="{language}" class="multilang">{text}</span>'


@pytest.mark.parametrize(("languages", "title"), [((), EN), (("fr",), FR), (("ar", "en"), EN)])
def test_recorded_spans_become_one_language(languages: tuple[str, ...], title: str) -> None:
    spans, mlang = MORE["multilang_names_raw"]["response"]["courses"]
    fields = offering_of(spans, ITU_FIELDS, "", languages).fields
    assert fields["title"] == title
    assert fields["description"] == f"<p>{title}</p>"
    other = offering_of(mlang, ITU_FIELDS, "", languages).fields
    assert other["title"] == ("Spectre" if languages == ("fr",) else "Spectrum")


@pytest.mark.parametrize(
    ("text", "languages", "shown"),
    [
        ("Plain <b>text</b>", ("fr",), "Plain <b>text</b>"),
        (f"A {span('en', 'x')}{span('fr', 'y')} B", ("fr",), "A y B"),
        (f"{span('en', 'x')} {span('fr', 'y')} B", ("fr",), "y B"),
        (f"{span('en', 'x')}{span('fr', 'y')}: {span('en', 'z')}{span('ru', 'w')}", ("fr",),
         "y: z"),
        (f"{span('en', 'a <span>b</span> c')}{span('fr', 'd')}", ("en",), "a <span>b</span> c"),
        ('<span lang="en" class="multilang">open', ("fr",), "open"),
        (f"{span('es', 'uno')}{span('fr', 'un')}", ("ru",), "uno"),
        (f"{span('en', 'only')}", ("fr",), "only"),
        ("<span class='multilang' lang='en'>a</span><span class='multilang' lang='fr'>b</span>",
         ("fr",), "b"),
        ('<lang lang="en">a</lang><lang lang="fr">b</lang>', ("fr",), "b"),
        ("{mlang en}a{mlang}{mlang fr}b{mlang}", ("fr",), "b"),
        ("{mlang en}a{mlang} - {mlang fr}b{mlang}", ("ru",), "a - "),
        ("{mlang en,fr}a{mlang}{mlang other}b{mlang}", ("fr",), "a"),
        ("{mlang en}a{mlang}{mlang other}b{mlang}", ("fr",), "b"),
        ("{mlang pt_br}a{mlang}{mlang en}b{mlang}", ("pt-BR",), "a"),
        ("{mlang fr_ca}a{mlang}{mlang en}b{mlang}", ("fr",), "a"),
        ("{mlang en}a", ("fr",), "a"),
        ("{MLANG EN}a{MLANG}{mlang FR}b{mlang}", ("fr",), "b"),
        (f"{span('en', '{mlang en}a{mlang}{mlang fr}b{mlang}')}", ("fr",), "b"),
        (f"<p>{span('en', 'a')}</p><p>{span('fr', 'b')}</p>", ("fr",), "<p></p><p>b</p>"),
    ],
)  # fmt: skip
def test_one_language_is_left_of_every_form(
    text: str, languages: tuple[str, ...], shown: str
) -> None:
    assert in_language(text, languages) == shown


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("Plain <b>text</b>", {}),
        (span("en", "only"), {}),
        (f"<p>{span('en', 'x')}{span('fr', 'y')} B</p>", {"en": "<p>x B</p>", "fr": "<p>y B</p>"}),
        ("{mlang en,fr}a{mlang}{mlang zh_cn}b{mlang}", {"en": "a", "fr": "a", "zh-cn": "b"}),
        ("{mlang en}a{mlang}{mlang fr}b{mlang}{mlang other}c{mlang}", {"en": "a", "fr": "b"}),
        # The span has English for everybody, and the blocks in it have both.
        (span("en", "{mlang en}a{mlang}{mlang fr}b{mlang}"), {"en": "a", "fr": "b"}),
        (span("en", "{mlang en}a{mlang}{mlang other}c{mlang}") + span("fr", "b"),
         {"en": "a", "fr": "b"}),
        ("{mlang en}" + span("en", "a") + span("es", "b") + "{mlang}{mlang fr}c{mlang}",
         {"en": "a", "fr": "c"}),
        # Half of it is in English and Spanish only, so it is not a French text.
        (f"{span('en', 'x')}{span('fr', 'y')}: {span('en', 'z')}{span('es', 'w')}", {}),
        # A slip of the hand makes no language.
        ("{mlang eng}a{mlang}{mlang en}b{mlang}{mlang fr}c{mlang}", {"en": "b", "fr": "c"}),
    ],
)  # fmt: skip
def test_a_text_has_each_language_that_all_of_it_has(text: str, texts: dict[str, str]) -> None:
    assert languages_of(text) == texts


def test_an_offering_has_its_texts_in_every_language_of_one_answer(
    site: MoodleState, centre_of: Open
) -> None:
    site.catalogue.change(
        2,
        fullname=span("en", EN) + span("fr", FR),
        summary="<p>{mlang en}Why{mlang}{mlang fr}Pourquoi{mlang}{mlang ar}لماذا{mlang}</p>",
        customfields={"itu_objectives": "To know"},
    )
    raw = records(centre_of(languages=("fr",)).read_offerings())
    fields = load(OfferingSchema(), raw["2"])
    assert (fields["title"], fields["description"]) == (FR, "<p>Pourquoi</p>")
    assert fields["translations"] == {
        "en": {"title": EN, "description": "<p>Why</p>"},
        "fr": {"title": FR, "description": "<p>Pourquoi</p>"},
        "ar": {"description": "<p>لماذا</p>"},
    }
    assert "translations" not in raw["3"]


def test_choices_are_read_in_english_and_texts_in_the_centres_language(
    site: MoodleState, centre_of: Open
) -> None:
    course = site.catalogue.get(2)
    assert course is not None
    course.fullname = span("en", "Course") + span("fr", "Cours")
    field = site.catalogue.custom_fields["itu_modality"]
    both = span("fr", "Présentiel") + span("en", "Face-to-face")
    site.catalogue.define_field(type(field)(field.shortname, field.name, field.type, ("-", both)))
    course.customfields["itu_objectives"] = "{mlang en}Know{mlang}{mlang fr}Savoir{mlang}"
    fields = records(centre_of(languages=("fr",)).read_offerings())["2"]
    assert (fields["title"], fields["objectives"]) == ("Cours", "Savoir")
    assert fields["modality"] == "Face-to-face"


@pytest.mark.parametrize(
    "piece", ['<span lang="en" class="multilang">a', "{mlang en}a", "{mlang ", "<span multilang "]
)
def test_a_hostile_text_takes_no_time(piece: str) -> None:
    """The time grows with the text, not with its square, or the test would take minutes."""
    assert in_language(piece * 20_000, ("fr",))
    assert languages_of(piece * 20_000) == {}
