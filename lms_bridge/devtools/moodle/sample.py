"""Sample data: the same from the same seed, and marked as made up wherever it is read."""

import random
from dataclasses import dataclass

from lms_bridge.devtools.moodle.records import CustomField, MoodleCourse, MoodleUser
from lms_bridge.devtools.moodle.state import MoodleState

DAY = 86400
FIRST_START = 1767225600  # 2026-01-01
EMAIL_DOMAIN = "example.org"

#: Region -> the languages in which its sample courses are named.
REGION_LANGUAGES = {
    "Africa": ("en", "fr"),
    "Americas": ("es", "en"),
    "Arab States": ("ar",),
    "Asia-Pacific": ("en", "zh"),
    "CIS": ("ru",),
    "Europe": ("en", "fr"),
}
#: Language -> the word that marks a sample (and is its people's first name), made-up titles.
TITLES = {
    "en": ("Sample", ("Spectrum & regulation", "Network security", "Internet of Things")),
    "fr": ("Exemple", ("Spectre & réglementation", "Sécurité des réseaux", "Villes numériques")),
    "es": ("Muestra", ("Gestión del espectro", "Ciberseguridad", "Inclusión digital")),
    "ar": ("عينة", ("إدارة الطيف", "الأمن السيبراني", "المهارات الرقمية")),
    "zh": ("示例", ("频谱管理", "网络安全", "数字技能")),
    "ru": ("Пример", ("Управление спектром", "Кибербезопасность", "Цифровые навыки")),
}
COUNTRIES = ("KE", "SN", "BR", "EG", "MY", "KZ", "CH", "IT")
CATEGORIES = (
    ("Cybersecurity", "cyber"),
    ("Spectrum management", "spectrum"),
    ("Broadband access", "broadband"),
    ("Internet of Things", "iot"),
    ("Policy & regulation", "policy"),
)
COURSE_FIELDS = (
    CustomField(
        "itu_modality",
        "Modality",
        "select",
        ("Online instructor-led", "Face-to-face", "Blended", "Online self-paced"),
    ),
    CustomField("itu_level", "Level", "select", ("Introductory", "Intermediate", "Advanced")),
    CustomField("itu_price", "Price (USD)", "text"),
    CustomField("itu_publish", "Publish in the ITU Academy catalogue", "checkbox"),
    CustomField("itu_regclose", "Registration closes", "date"),
    CustomField("itu_objectives", "Objectives", "textarea"),
)


@dataclass(frozen=True)
class SampleSize:
    """How much to make. ``enrolments`` is the total; ``first_person`` shifts the Academy's ids,
    so that sites can share people or not. ``results`` adds grades and completions."""

    courses: int = 12
    people: int = 100
    enrolments: int = 300
    seed: int = 1
    region: str = "Europe"
    first_person: int = 0
    results: bool = True


def define_catalogue(site: MoodleState) -> None:
    """The sample categories and the custom fields that describe an offering."""
    for name, idnumber in CATEGORIES:
        site.catalogue.add_category(name, idnumber)
    for field in COURSE_FIELDS:
        site.catalogue.define_field(field)


def fill(site: MoodleState, size: SampleSize) -> None:
    """Add sample courses, people, enrolments and results to a fresh site."""
    chance = random.Random(size.seed)  # noqa: S311 - repeatable on purpose
    with site.lock:
        define_catalogue(site)
        site.catalogue.define_field(CustomField("itu_currency", "Currency", "text"))
        courses = [_course(site, size, number, chance) for number in range(size.courses)]
        people = [_person(site, size, number, chance) for number in range(size.people)]
        _enrol(site, size, courses, people, chance)
        if size.results:
            _results(site, courses, chance)


def _course(
    site: MoodleState, size: SampleSize, number: int, chance: random.Random
) -> MoodleCourse:
    languages = REGION_LANGUAGES[size.region]
    language = languages[number % len(languages)]
    mark, titles = TITLES[language]
    start = FIRST_START + DAY * chance.randrange(365)
    paid = chance.random() < 0.2
    return site.catalogue.add_course(
        f"SAMPLE-{number}",
        f"[{mark}] {titles[number % len(titles)]} {number}",
        2 + number % len(CATEGORIES),
        idnumber=f"SAMPLE-ITU-{number}",
        summary=f"<p>[{mark}] {number}</p>",
        startdate=start,
        enddate=start + DAY * chance.randrange(2, 57),
        customfields={
            "itu_modality": chance.randrange(1, 5),
            "itu_level": chance.randrange(1, 4),
            "itu_price": "150.00" if paid else "",
            "itu_currency": "USD" if paid else "",
            "itu_publish": 1,
            "itu_regclose": start - DAY * chance.randrange(1, 15),
        },
    )


def _person(site: MoodleState, size: SampleSize, number: int, chance: random.Random) -> MoodleUser:
    academy_id = size.first_person + number
    first, _ = TITLES[chance.choice(REGION_LANGUAGES[size.region])]
    return site.people.add(
        f"sample{academy_id}",
        first,
        f"Learner {academy_id}",
        f"sample{academy_id}@{EMAIL_DOMAIN}",
        idnumber=f"acad-{academy_id}",
        country=chance.choice(COUNTRIES),
    )


def _enrol(
    site: MoodleState,
    size: SampleSize,
    courses: list[MoodleCourse],
    people: list[MoodleUser],
    chance: random.Random,
) -> None:
    """Share the enrolments out evenly; nobody is in one course twice."""
    for position, course in enumerate(courses):
        share = (size.enrolments + position) // len(courses)
        for user in chance.sample(people, min(share, len(people))):
            site.enrolments.enrol(course.id, user.id)


def _results(site: MoodleState, courses: list[MoodleCourse], chance: random.Random) -> None:
    """Every other course has a test out of 20, and a completion for about half of those graded."""
    for course in courses[::2]:
        item = site.gradebook.add_item(course.id, "Sample test", 20.0)
        site.completions.add_criterion(course.id)
        for enrolment in site.enrolments.of_course(course.id):
            if chance.random() < 0.7:
                graded_at = course.enddate + chance.randrange(DAY)
                raw = chance.randrange(0, 41) / 2
                site.gradebook.grade(item, enrolment.user_id, raw, graded_at)
                if raw >= 10:
                    site.completions.complete(course.id, enrolment.user_id, graded_at)


def sample_site(name: str = "Sample Moodle", size: SampleSize | None = None) -> MoodleState:
    site = MoodleState(name)
    fill(site, size or SampleSize())
    return site
