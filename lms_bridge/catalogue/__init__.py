"""The public catalogue: its pages, and one module for each feed format.

A format writes text from ``CatalogueEntry`` objects (``entry``), which hold only what the pages
show. It holds at most one page of entries.
"""

from __future__ import annotations
