"""Caches the content of result files, so that each file is parsed once. Safe to delete at any time.

Entries are found by the hash of the file's content, so they are never out of date. A file's size, times and inode
stand in for its hash, as in git's index, unless the file is too new for its times to be trusted. If the cache is
broken, locked or cannot be written, the files themselves are read, without a notice, as nothing is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from paceline.history.asv.asv_files import KEPT_COLUMNS, About, Result, Shared, result_file
from paceline.system import files
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

#: Increment it when `asv_files.result_file` reads the same bytes differently.
READER = 4
RACY = 2 * 10**9  # nanoseconds; the coarsest clock of a file system in use (FAT) ticks every two seconds
PATIENCE = 5.0  # seconds to wait for another process that writes
#: Errors after which the cache is kept, as the file itself is not broken.
OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
}
TABLES = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, state TEXT, digest BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS texts (digest BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (
    digest BLOB PRIMARY KEY, reason TEXT, about TEXT,
    surroundings BLOB, packages BLOB, facts BLOB, described BLOB, rows BLOB,
    started BLOB, columns BLOB, seal BLOB
);
"""

#: A sound file, or the reason why it is not.
Content: TypeAlias = "Result | str"
_Row: TypeAlias = "tuple[bytes | str | None, ...]"


@dataclass
class Cache:
    """Reads result files, and caches them; `path` is None for no cache. Call `save` at the end."""

    path: Path | None
    _states: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    _contents: dict[bytes, Content] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _new_states: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    _new_contents: dict[bytes, Content] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Load the cached entries."""
        if self.path is not None and os.path.exists(self._file(self.path)):  # noqa: PTH110  # raises for none
            self._transaction(self._load)

    def _load(self, connection: sqlite3.Connection) -> None:
        states = {path: (state, digest) for path, state, digest in connection.execute("SELECT * FROM files")}
        texts = dict(connection.execute("SELECT * FROM texts"))
        self._contents = dict(_contents(connection.execute("SELECT * FROM contents"), texts))
        self._states = states
        self._texts = {text: text for text in texts.values()}

    def read(self, path: Path) -> Content:
        """Return the content of a result file, from the cache if possible. Raises OSError."""
        key = os.fsencode(os.path.abspath(path))  # noqa: PTH100  # resolve() asks the system for each folder
        about = path.stat()
        unfit = files.why_unfit(about)
        if unfit:
            return unfit
        state = f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
        known, digest = self._states.get(key, ("", b""))
        if known == state and digest in self._contents:
            return self._contents[digest]
        before = time.time_ns()
        raw = files.read(path)
        digest = _digest(raw)
        if before - max(about.st_mtime_ns, about.st_ctime_ns) > RACY and len(raw) == about.st_size:
            self._new_states[key] = (state, digest)
        if digest not in self._contents:
            self._contents[digest] = self._new_contents[digest] = self._shared(_parse(raw))
        return self._contents[digest]

    def _shared(self, content: Content) -> Content:
        """Return the content with equal texts shared."""
        if isinstance(content, str):
            return content
        return replace(content, shared=Shared(*(self._texts.setdefault(text, text) for text in content.shared)))

    def save(self) -> None:
        """Add the new entries to the cache, in one transaction."""
        if self._new_states or self._new_contents:
            self._transaction(self._store)

    def _store(self, connection: sqlite3.Connection) -> None:
        texts: dict[bytes, str] = {}
        rows = [_row(digest, content, texts) for digest, content in self._new_contents.items()]
        states = [(path, state, digest) for path, (state, digest) in self._new_states.items()]
        connection.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", texts.items())
        connection.executemany(
            "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, _seal(row)) for row in rows],
        )
        connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", states)

    def _transaction(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Run an action on the cache as a whole or not at all; ignore failures, and remove a broken cache."""
        if self.path is None:
            return
        file = self._file(self.path)
        try:
            _make_folder(file.parent)
            with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE)) as connection, connection:
                connection.executescript(TABLES)
                action(connection)
        except OSError:
            return
        except (sqlite3.Error, ValueError, TypeError) as error:  # the latter: other types than were written
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            if code & 0xFF not in OUT_OF_REACH:
                with contextlib.suppress(OSError):
                    file.unlink()

    @staticmethod
    def _file(folder: Path) -> Path:
        return folder / f"results-{READER}.sqlite3"


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by paceline; safe to delete.\n*\n", encoding="utf-8")


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def _parse(raw: bytes) -> Content:
    try:
        return result_file(raw)
    except MalformedError as reason:
        return str(reason)


def _row(digest: bytes, content: Content, texts: dict[bytes, str]) -> _Row:
    """Return a row of `contents` without its seal, and add its shared texts, which have their own table."""
    if isinstance(content, str):
        return digest, content, None, *[b""] * len(Shared._fields), b"", b""
    shared = [_digest(text.encode()) for text in content.shared]
    texts.update(zip(shared, content.shared, strict=True))
    return digest, None, json.dumps(content.about), *shared, content.started.tobytes(), content.columns.tobytes()


def _seal(row: Iterable[str | bytes | None]) -> bytes:
    """Return the hash of a row, as SQLite does not notice a flipped bit."""
    return _digest(b"\0".join(each.encode() if isinstance(each, str) else each or b"" for each in row))


def _contents(rows: Iterable[tuple[Any, ...]], texts: dict[bytes, str]) -> Iterator[tuple[bytes, Content]]:
    """Yield contents by digest; rows with a wrong seal are left out, and their files read again."""
    sound = {digest for digest, text in texts.items() if isinstance(text, str) and _digest(text.encode()) == digest}
    for *row, seal in rows:
        if _seal(row) != seal:
            continue
        digest, reason, about, *shared, started, columns = row
        if reason is not None:
            yield digest, reason
        elif sound.issuperset(shared):
            lines = np.frombuffer(columns).reshape(len(KEPT_COLUMNS), -1)
            yield (
                digest,
                Result(
                    About(*json.loads(about)),
                    Shared(*(texts[each] for each in shared)),
                    np.frombuffer(started),
                    lines,
                ),
            )
