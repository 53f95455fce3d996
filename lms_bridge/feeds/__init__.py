"""The public catalogue in the formats of the world: pure writers, entries in, text out.

Each module writes one format. What goes in is an ``Entry`` (``feeds.entry``), which holds nothing
that the catalogue's own pages do not show; where it is shown is an ``Addresses``. Nothing here
knows of requests, and nothing holds more than one page of entries.
"""
