"""Schedules that are too much: what each costs is bounded before it is read."""

from __future__ import annotations

import json
import re
import threading
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace

import pytest

from lms_bridge.bridge import WaitingSlots
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import Difference
from lms_bridge.domain.errors import Overloaded, RecordRefused, Refused
from lms_bridge.domain.model import Kind
from lms_bridge.intake import ical, places
from lms_bridge.intake.apply import scan
from lms_bridge.intake.formats import Body
from lms_bridge.intake.imports import rows_of
from lms_bridge.intake.places import PushPlace, WorkDeadline, push_place
from lms_bridge.intake.push import Push
from lms_bridge.intake.report import PushReport, RowOutcome, RowReport
from lms_bridge.intake.rows import PushedOfferingSchema
from lms_bridge.schemas.load import MOST_PROBLEMS, load
from lms_bridge.store import leases
from lms_bridge.store.database import Database
from lms_bridge.web.environ import CLIENT_LEFT
from tests.integration.api.world import World
from tests.integration.schedule.pushing import CSV, ICS, JSON, Centre, outcomes, row

MILLION = 1_000_000
PATIENCE = 120.0
HEADER = b"id,title\n"


def calendar(inner: bytes) -> bytes:
    return b"BEGIN:VCALENDAR\nVERSION:2.0\n%bEND:VCALENDAR\n" % inner


def event(inner: bytes) -> bytes:
    return calendar(b"BEGIN:VEVENT\nUID:a\nSUMMARY:x\n%bEND:VEVENT\n" % inner)


