"""Reads the files of an artifact's zip in memory, so that none of its names touches the disk."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from paceline.system.strict import MalformedError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 1


def members(content: bytes, pattern: str, at_most: int, largest: int) -> dict[str, bytes]:
    """Return the files by name. Raises MalformedError.

    Each whole name must match `pattern`. There are at most `at_most` files, each of at most `largest` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            if not 0 < len(listed) <= at_most:
                raise MalformedError(f"the artifact has {len(listed)} files, expected 1 to {at_most}")
            return dict(_read(archive, listed, pattern, largest))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        ValueError,
        UnicodeError,
    ) as error:
        raise MalformedError(f"the artifact is not a valid zip file: {quoted(str(error))}") from None


def _read(
    archive: zipfile.ZipFile, listed: list[zipfile.ZipInfo], pattern: str, largest: int
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for member in listed:
        # orig_filename: zipfile cuts a name at its first NUL.
        if re.fullmatch(pattern, member.orig_filename) is None or member.orig_filename in seen:
            raise MalformedError(f"the artifact has an unexpected file {quoted(member.orig_filename)}")
        seen.add(member.filename)
        mode = member.external_attr >> 16
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise MalformedError(f"the artifact's {quoted(member.filename)} is not a regular file")
        if member.flag_bits & ENCRYPTED or member.compress_type not in PLAIN:
            raise MalformedError(
                f"the artifact's {quoted(member.filename)} is encrypted, or compressed by an unsupported method"
            )
        with archive.open(member) as file:
            content = file.read(largest + 1)  # the size in the zip's directory may be wrong
        if len(content) > largest:
            raise MalformedError(f"the artifact's {quoted(member.filename)} is larger than {largest} bytes")
        yield member.filename, content
