"""Sentences that the code writes with values in them, in the reader's language."""

from __future__ import annotations

import errno
import re

import pytest
from flask.testing import FlaskClient

from lms_bridge.console.summary import WAITS
from lms_bridge.domain.system_errors import system_reason
from lms_bridge.web.languages import said, set_language, translated
from lms_bridge.web.sentences import PartKind, parts
from tests.sentences import OTHERS, missing, of_room, translations

ROOMS = (
    *("web", "store", "bridge.py", "admin", "network", "lti", "accounts", "webhooks", "learner"),
    *("centre_desk", "review", "catalogue", "api", "domain", "http", "intake", "schemas", "sync"),
    *("jobs", "connectors/academy_http", "connectors/embedded", "connectors/files"),
    *("connectors/lti", "connectors/moodle"),
)
"""Folders of ``lms_bridge/``, and of the connectors."""
ONLY_ELSEWHERE = frozenset(
    {
        "An operator's name has 1 to {longest_name} characters that can be printed.",
        "Name the operator with --name.",
        "a session needs an account or a learner",
        "lms-bridge person match {academy_id} --centre {code} (--account ID | --create)",
        "lms-bridge lti refused NUMBER",
        "a resource link request has a resource",
        "Moodle: Publish as LTI tool, Tool registration",
        "Tool URL, Redirection URI",
        "JWKS URL, Public keyset URL",
        "Deep linking URL",
        "the number does not fit an identifier",
        "Three days, with a visit to the monitoring station.",
        "view=mine needs a token with the scope {read_offerings}.",
        "not among the areas of {name}{whole}: {strange}",
        "the head of the response has no end",
        "nested too deep",
        "Field may not be null.",
        "Invalid input type.",
        "Missing data for required field.",
        "Not a valid list.",
        "Not a valid string.",
        "The bridge keeps {these}. It asks again only after a return.",
        "The next run empties {these}.",
        "The next run ends {these}.",
        "The next run sends what the bridge holds of {these} again.",
        "{system} keeps its values of {these} until the source changes.",
    }
)
"""Sentences that only a command, the log or a developer sees."""


@pytest.mark.parametrize("room", ROOMS)
def test_every_sentence_that_a_page_can_show_is_translated(room: str) -> None:
    room = room if room.startswith("connectors/") else f"lms_bridge/{room}"
    unknown = {each.text: each.place for each in missing(room)}
    assert {text: at for text, at in unknown.items() if text not in ONLY_ELSEWHERE} == {}
    assert [each for each in of_room(room) if each.has_english_values] == []


OTHER_WORDS = {
    "ar": "مقرر|وصلة|تدفق|كتالوج|متدر|فشل|نموذج|\u0627\u064b",
    "es": "profesor|puntuaci|Suspensi",
    "fr": "\\b[Oo]ffres\\b|l’offre|[Cc]ontrôler|Le contrôle|système d’apprent|\\w'\\w| [;?!»]|« ",
    "ru": "систем[аеуы] обучения|[Шш]люз|\\b[Уу]чащ|\\bеще\\b|учетн|отчет",
    "zh": "运营|桥接系统|数据流|教员|课程安排|[\u4e00-\u9fff][,;:!?]",
}
"""Words that docs/terms.md replaces by others, and marks that a language does not use."""


@pytest.mark.parametrize("language", OTHERS)
def test_to_sign_out_and_to_withdraw_from_a_course_have_two_words(language: str) -> None:
    found = translations(language)
    assert found["Sign out"] != found["Withdraw"]
    assert found["signed out"] != found["withdrawn"]


@pytest.mark.parametrize("language", OTHERS)
def test_a_term_has_one_word_in_a_language(language: str) -> None:
    strange = re.compile(OTHER_WORDS[language])
    found = translations(language).items()
    assert {text: each for text, each in found if strange.search(each)} == {}