TOO_MUCH: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "one row of many numbers": (
        JSON,
        lambda: b'[{"id":"a","x":[%b0]}]' % (b"0," * MILLION),
        "large",
    ),
    "one long text": (JSON, lambda: b'[{"id":"a","title":"%b"}]' % (b"x" * 2 * MILLION), "large"),
    "many empty objects": (JSON, lambda: b"[%b{}]" % (b"{}," * MILLION), "rows"),
    "many keys": (
        JSON,
        lambda: b"[{%b}]" % b",".join(b'"key%d":0' % key for key in range(MILLION // 5)),
        "large",
    ),
    "many meetings": (
        JSON,
        lambda: json.dumps([row(number, meetings=[{}] * 1500) for number in range(60)]).encode(),
        "large",
    ),
    "one line of commas": (CSV, lambda: HEADER + b"," * 2 * MILLION, "large"),
    "an open quotation mark": (CSV, lambda: HEADER + b'a,"' + b"x,\n" * (MILLION // 10), "rows"),
    "many quoted cells in one row": (CSV, lambda: HEADER + b'"\n",' * MILLION, "large"),
    "empty rows": (CSV, lambda: HEADER + b"\n" * 30_000, "large"),
    "a header of many columns": (CSV, lambda: b"id," * 1000 + b"\n", "unreadable"),
    "one folded line": (ICS, lambda: event(b"DESCRIPTION:%b\n" % (b"x\n " * MILLION)), "large"),
    "one long line": (ICS, lambda: event(b"DESCRIPTION:%b\n" % (b"x" * 3 * MILLION)), "large"),
    "empty lines": (ICS, lambda: calendar(b"\n" * 30_000), "large"),
    "parts inside parts": (ICS, lambda: calendar(b"BEGIN:X\n" * 1000), "unreadable"),
    "many fields that no offering has": (
        JSON,
        lambda: json.dumps(
            [{"id": f"r{n}", **{f"field{n}_{m}": 1 for m in range(49)}} for n in range(500)]
        ).encode(),
        "large",
    ),
    "meetings of unknown fields": (
        JSON,
        lambda: json.dumps(
            [row(n, meetings=[{f"x{n}{m}": 1} for m in range(40)]) for n in range(600)]
        ).encode(),
        "large",
    ),
    "many categories": (ICS, lambda: event(b"CATEGORIES:%b\n" % (b"a," * 300_000)), "large"),
    "a calendar of long events": (
        ICS,
        lambda: calendar(b"BEGIN:VEVENT\nDESCRIPTION:%b\nEND:VEVENT\n" % (b"x" * 900_000) * 40),
        "large",
    ),
    "one event of many lines": (ICS, lambda: event(b"RDATE:20260101\n" * 20_000), "large"),
}
OFFERING = {"title": "x", "starts_at": "2027-03-01", "ends_at": "2027-03-02"}
CODES = {"large": "too-large", "rows": "too-many-rows", "unreadable": "file-unreadable"}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_a_schedule_that_is_too_much_needs_little_memory(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms_bridge.schemas.csv.reader.MOST_EMPTY", 20_000)
    monkeypatch.setattr("lms_bridge.intake.ical.MOST_LINES", 20_000)
    monkeypatch.setattr("lms_bridge.intake.formats.MOST_VALUES", 400_000)
    monkeypatch.setattr("lms_bridge.intake.ical.MOST_CATEGORIES", 200_000)
    media, make, refusal = TOO_MUCH[case]
    octets = make()
    code = ""
    tracemalloc.start()
    try:
        scan(Body(octets, media, "UTC"))
    except Refused as error:
        code = error.code
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert code == CODES.get(refusal, "")
    assert most < 32_000_000


def test_a_row_of_many_unknown_fields_is_refused_in_one_sentence(world: World) -> None:
    many = {f"field{number}": 1 for number in range(25_000)}
    answer = Centre(world).put([row(1, **many), row(2)])
    first, second = answer.get_json()["rows"]
    assert (first["outcome"], second["outcome"]) == ("refused", "created")
    assert [each["code"] for each in first["problems"]] == ["too-many"]
    assert len(answer.get_data()) < 10_000


def test_at_most_twenty_problems_of_a_row_are_listed_and_the_others_counted() -> None:
    schema = PushedOfferingSchema()
    for more, last in ((150, "and 131 more"), (20, "and 1 more"), (19, "")):
        fields = {f"titl{number}": 1 for number in range(more)}
        with pytest.raises(RecordRefused) as refused:
            load(schema, fields)
        *listed, final = refused.value.problems
        assert len(listed) == (MOST_PROBLEMS if last else MOST_PROBLEMS - 1)
        assert (final.message == last) == bool(last)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("\u0301\u0316" * 40_000, "accents in a row"),
        ("<div>" * 20_000, "more than 2,500 tags"),
        ("<div>" * 2_000, "tags inside each other"),
        ("<b><div></b>" * 800, "tags inside each other"),
        ("<a " + "x " * 20_000 + ">", "attributes"),
        ('<a x"' + "y " * 20_000 + '">', "attributes"),
        ("x" * 100_001, "longer than"),
    ],
)
def test_a_text_that_would_take_long_to_clean_is_refused(text: str, reported: str) -> None:
    with pytest.raises(RecordRefused, match=reported):
        load(PushedOfferingSchema(), {"title": "x", "description": text})


def test_a_long_text_as_editors_write_it_is_read() -> None:
    picture = f'<img alt="{"a b " * 300}" src="data:image/png;base64,{"A/B+" * 9_000}">'
    for text in (
        "<p>A paragraph<br>with a <b>word</b>\n" * 500,
        "<ul>" + "<li><span style='x: y'>Point</span>" * 400 + "</ul>",
        "<table>" + "<tr><td>1<td>2" * 500 + "</table>",
        picture,
    ):
        assert load(PushedOfferingSchema(), OFFERING | {"description": text})["description"]


def test_a_number_at_the_edge_of_what_is_decoded_first_is_read_whole() -> None:
    for shift in range(30):
        rows = b'["%b",{"id":12345678901234567890,"title":"x"}]' % (b"x" * (16_350 + shift))
        (_, second) = Body(rows, JSON, "UTC").rows()
        assert second.external_id == "12345678901234567890"
    long = '[{"id":"a","title":"%s"}]' % ("ä" * 70_000)
    (only,) = Body(long.encode(), JSON, "UTC").rows()
    assert only.fields["title"] == "ä" * 70_000


def test_a_broken_place_far_inside_a_row_is_named() -> None:
    rows = b'[{"id":"a",\n"title":"%b",\n"x":?}%b]' % ("ä".encode() * 40_000, b" " * MILLION)
    with pytest.raises(Refused, match="line 3, column 5, in row 1"):
        list(Body(rows, JSON, "UTC").rows())


BROKEN = b'\xef\xbb\xbf[{"id":"a",\n"title":"x"},\n{"id":"b"'
FILES = {
    "JSON": (JSON, b'{"offerings": [%b]}' % b",".join(b'{"id":"%d"}' % n for n in range(9))),
    "broken JSON": (JSON, BROKEN),
    "JSON that is no UTF-8": (JSON, b'[{"id":"a",\n"title":"\xe9"}]'),
    "CSV": (CSV, b"id,title\n" + b"".join(b'%d,"a\nb"\n' % n for n in range(5_000))),
    "a calendar": (ICS, event(b"DESCRIPTION:one\r\n  line\nSEQUENCE:2\n")),
    "an old calendar": (ICS, event(b"DESCRIPTION:one\n  line\n").replace(b"\n", b"\r")),
}


@pytest.mark.parametrize(("media", "octets"), FILES.values(), ids=FILES)
def test_a_body_on_disk_is_read_as_one_in_memory(media: str, octets: bytes) -> None:
    with TemporaryFile() as file:
        file.write(octets)
        file.flush()
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        found: list[object] = []
        for body in (octets, mapped):
            try:
                found.append(list(Body(body, media, "UTC").rows()))
            except Refused as error:
                found.append(str(error))
        assert found[0]
        assert found[0] == found[1]


REVISIONS = calendar(
    b"".join(
        b"BEGIN:VEVENT\nUID:long-\n id\nSEQUENCE:%d\nSUMMARY:Revision %d\r\r\n  of it\n\n"
        b"END:VEVENT\n" % (number, number)
        for number in (1, 3, 2)
    )
)


@pytest.mark.parametrize("octets", [REVISIONS, REVISIONS.replace(b"\n", b"\r"), b"\n\n", b"X"])
def test_a_calendar_is_searched_in_pieces_as_if_it_were_whole(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []
    for size in (1, 7, 1_000_000):
        monkeypatch.setattr(ical, "_PIECE", size)
        try:
            found.append(list(Body(octets, ICS, "UTC").rows()))
        except Refused as error:
            found.append(str(error))
    assert found[0]
    assert found == [found[0]] * 3


class Watched:
    """A pattern that notes how much each search may look at: it keeps Python's lock so long."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern, self.most = pattern, 0

    def finditer(self, octets: bytes, *span: int) -> Iterator[re.Match[bytes]]:
        start, end = span or (0, len(octets))
        self.most = max(self.most, end - start)
        return self._pattern.finditer(octets, *span)


@pytest.mark.parametrize("filling", [b"x" * 9, b"x\n " * 3, b"\r" * 9, b"x\n" * 5])
def test_no_search_of_a_calendar_keeps_others_from_working(
    filling: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns = [Watched(ical._LINE_END), Watched(ical._OF_REVISION)]
    monkeypatch.setattr(ical, "_LINE_END", patterns[0])
    monkeypatch.setattr(ical, "_OF_REVISION", patterns[1])
    octets = event(b"DESCRIPTION:%b\n" % (filling * MILLION))
    with suppress(Refused):
        list(Body(octets, ICS, "UTC").rows())
    assert all(each.most < 2_500_000 for each in patterns)


def test_a_large_answer_goes_on_without_details(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms_bridge.intake.report.MOST_BYTES", 1_000)
    report = PushReport("ONE", dry=True, whole=False, total=20)
    for number in range(1, 21):
        changes: Difference = {"title": (None, "x" * 200)}
        report.add(RowReport(number, f"S-{number}", RowOutcome.CREATED, changes=changes))
    rows = json.loads(bytes(report.rows) + b"]")
    assert [each["outcome"] for each in rows] == ["created"] * 20
    assert (bool(rows[0]["changes"]), rows[-1]["changes"]) == (True, [])
    (note,) = report.notes
    assert note.startswith("From row ")


def test_a_push_takes_a_place_and_others_wait(world: World) -> None:
    one, two = Centre(world), Centre(world, "TWO")
    with world.client.application.app_context(), push_place("ONE", "a", 1, 0.0):
        with pytest.raises(Overloaded) as reported, push_place("ONE", "b", 1, 0.0):
            pass
        assert (reported.value.code, reported.value.after) == ("push-waits", places.AFTER_SECONDS)
        assert two.put([row(1)]).status_code == 200
        # A token for many centres has one place, so another's push still finds one.
        with pytest.raises(Overloaded), push_place("THREE", "a", 1, 0.0):
            pass
    assert one.put([row(1)]).status_code == 200


def test_a_centre_pushes_at_once_while_eight_others_push_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for a turn of theirs, and for no end. None of its pushes is refused."""
    monkeypatch.setattr(places, "TURN_SECONDS", 0.0)
    ended, turns, begun = threading.Event(), Counter[str](), threading.Semaphore(0)

    def push_without_end(centre: str) -> None:
        watch = WorkDeadline(PATIENCE, lambda: False)
        with push_place(centre, centre, 1, 0.0) as place:
            begun.release()
            while not ended.is_set():
                turns[centre] += 1
                place.give_way(watch)

    hostile = [f"C{number}" for number in range(8)]
    with ThreadPoolExecutor(len(hostile)) as pool:
        pushed = [pool.submit(push_without_end, centre) for centre in hostile]
        try:
            for _ in hostile:
                assert begun.acquire(timeout=PATIENCE)
            for number in range(20):
                with push_place("HONEST", str(number), 1, 0.0):
                    pass
        finally:
            ended.set()
        for each in pushed:
            each.result()
    assert turns.keys() == set(hostile)


def test_the_centre_whose_pushes_took_least_lately_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(places, "time", SimpleNamespace(monotonic=lambda: now))
    one_at_once = places._Places()
    for centre, seconds in (("LARGE", 40.0), ("SMALL", 2.0)):  # the small one was the last
        place = PushPlace(centre, centre, 1)
        assert one_at_once.begin(place, 0.0)
        now += seconds
        one_at_once.end(place)
    large, small, new = (PushPlace(name, name, 1) for name in ("LARGE", "SMALL", "NEW"))
    one_at_once._waiting[:] = [large, small]
    assert [one_at_once._is_next(each) for each in (large, small)] == [False, True]
    one_at_once._waiting[:] = [large, small, new]
    assert one_at_once._is_next(new)


def test_small_and_large_pushes_have_a_place_each() -> None:
    """Neither kind waits for all pushes of the other one, however little those took lately."""
    sizes = {"small": 1, "large": places.MOST_SMALL + 1}
    for busy, other in (("small", "large"), ("large", "small")):
        two_at_once = places._Places()
        at_work = [PushPlace(f"{busy} {n}", f"{busy} {n}", sizes[busy]) for n in range(2)]
        for each in at_work:
            assert two_at_once.begin(each, 0.0)
        also, late = (PushPlace(kind, kind, sizes[kind]) for kind in (busy, other))
        two_at_once._worked[late.centre] = (1_000.0, time.monotonic())
        two_at_once._waiting[:] = [also, late]
        two_at_once.leave(at_work[0])
        assert [two_at_once._is_next(each) for each in (also, late)] == [False, True]
        two_at_once._waiting[:] = [also]
        two_at_once._at_work.append(late)
        two_at_once.take_turns(late)
        assert late in two_at_once._at_work  # it keeps the place of its kind


def test_a_push_that_waits_for_its_busy_centre_leaves_its_place(world: World) -> None:
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", utc_now(), 3600)
    one, app = Centre(world), world.client.application
    waits = threading.Event()

    def push() -> int:
        client = app.test_client()
        headers = {"Authorization": f"Bearer {one.token}"}
        path = "/api/v1/centres/ONE/schedule"
        waits.set()
        return client.patch(path, json=[row(1)], headers=headers).status_code

    with ThreadPoolExecutor(1) as pool, app.app_context():
        pushed = pool.submit(push)
        waits.wait(PATIENCE)
        with (
            push_place("TWO", "a", 1, PATIENCE),
            push_place("THREE", "b", 1, PATIENCE),
            world.bridge.database.writing() as tx,
        ):
            leases.give_back(tx, "run:ONE", "another machine|1|x")
        assert pushed.result() == 200


def test_a_centre_that_waits_leaves_room_for_others_to_wait() -> None:
    slots = WaitingSlots(6)
    with ExitStack() as taken:
        one = [taken.enter_context(slots.slot("ONE")) for _ in range(9)]
        assert one == [True] * 3 + [False] * 6
        others = [taken.enter_context(slots.slot(code)) for code in ("TWO", "TWO", "THREE")]
        assert others == [True, False, True]
    with slots.slot("ONE") as again:
        assert again


@pytest.mark.parametrize(
    ("rows", "is_large"),
    [
        ([row(number) for number in range(100)], False),
        ([row(number) for number in range(101)], True),
        ([row(number, meetings=[{}] * 1_500) for number in range(2)], True),
        ([row(number, description="x" * 100_000) for number in range(6)], True),
    ],
    ids=["100 rows", "more rows", "many values", "many bytes"],
)
def test_what_is_large_goes_in_parts_however_few_its_rows(
    rows: list[object], is_large: bool
) -> None:
    body = Body(json.dumps(rows).encode(), JSON, "UTC")
    assert Push(body, scan(body), whole=False).is_large == is_large


def test_a_push_ends_when_its_sender_is_gone(world: World) -> None:
    requested: list[int] = []

    def is_gone() -> bool:
        requested.append(1)
        return True

    one = Centre(world)
    clock = iter(range(0, 10_000_000, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: float(next(clock)))
        answer = world.client.put(
            "/api/v1/centres/ONE/schedule",
            json=[row(1)],
            headers={"Authorization": f"Bearer {one.token}"},
            environ_overrides={CLIENT_LEFT: is_gone},
        )
    assert (answer.status_code, answer.get_json()["code"]) == (503, "push-too-slow")
    assert "Retry-After" in answer.headers
    assert requested
    assert "Sample course 1" not in one.titles()


def test_a_push_that_takes_too_long_ends() -> None:
    watch = WorkDeadline(0.0, lambda: False)
    with pytest.raises(Overloaded, match="Nothing was changed"):
        deque(iter(watch.check, 0), maxlen=0)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rows are many, and a transaction has three."""
    monkeypatch.setattr("lms_bridge.intake.push.MOST_TOGETHER", 5)
    monkeypatch.setattr("lms_bridge.intake.push.AT_ONCE", 3)


@pytest.mark.usefixtures("small_parts")
def test_a_large_push_is_applied_in_parts_with_one_answer(world: World) -> None:
    one = Centre(world)
    rows = [row(number) for number in range(10)] + [row("bad", level="x")]
    trial = one.put(rows, query="?dry_run=true")
    assert {outcome for _, outcome in outcomes(trial)} == {"created", "refused"}
    assert "Sample course 1" not in one.titles()
    first = one.put(rows, headers={"Idempotency-Key": "k"})
    assert outcomes(first) == [(number, "created") for number in range(1, 11)] + [(11, "refused")]
    again = one.put(rows, headers={"Idempotency-Key": "k"})
    assert (again.get_data(), again.headers["ETag"]) == (first.get_data(), first.headers["ETag"])
    late = one.put(rows[1:], headers={"If-Match": '"older.json"'})
    assert (late.status_code, late.get_json()["code"]) == (412, "changed-meanwhile")
    ended = one.put(rows[:-2])
    assert [each["outcome"] for each in ended.get_json()["ended"]] == ["ended"]
    assert {outcome for _, outcome in outcomes(ended)} == {"unchanged"}


@pytest.mark.usefixtures("small_parts")
def test_a_large_push_that_breaks_off_says_what_is_applied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Centre(world)
    asked = iter(range(1000))

    def check(watch: WorkDeadline) -> None:
        if next(asked) == 10 + 7:  # the scan reads all ten rows first
            raise Overloaded("push-too-slow", "Too slow.", after=1)

    monkeypatch.setattr(WorkDeadline, "check", check)
    answer = one.put([row(number) for number in range(10)])
    assert (answer.status_code, answer.get_json()["code"]) == (503, "push-too-slow")
    assert "Rows that were read and applied: 6." in answer.get_json()["detail"]
    pushed = {f"Sample course {number}" for number in range(10)}
    assert len(pushed & one.titles().keys()) == 6
    monkeypatch.undo()
    again = one.put([row(number) for number in range(10)])
    assert [outcome for _, outcome in outcomes(again)] == ["unchanged"] * 6 + ["created"] * 4


def test_a_file_for_an_import_has_a_limit_of_its_own(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms_bridge.intake.imports.MOST_ROWS", 3)
    path = tmp_path / "offerings.csv"
    for number in (3, 4):
        path.write_text("id,title\n" + "".join(f"a{row},x\n" for row in range(number)))
        if number == 3:
            assert rows_of(path, Kind.OFFERING, sqlite_database, None).total == 3
            continue
        with pytest.raises(Refused, match="Split it"):
            rows_of(path, Kind.OFFERING, sqlite_database, None)
