"""Errors of the operating system in our own words, which pages translate."""

from __future__ import annotations

import errno

_DISK = "the disk cannot be read or written"
_REASONS = {
    errno.EACCES: "the system refuses access",
    errno.EPERM: "the system refuses access",
    errno.EBUSY: "another program uses it",
    errno.EDQUOT: "the disk is full",
    errno.EFBIG: "the file would be too large",
    errno.EIO: _DISK,
    errno.EISDIR: "it is a folder, not a file",
    errno.EMFILE: "too many files are open",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENFILE: "too many files are open",
    errno.ENOENT: "it does not exist",
    errno.ENOSPC: "the disk is full",
    errno.ENOTDIR: "its folder does not exist",
    errno.EROFS: "the disk is read-only",
    errno.ESTALE: "the network drive does not answer",
    errno.ETIMEDOUT: "the network drive does not answer",
    errno.EHOSTDOWN: "the network drive does not answer",
}


def system_reason(error: OSError) -> str:
    """Why a file cannot be read or written, as a part of a sentence."""
    return _REASONS.get(error.errno or 0) or error.strerror or "an unknown error"
