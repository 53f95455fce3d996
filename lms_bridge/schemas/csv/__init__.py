"""CSV files both ways: the format of docs/files.md.

Reading yields one ``Row`` per row of the file, in order and one at a time, so that a large file is
never held as objects. A row that cannot be read is yielded too, with its number and its problem.
"""

from lms_bridge.schemas.csv.cells import neutralised, restored
from lms_bridge.schemas.csv.reading import (
    Row,
    read_group,
    read_offerings,
    read_registrations,
    read_results,
)
from lms_bridge.schemas.csv.tables import (
    GROUP,
    OFFERINGS,
    REGISTRATIONS,
    RESULTS,
    Column,
    Shape,
    Table,
)
from lms_bridge.schemas.csv.writing import (
    pieces,
    write_offerings,
    write_registrations,
    write_results,
)

__all__ = [
    "GROUP",
    "OFFERINGS",
    "REGISTRATIONS",
    "RESULTS",
    "Column",
    "Row",
    "Shape",
    "Table",
    "neutralised",
    "pieces",
    "read_group",
    "read_offerings",
    "read_registrations",
    "read_results",
    "restored",
    "write_offerings",
    "write_registrations",
    "write_results",
]
