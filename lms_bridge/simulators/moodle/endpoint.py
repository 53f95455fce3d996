"""``webservice/rest/server.php`` of one site: a form in, a reply out, faults and pace included."""

from dataclasses import dataclass
from typing import Any

from .dispatch import perform, sign_in
from .errors import MoodleError
from .faults import SPOILS_ANSWER, Fault
from .site.state import MoodleState
from .wire import pages
from .wire.forms import Pairs, nest
from .wire.rendering import (
    JSON_TYPE,
    XML_TYPE,
    answer_as_xml,
    as_json,
    error_as_xml,
)
from .wire.reply import Reply, instead, spoiled

TRUE = ("1", "true", "on", "yes")
#: Parameters of the protocol itself; the rest belong to the function.
PROTOCOL = ("wstoken", "wsfunction", "moodlewsrestformat", "moodlewssettingraw")
PROTOCOL_PREFIX = "moodlewssetting"


@dataclass(frozen=True, slots=True)
class Question:
    """A form, read: the protocol's parameters and the function's ``fields``."""

    function: str
    token: str
    json: bool
    raw: bool
    fields: dict[str, Any]


def read_question(pairs: Pairs) -> Question:
    """Tell the protocol's parameters from the function's."""
    fields = nest(pairs)
    protocol = {name: fields.pop(name, "") for name in PROTOCOL}
    for name in [name for name in fields if name.startswith(PROTOCOL_PREFIX)]:
        del fields[name]
    text = {name: value if isinstance(value, str) else "" for name, value in protocol.items()}
    return Question(
        text["wsfunction"],
        text["wstoken"],
        text["moodlewsrestformat"] == "json",
        text["moodlewssettingraw"] in TRUE,
        fields,
    )


def answer(site: MoodleState, pairs: Pairs) -> Reply:
    """The reply to one request. Counts it, and takes as long as the site's pace says."""
    # PHP drops variables beyond max_input_vars without a word to the caller.
    kept = pairs if site.max_input_vars is None else pairs[: site.max_input_vars]
    question = read_question(kept)
    _record(site, question.function, pairs)
    closed = _closed(site)
    if closed is not None:
        return closed
    fault = site.faults.take(question.function)
    if fault is None:
        return _worked(site, question)
    if fault.kind in SPOILS_ANSWER:
        return spoiled(fault, _worked(site, question))
    return _replaced(site, question, fault)


def _record(site: MoodleState, function: str, pairs: Pairs) -> None:
    with site.lock:
        site.calls[function] += 1
        if site.log is not None:
            # Neither tokens nor passwords are kept.
            kept = [(k, v) for k, v in pairs if k != "wstoken" and not k.endswith("[password]")]
            site.log.append((function, kept))


def _closed(site: MoodleState) -> Reply | None:
    if not (site.web_services and site.rest_protocol):
        return Reply(403, b"", pages.HTML_TYPE)
    if site.maintenance:
        return Reply(503, pages.maintenance(site.name), pages.HTML_TYPE)
    return None


def _replaced(site: MoodleState, question: Question, fault: Fault) -> Reply:
    if fault.after_work:
        _worked(site, question)
    return instead(fault, site.name, site.wwwroot)


def _worked(site: MoodleState, question: Question) -> Reply:
    rows = 0
    try:
        call = sign_in(site, question.token, question.raw)
        done = perform(call, question.function, question.fields)
        rows = done.rows
        body = as_json(done.answer) if question.json else answer_as_xml(done.answer)
    except MoodleError as error:
        body = as_json(error.body()) if question.json else error_as_xml(error)
    site.pace.hold(question.function, rows)
    return Reply(200, body, JSON_TYPE if question.json else XML_TYPE)
