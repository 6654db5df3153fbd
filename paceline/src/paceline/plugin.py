"""pytest's side of paceline: options and hooks only.

Every pytest run loads this, the gate's workers included, so it imports the gate only when the user asks for one.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import pytest

from paceline.config.options import ASV, ASV_SUITE, OPTIONS, RECORD, RESULTS, WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options; each can also be set under [tool.paceline] in pyproject.toml."""
    group = parser.getgroup(
        "paceline", "paceline: judge a change's speed against its base (also set in [tool.paceline])"
    )
    for option in (*OPTIONS, ASV, RECORD, RESULTS):
        group.addoption(option.flag, **option.keywords)


def _is_asked_for(option: Any) -> bool:
    names = ("against", "against_python", "against_wheel", "against_control")
    return any(getattr(option, f"benchmark_{name}") is not None for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Iterator[None]:
    """Start before other plugins that start here, such as coverage, and before the project's conftests."""
    if _is_asked_for(early_config.known_args_namespace) and not early_config.pluginmanager.has_plugin(WORKER):
        from paceline.gate.worker import neutral
        from paceline.gate.worker.suites import codspeed

        neutral.before_conftests(early_config)
        codspeed.take_over(early_config.pluginmanager, parser)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare the gate, or the recording of this run, if one is asked for."""
    config.addinivalue_line(
        "markers",
        "paceline(tolerance, memory): a gate accepts slowdowns of this benchmark, or increases of its memory, below"
        " this, e.g. 0.10",
    )
    option = config.option
    is_gate = _is_asked_for(option) and not config.pluginmanager.has_plugin(WORKER)
    if not is_gate or option.collectonly:  # a gate's own session collects nothing
        _collect_asv(config)
    if option.benchmark_record is not None and not config.pluginmanager.has_plugin(WORKER):
        _prepare_recording(config)
    if not is_gate:
        return
    from paceline.gate import session

    session.prepare(config)


def _prepare_recording(config: pytest.Config) -> None:
    from paceline.errors import PacelineError, why
    from paceline.system import extras

    try:
        extras.require("pytest --benchmark-record", "history")
        from paceline.history.intake.record import recorder

        config.pluginmanager.register(recorder(config, _peaks(config)), "paceline-recorder")
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
    except OSError as error:
        raise pytest.UsageError(f"{error.filename or 'this system'}: {why(error)}") from None


def _peaks(config: pytest.Config) -> Any:
    """Return a function that measures peaks of memory; None if they are not asked for. Raises PacelineError."""
    from paceline.config.settings import read_table

    if (config.option.benchmark_memory or read_table(config.rootpath).get("memory", "no")) == "no":
        return None
    from paceline.gate.memory.recorded_peaks import peaks

    arguments = [os.fspath(each) for each in config.invocation_params.args]
    return functools.partial(peaks, arguments, config.invocation_params.dir)


def _collect_asv(config: pytest.Config) -> None:
    """Collect an asv suite if the command line, a gate or [tool.paceline] names one."""
    option = config.option
    given = option.benchmark_asv
    if given is None and not config.pluginmanager.has_plugin(WORKER) and not getattr(option, "benchmark_only", False):
        return
    from paceline.config.settings import read_table
    from paceline.errors import PacelineError

    try:
        named = os.environ.get(ASV_SUITE) or (read_table(config.rootpath).get("asv") if given is None else None)
        if given is None and named is None:
            return
        from paceline.gate.worker.suites import asv_suite

        asv_suite.collect(config, config.invocation_params.dir / given if given else named, alone=given is not None)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
