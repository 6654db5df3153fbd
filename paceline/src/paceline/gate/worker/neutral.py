"""Switches off plugins and options that would choose, repeat, stop, spread or trace the tests of a gate.

Projects have them in addopts for everyday runs. A gate ignores them, in its workers and in the session that judges,
and lists them. Standard library, pytest and pytest-benchmark only: workers load this.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pytest_benchmark import utils

if TYPE_CHECKING:
    import pytest

#: The value that each option is set to, by its name in pytest's namespace.
VALUES: dict[str, Any] = {
    "benchmark_autosave": None,
    "benchmark_compare": [],
    "benchmark_compare_fail": None,
    "benchmark_cprofile": None,
    "benchmark_disable": False,
    "benchmark_histogram": [],
    "benchmark_json": None,
    "benchmark_save": None,
    "benchmark_skip": False,
    "continue_on_collection_errors": True,
    "count": 1,
    "cov_fail_under": None,
    "cov_source": [],
    "dist": "no",
    "durations": None,
    "failedfirst": False,
    "forked": False,
    "lf": False,
    "maxfail": 0,
    "memray": False,
    "newfirst": False,
    "no_cov": True,
    "numprocesses": None,
    "profile": False,
    "randomly_reorganize": False,
    "randomly_seed": 0,  # the same for both sides
    "setuponly": False,
    "setupplan": False,
    "stepwise": False,
    "stepwise_skip": False,
    "trace": False,
    "tx": [],
    "usepdb": False,
}
#: Plugins that are removed only after they have set themselves up, so that pytest knows their markers and settings.
PLUGINS = ("timeout", "rerunfailures", "flaky", "random_order", "pytest_forked", "pytest-retry")
#: Options that are listed for the user if they are set, on the command line or in pytest's settings.
SPOKEN_OF = {
    "count": "--count",
    "cov_source": "--cov",
    "durations": "--durations",
    "forked": "--forked",
    "maxfail": "--maxfail",
    "numprocesses": "-n",
    "random_order_bucket": "--random-order",
    "reruns": "--reruns",
    "timeout": "--timeout",
}


def active(config: pytest.Config) -> list[str]:
    """Return the user's options that a gate does not apply, as a user writes them."""
    found = [label for name, label in SPOKEN_OF.items() if _is_set(config, name)]
    if config.pluginmanager.hasplugin("randomly"):
        found.append("-p randomly")
    return sorted(found)


def _is_set(config: pytest.Config, name: str) -> bool:
    value = getattr(config.option, name, None)
    if value is None and config.pluginmanager.hasplugin(name):
        with contextlib.suppress(ValueError, KeyError):
            value = config.getini(name)
    return bool(value) and value not in (VALUES.get(name), "none")


def before_plugins() -> None:
    """Keep pytest-benchmark from asking git for a file's name at every start, since a worker writes no file.

    Of its six commands, `git describe --dirty` looks at every file of the project. Call it before plugins load.
    """
    setattr(utils, "get_tag", str)  # noqa: B010 # the name is another function's type


def before_conftests(config: pytest.Config) -> None:
    """Keep coverage from starting and warnings from being errors; call it before conftests load."""
    given = config.known_args_namespace
    given.cov_source = []
    given.pythonwarnings = [*(given.pythonwarnings or []), "default"]


def set_options(config: pytest.Config) -> None:
    """Set the options; call it before other plugins set themselves up."""
    for name, value in VALUES.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def remove_plugins(config: pytest.Config) -> None:
    """Remove the plugins; call it after they have set themselves up."""
    for name in PLUGINS:
        if config.pluginmanager.hasplugin(name):
            config.pluginmanager.unregister(name=name)
