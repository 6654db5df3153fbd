"""Reads asv's build_command and install_command, and points them at a side's own folder.

asv installs into an environment that it made. A gate has none, and installs into `site`. A command that would install
elsewhere is refused, since it would change the user's environment and measure the wrong code.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUILD = [
    "python -m pip wheel --no-deps --wheel-dir {build_cache_dir} {build_dir}"
]  # asv's default, without its sdist
INSTALL = ["in-dir={env_dir} python -m pip install {wheel_file}"]
ELSEWHERE = {"-e", "--editable", "-t", "--target", "--prefix", "--root", "--user"}  # pip's options that name a place
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True)
class Places:
    """Where one side is built. `work`: an empty folder of the side's own. `site`: the folder to install into."""

    tree: Path  #: the side's checkout
    conf_dir: Path  #: folder of head's asv.conf.json
    work: Path
    site: Path


@dataclass(frozen=True)
class InstallCommand:
    """A command to run. `statuses`: exit statuses that are not failures, None for any."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    statuses: frozenset[int] | None


def has_commands(settings: Mapping[str, Any]) -> bool:
    """Whether a configuration says how the project is built or installed."""
    return any(settings.get(name) is not None for name in ("build_command", "install_command"))


def commands(settings: Mapping[str, Any], places: Places, python: str, commit: str = "") -> Iterator[InstallCommand]:
    """Yield the commands that build and install a side, in order; run each before asking for the next.

    The later commands need the name of the wheel that the earlier ones build. Raises PacelineError for a command that
    cannot be used.
    """
    cache, build = places.work / "build_cache", places.tree / (settings.get("repo_subdir") or "")
    for folder in (cache, places.work / "env"):
        folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "build_dir": str(build),
        "build_cache_dir": str(cache),
        "conf_dir": str(places.conf_dir),
        "env_dir": str(places.work / "env"),
        "project": str(settings.get("project") or "project"),
        "commit": commit,
    }
    for text in _lines(settings.get("build_command"), BUILD):
        command = _parsed(text, variables, build)
        yield replace(command, words=_python(command.words, python))
    for text in _lines(settings.get("install_command"), INSTALL):
        command = _parsed(text, variables | _wheel(cache), build)
        yield replace(command, words=_into(places.site, _python(command.words, python), text))


def _lines(given: Any, default: list[str]) -> list[str]:
    if given is None:
        return default
    return [given] if isinstance(given, str) else list(given)


def _wheel(cache: Path) -> dict[str, str]:
    wheels = sorted(str(path) for path in cache.glob("*.whl"))
    if len(wheels) > 1:
        raise PacelineError(
            f"asv.conf.json: build_command made {len(wheels)} wheels. Add --no-deps, so that it makes one."
        )
    return {"wheel_file": wheels[0]} if wheels else {}


def _parsed(text: str, variables: Mapping[str, str], folder: Path) -> InstallCommand:
    """Read a command in asv's notation."""
    try:
        words = shlex.split(text)
        _insist_on_no_environment(text, words)
        words = [word.format(**variables) for word in words]
    except KeyError as error:
        known = ", ".join(variables)
        raise PacelineError(f"asv.conf.json: {text!r}: unknown variable {error}. Use one of {known}.") from None
    except (IndexError, ValueError) as error:
        raise PacelineError(f"asv.conf.json: cannot read {text!r}: {error}. Fix the file.") from None
    environment: dict[str, str] = {}
    statuses: frozenset[int] | None = frozenset({0})
    while words:
        name, equals, value = words[0].partition("=")
        if name == "in-dir" and equals:
            folder = folder / value
        elif name == "return-code" and equals:
            statuses = None if value == "any" else frozenset(map(int, value.split(",")))
        elif VARIABLE.match(words[0]):
            environment[name] = value
        else:
            break
        del words[0]
    if not words:
        raise PacelineError(f"asv.conf.json: {text!r} has no command. Fix the file.")
    return InstallCommand(tuple(words), environment, folder, statuses)


def _insist_on_no_environment(text: str, words: list[str]) -> None:
    """Raise PacelineError if a command writes to asv's own environment, which a gate does not have."""
    if any("{env_dir}" in word and not word.startswith("in-dir=") for word in words):
        raise PacelineError(
            f"asv.conf.json: {text!r} writes to asv's environment, which a gate does not have."
            " Install by pip, or set install under [tool.paceline]."
        )


def _python(words: tuple[str, ...], python: str) -> tuple[str, ...]:
    """Return the command with the side's own interpreter, and pip run by it."""
    first, *rest = words
    if first in {"pip", "pip3"}:
        return (python, "-m", "pip", *rest)
    if first in {"python", "python3"}:
        if rest and rest[0].startswith("-m") and rest[0] != "-m":
            rest[:1] = ["-m", rest[0].removeprefix("-m")]
        return (python, *rest)
    return words


def _into(site: Path, words: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Return pip's install command with the side's own folder as its target. Raises PacelineError for others."""
    if words[1:4] != ("-m", "pip", "install"):
        raise PacelineError(
            f"asv.conf.json: install_command: {text!r} cannot install into a folder of its own, which a gate needs."
            " Use `python -m pip install`, or set install under [tool.paceline]."
        )
    used = sorted({word.partition("=")[0] for word in words} & ELSEWHERE)
    if used:
        raise PacelineError(
            f"asv.conf.json: install_command: {text!r} says where to install ({used[0]}), which the gate decides."
            " Leave out that option, or set install under [tool.paceline]."
        )
    kept = [word for word in words if word not in {"--force-reinstall", "--no-deps"}]
    return (*kept, "--no-deps", "--target", str(site))
