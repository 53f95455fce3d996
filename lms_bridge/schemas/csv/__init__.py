"""CSV files both ways: the format of docs/files.md.

Reading yields one ``CsvRow`` for each row of the file, in order and one at a time, so a large file
is never in memory as objects. An unreadable row also has a ``CsvRow``, with its number and problem.
"""

from __future__ import annotations