@pytest.mark.parametrize("language", OTHERS)
def test_each_kind_of_wait_is_translated(language: str) -> None:
    assert [each for each in WAITS if each not in translations(language)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_usual_errors_of_the_operating_system_are_translated(language: str) -> None:
    reasons = {system_reason(OSError(number, "")) for number in errno.errorcode}
    assert len(reasons) > 10
    assert [each for each in reasons if each not in translations(language)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_values_of_the_sentence(language: str) -> None:
    for text, translation in translations(language).items():
        names = re.findall(r"{([a-z][a-z0-9_]*)}", text)
        assert set(re.findall(r"{([a-z][a-z0-9_]*)}", translation)) == set(names), text
        assert not re.search(r"}{", text), text


def shown(text: str, language: str = "fr") -> str:
    """The parts of a text: values in [], English in <>."""
    marks = {PartKind.TEXT: "%s", PartKind.VALUE: "[%s]", PartKind.ENGLISH: "<%s>"}
    return "".join(marks[each.kind] % each.text for each in parts(text, language))


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("There is no connection 7.", "Il n’y a pas de connexion [7]."),
        ("There is no connection 7", ""),
        (
            "There is no connection 7. There is no connection 8.",
            "Il n’y a pas de connexion [7]. Il n’y a pas de connexion [8].",
        ),
        ("There is no connection .", ""),
        ('There is no centre "A. B\'s".', "Il n’y a pas de centre «\xa0[A. B's]\xa0»."),
        ("The status of the place is enrolled.", "Le statut de la place est\xa0: admis."),
        ("The status of the place is strange.", "Le statut de la place est\xa0: <strange>."),
        (
            "A launch opens it now. None came yet.",
            "Un lancement l’ouvre maintenant. Il n’y en a pas encore eu.",
        ),
        # a field, and what is wrong with it
        (
            'ends_at is "3 Jan", which is not a date; and 3 more.',
            "[ends_at]\xa0: «\xa0[3 Jan]\xa0» n’est pas une date\xa0; et d’autres\xa0: [3].",
        ),
        ("the engine is broken.", ""),
        ("Row 7 hours is not a number.", "Ligne [7]\xa0: [hours]\xa0: n’est pas un nombre."),
        ("scoreMaximum is not above zero.", "[scoreMaximum]\xa0: n’est pas supérieur à zéro."),
        ("The login has no login_hint.", "La connexion n’a pas de [login_hint]."),
        # a subject of the code
        (
            "offerings sent: lms: no answer in time.",
            "sessions envoyées\xa0: [lms]\xa0: pas de réponse à temps.",
        ),
        # what others wrote around it
        (
            "row 3: There is no connection 7. Try again later.",
            "[row 3]\xa0: Il n’y a pas de connexion [7]. Réessayez plus tard.",
        ),
        ("Their account is not certain (odd).", "Leur compte n’est pas certain ([odd])."),
        ("Their account is not certain (odd)", "Leur compte n’est pas certain ([odd])"),
        (
            "The database failed. Nobody knows this one. Try again later.",
            "La base de données a échoué. <Nobody knows this one.> Réessayez plus tard.",
        ),
        ("Nobody knows this one.", ""),
        ("hours it gives no reason", "[hours]\xa0: elle ne donne pas de raison"),
        (
            "hours it gives no reason; it is odd; Try again later.",
            "[hours]\xa0: elle ne donne pas de raison\xa0; <it is odd>\xa0; Réessayez plus tard.",
        ),
        (
            "offerings: 6 changed, 2 refused; results: 1 changed",
            "sessions\xa0: modifié (6), refusé (2)\xa0; résultats\xa0: modifié (1)",
        ),
    ],
)
def test_a_sentence_is_known_by_its_words(text: str, french: str) -> None:
    assert shown(text) == french


@pytest.mark.parametrize(
    "text",
    [
        "There is no connection " + "7" * 100_000 + ".",
        "is " * 330,
        "X. " * 330,
        "a; " * 330,
        "a: " * 330,
        "a (b) " * 160 + "(c)",
        "Plan 1 is " * 95 + "7.",
        "6 " * 490,
        "a, " * 330,
        "a. B; c: d (e) f, g. " * 45,
    ],
    ids=range(10),
)
def test_a_long_text_without_an_end_stays_english(text: str) -> None:
    assert all(each.kind is not PartKind.TEXT or len(each.text) < 40 for each in parts(text, "fr"))


def test_a_capability_in_a_sentence_is_a_value() -> None:
    found = parts("gradereport/user:view and moodle/grade:viewall", "fr")
    assert [(each.text, each.kind) for each in found] == [
        ("gradereport/user:view", PartKind.VALUE),
        (" et ", PartKind.TEXT),
        ("moodle/grade:viewall", PartKind.VALUE),
    ]


@pytest.mark.parametrize("language", OTHERS)
def test_no_value_becomes_html(empty: FlaskClient, language: str) -> None:
    with empty.application.test_request_context("/"):
        set_language(language)
        value = '<script>alert("1")</script>{number}%(x)s&amp;'
        page = said(f'There is no centre "{value}".')
        assert "<script" not in page
        assert page.count("<bdi>") == 1
        assert "&lt;script&gt;" in page
        assert "{number}%(x)s&amp;amp;" in page
        assert said("<b> is not known") == '<span lang="en" dir="ltr">&lt;b&gt; is not known</span>'
        plain = translated("There is no connection <7>.")
        assert "\N{FIRST STRONG ISOLATE}<7>\N{POP DIRECTIONAL ISOLATE}" in plain
