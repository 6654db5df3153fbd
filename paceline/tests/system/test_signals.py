"""Signals to this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from paceline.system.signals import ENDING, kept_from_children, like_ctrl_c, put_off


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


def cleaned_up(sent: signal.Signals) -> bool:
    """Receive a signal during a clean-up; return whether it was finished."""
    done = False
    try:
        with put_off():
            os.kill(os.getpid(), sent)
            done = True
    except KeyboardInterrupt:
        assert done
        raise
    return done


def test_clean_up_is_finished_first(sent: signal.Signals) -> None:
    """A gate that is interrupted while it ends a round's processes ends too, and does not begin another round."""
    with pytest.raises(KeyboardInterrupt), like_ctrl_c():
        cleaned_up(sent)


def test_a_second_signal_does_nothing(sent: signal.Signals) -> None:
    """As where a CI service sends SIGINT, and then SIGTERM."""
    with like_ctrl_c():
        try:
            signal.raise_signal(sent)
        except KeyboardInterrupt:
            assert cleaned_up(sent)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows masks no signals")
def test_children_are_kept_from_ctrl_c() -> None:
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    command = [sys.executable, "-c", code]
    with kept_from_children():
        inside = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    after = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert (inside.stdout, after.stdout) == ("True\n", "False\n")
