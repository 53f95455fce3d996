"""Which records of a changed page changed, where none came, went or moved.

On most nights with changes two records of a page of 200 are others. To parse all of them, and to
compare each with its link, takes many times as long as the two. So the bridge keeps *marks* beside
a page's digest: for each record, in the page's order, a hash of its bytes and one of its id. If the
page comes again with as many records, only those with other bytes are parsed. If each of these has
the id that was in its place, then all others are as they were. Else the whole page is read.

Marks promise of each record what the digest promises of the page, so both are kept and forgotten
together. docs/performance.md shows what they save.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from lms_bridge.domain.document import DIGEST_SIZE
from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.domain.ports import RawRecord, Slices

_ID_SIZE = 4
"""Bytes of the hash of an id. The id of a changed record is looked up besides."""
_SIZE = DIGEST_SIZE + _ID_SIZE


def marks_of(salt: bytes, slices: Sequence[bytes], records: Sequence[RawRecord]) -> bytes:
    """The marks of a page: its salt's hash, the hashes of its slices, and those of their ids."""
    ids = b"".join(_id_hash(record.external_id) for record in records)
    return b"".join([_hash(salt), *map(_hash, slices), ids])


def changed_in_place(
    salt: bytes, marks: bytes, slices: Slices
) -> tuple[list[RawRecord], bytes] | None:
    """The records of a page that changed, and its new marks. None if the page has to be read."""
    if marks[:DIGEST_SIZE] != _hash(salt):
        return None
    many = (len(marks) - DIGEST_SIZE) // _SIZE
    ids = marks[DIGEST_SIZE * (many + 1) :]
    try:
        shown = slices.cut()
        if len(shown) != many:
            return None
        hashes = [_hash(each) for each in shown]
        changed = []
        for place, hashed in enumerate(hashes):
            start = DIGEST_SIZE * (place + 1)
            if marks[start : start + DIGEST_SIZE] == hashed:
                continue
            record = slices.parse(shown[place])
            if ids[_ID_SIZE * place : _ID_SIZE * (place + 1)] != _id_hash(record.external_id):
                return None
            changed.append(record)
    except NotUnderstood:
        return None
    return changed, b"".join([marks[:DIGEST_SIZE], *hashes, ids])


def _hash(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST_SIZE).digest()


def _id_hash(external_id: str) -> bytes:
    text = external_id.encode(errors="surrogatepass")
    return blake2b(text, digest_size=_ID_SIZE).digest()
