"""`paceline gate`: finds base, settings and the project's Python, runs the gate and prints its result."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RED, say
from paceline.config.options import AGAINST, OPTIONS
from paceline.errors import PacelineError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from paceline.commands import Commands
    from paceline.config.settings import Settings

INTERRUPTED = 2


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "gate",
        help="judge a change's speed against its base",
        usage="paceline gate [BASE] [options] [pytest's options and paths]",
        description="Judges every benchmark of the working tree against BASE, a git revision (default: the merge"
        " base with the upstream default branch). `pytest --benchmark-against` does the same, but here the judging"
        " process never imports the project, so paceline may be installed anywhere. All other options, such as"
        " -k, go to pytest. Paths come after BASE, or after `--`.",
        epilog="Exit status: 0 nothing red, 1 a benchmark is red (slower or broken), 2 interrupted, 3 paceline itself"
        " failed, 4 wrong use, or nothing measured.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--python",
        metavar="EXE",
        dest="interpreter",
        help="The project's Python. Default: the one in $VIRTUAL_ENV, in .venv, or on the PATH.",
    )
    _add_options(parser)
    parser.set_defaults(takes_more=True, more=[])


def _add_options(parser: argparse.ArgumentParser) -> None:
    for option in OPTIONS:
        if option is not AGAINST:
            parser.add_argument(option.flag, **option.keywords)


def run(arguments: argparse.Namespace) -> int:
    """Run the gate, print the table, and return the exit status."""
    from paceline.report.closing import explain

    try:
        return _judge(arguments)
    except PacelineError as error:
        say(*explain(error))
        raise


def _judge(arguments: argparse.Namespace) -> int:
    from paceline.config.request import Request
    from paceline.gate import execution
    from paceline.gate.trial import Trial
    from paceline.report.closing import Closing

    started_in = Path.cwd()
    base, rest = split(arguments.more, started_in)
    rest = _without_own(rest, arguments)
    on_same_code = arguments.benchmark_against_python or arguments.benchmark_against_wheel
    arguments.benchmark_against = base or (None if on_same_code else base)
    settings = _settings(arguments, started_in)
    python = _located(arguments.interpreter) if arguments.interpreter else find_python(started_in)
    say(f"paceline: judging with {python}")
    trial = Trial(Request(settings, tuple(rest), started_in, python), lambda text: say(f"paceline: {text}"))
    interrupted = False
    try:
        execution.run(trial)
    except KeyboardInterrupt:
        interrupted = True
    closing = Closing(trial.outcome(), trial.request.json)
    say(*closing.lines())  # first, as what follows may fail
    if trial.is_judged or not interrupted:
        closing.write()
    if interrupted:
        return INTERRUPTED
    return RED if closing.outcome.is_red else 0


def _settings(arguments: argparse.Namespace, started_in: Path) -> Settings:
    from paceline.config.settings import project_root, read_settings

    settings = read_settings(arguments, project_root(started_in))
    if settings is None:
        raise PacelineError("nothing to judge. Name a base: `paceline gate BASE`.")
    return settings


def split(words: Sequence[str], folder: Path) -> tuple[str, list[str]]:
    """Return the base and pytest's arguments. Raises PacelineError if the first could be either."""
    from paceline.system import git

    words = list(words)
    if not words or words[0].startswith("-"):
        return "", words[words[:1] == ["--"] :]
    first, rest = words[0], words[1:]
    is_path = (folder / first.partition("::")[0]).exists()
    try:
        git.resolve(folder, first)
    except PacelineError:
        if not is_path:
            raise
        return "", words
    if is_path and rest[:1] != ["--"]:
        raise PacelineError(
            f"{first!r} is both a revision and a path. Write `paceline gate {first} --`, or `paceline gate --"
            f" {first}`."
        )
    return first, rest[rest[:1] == ["--"] :]


def _without_own(words: Sequence[str], arguments: argparse.Namespace) -> list[str]:
    """Return pytest's arguments, and move the gate's own out of them: pytest ignores options after `--`."""
    import argparse

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_options(parser)
    _, rest = parser.parse_known_args(words, namespace=arguments)
    return rest


def _located(python: str) -> str:
    """Return an absolute path; links are kept, as they tell Python its environment."""
    return str(Path(python).absolute()) if os.sep in python else python


def find_python(folder: Path) -> str:
    """Return the Python of the project's environment. Raises PacelineError if there is none."""
    environments = [Path(os.environ["VIRTUAL_ENV"])] if os.environ.get("VIRTUAL_ENV") else []
    environments += [each / ".venv" for each in (folder, *folder.parents)]
    names = ("Scripts/python.exe",) if os.name == "nt" else ("bin/python",)
    for environment in environments:
        for name in names:
            if (environment / name).exists():
                return str(environment / name)
    found = shutil.which("python3") or shutil.which("python")
    if found is None:
        raise PacelineError("no Python found. Activate the project's environment, or name it with --python.")
    return found
