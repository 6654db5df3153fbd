"""Signals to this process."""

import os
import signal
from collections.abc import Iterator

import pytest
from paceline.system.signals import ENDING, like_ctrl_c, put_off


@pytest.fixture(params=ENDING, ids=lambda sent: sent.name)
def sent(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Return a signal, whose handler is the system's."""
    before = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, before)


def test_signals_end_like_ctrl_c(sent: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), like_ctrl_c():
        os.kill(os.getpid(), sent)
    assert signal.getsignal(sent) is signal.SIG_DFL


def test_ignored_signals_stay_so(sent: signal.Signals) -> None:
    """As nohup has it for SIGHUP."""
    signal.signal(sent, signal.SIG_IGN)
    with like_ctrl_c():
        os.kill(os.getpid(), sent)
    assert signal.getsignal(sent) is signal.SIG_IGN


def test_clean_up_is_not_stopped(sent: signal.Signals) -> None:
    """As where a CI service sends SIGINT, and then SIGTERM."""
    with like_ctrl_c(), put_off():
        os.kill(os.getpid(), sent)
