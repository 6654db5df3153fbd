"""Takes the files out of an artifact's zip, in memory: nothing that it names touches the disk."""

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

    Each name must be `pattern` from end to end; there are at most `at_most`, each of at most `largest` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            if not 0 < len(listed) <= at_most:
                raise MalformedError(f"the artifact holds {len(listed)} files, not 1 to {at_most}")
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
        raise MalformedError(f"the artifact is no sound zip file: {quoted(str(error))}") from None


def _read(
    archive: zipfile.ZipFile, listed: list[zipfile.ZipInfo], pattern: str, largest: int
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for member in listed:
        # orig_filename: zipfile cuts a name at its first NUL.
        if re.fullmatch(pattern, member.orig_filename) is None or member.orig_filename in seen:
            raise MalformedError(f"the artifact holds {quoted(member.orig_filename)}, which is not expected in it")
        seen.add(member.filename)
        mode = member.external_attr >> 16
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise MalformedError(f"the artifact's {quoted(member.filename)} is no plain file")
        if member.flag_bits & ENCRYPTED or member.compress_type not in PLAIN:
            raise MalformedError(f"the artifact's {quoted(member.filename)} is not packed plainly")
        with archive.open(member) as file:
            content = file.read(largest + 1)  # what the directory says of the size may be a lie
        if len(content) > largest:
            raise MalformedError(f"the artifact's {quoted(member.filename)} is larger than {largest} bytes")
        yield member.filename, content
