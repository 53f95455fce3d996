"""The pages of the desk, in one blueprint. Importing the modules declares them."""

from __future__ import annotations

from lms_bridge.centre_desk import (
    lms_pages,
    offering_form_pages,
    offering_pages,
    paper_pages,
    people_pages,
    quarantine_pages,
    question_pages,
    result_pages,
    teacher_pages,
    upload_pages,
)
from lms_bridge.centre_desk import pages as _pages
from lms_bridge.centre_desk.desk import pages as pages

MODULES = (
    *(_pages, upload_pages, people_pages, question_pages, result_pages, lms_pages),
    *(quarantine_pages, teacher_pages),
    *(offering_pages, offering_form_pages, paper_pages),
)
