"""Appends files to a branch that other jobs append to at the same time, without fetching all of it.

It fetches the tip's list of files, and only those files that are merged. So appending to a year of runs takes no
longer than to a day. If another job pushed first, it fetches the new tip and tries again.
"""

from __future__ import annotations

import base64
import io
import os
import random
import re
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    #: (path, old content or None, new content) -> content to write.
    Settle = Callable[[str, bytes | None, bytes], bytes]

TRIES = 40
LONGEST_PAUSE = 10.0  # seconds
TIP = "refs/paceline/tip"
AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


#: Git's messages (in the language C) if another job was first or the connection was lost: a retry may help.
AGAIN = re.compile(
    r"fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|already exists"
    r"|returned error: (?:429|5\d\d)|RPC failed|hung up|early EOF|unexpected disconnect|connection|timed out"
    r"|could not resolve host",
    re.IGNORECASE,
)


class GitError(PacelineError):
    """Git failed. `said` is its whole message."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True)
class Branch:
    """A branch of a remote repository, in a scratch repository of ours."""

    remote: str
    name: str
    folder: Path
    environment: Mapping[str, str]

    @classmethod
    @contextmanager
    def of(cls, remote: str, name: str, token: str | None) -> Iterator[Branch]:
        """Open the branch. `token` is never on a command line or on disk."""
        with tempfile.TemporaryDirectory(prefix="paceline-store-") as folder:
            branch = cls(remote, name, Path(folder), {**os.environ, **_environment(remote, token)})
            branch.git("init", "--quiet", "--bare")
            branch.git(
                "config", "maintenance.auto", "false"
            )  # it goes on in the background while the folder is removed
            branch.git("remote", "add", "origin", remote)
            yield branch

    def git(self, *arguments: str, content: bytes | None = None, quiet: bool = False) -> bytes:
        """Run git and return its output. If it fails: raises GitError, or returns nothing if `quiet`."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.environment, input=content or b"", capture_output=True,
            check=False,
        )  # fmt: skip
        if done.returncode and not quiet:
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise GitError(f"git {arguments[0]} for {self.remote} ended with {done.returncode}: {said[-400:]}", said)
        return b"" if done.returncode else done.stdout

    def append(self, files: Mapping[str, bytes], message: str, settle: Settle) -> str | None:
        """Add files by their paths and return the new commit; None if all exist. Raises GitError, MalformedError."""
        why = ""
        for attempt in range(TRIES):
            try:
                commit = self._commit(self._fetch(), files, message, settle)
                if commit is not None:
                    self.git("push", "--quiet", "origin", f"{commit}:refs/heads/{self.name}")
            except GitError as error:
                if not AGAIN.search(error.said):
                    raise
                why = error.said
            else:
                return commit
            # Random, so that two writers do not collide again and again.
            time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.1 * 2**attempt)))  # noqa: S311
        raise GitError(
            f"gave up after {TRIES} tries, as other jobs pushed first or the connection was lost: {why[-400:]}", why
        )

    def read(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield the files below a folder with their paths. Fetches all of them at once: for what is asked rarely."""
        self._fetch_tip("--refetch", "--no-filter")
        with tarfile.open(fileobj=io.BytesIO(self.git("archive", TIP, folder))) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    yield member.name, file.read()

    def _fetch(self) -> str | None:
        """Return the tip; None if the branch does not exist yet."""
        if not self.git("ls-remote", "origin", f"refs/heads/{self.name}").strip():
            return None
        self._fetch_tip("--filter=blob:none")
        return self.git("rev-parse", TIP).decode().strip()

    def _fetch_tip(self, *options: str) -> None:
        wanted = f"+refs/heads/{self.name}:{TIP}"
        self.git("fetch", "--quiet", "--no-tags", "--depth=1", *options, "origin", wanted)

    def _commit(self, tip: str | None, files: Mapping[str, bytes], message: str, settle: Settle) -> str | None:
        self.git("read-tree", tip or "--empty")
        for path, content in files.items():
            settled = settle(path, self._content(tip, path), content)
            blob = self.git("hash-object", "-w", "--stdin", content=settled).decode().strip()
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        # Files that were not fetched exist on the remote.
        tree = self.git("write-tree", "--missing-ok").decode().strip()
        if tip is not None and tree == self.git("rev-parse", f"{tip}^{{tree}}").decode().strip():
            return None
        parents = [] if tip is None else ["-p", tip]
        return self.git("commit-tree", tree, *parents, "-m", message).decode().strip()

    def _content(self, tip: str | None, path: str) -> bytes | None:
        if tip is None or not self.git("rev-parse", "--verify", "--quiet", f"{tip}:{path}", quiet=True):
            return None
        return self.git("cat-file", "blob", f"{tip}:{path}")


def immutable(path: str, old: bytes | None, new: bytes) -> bytes:
    """Return a new file's content. Raises MalformedError if it exists with other content."""
    if old is not None and old != new:
        raise MalformedError(f"{path} exists with other content: a recorded run never changes")
    return new


def _environment(remote: str, token: str | None) -> dict[str, str]:
    name, email = AUTHOR
    variables = {
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    if token and remote.startswith("https://"):
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        variables |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
        }
    return variables
