"""What stops a command or a gate and is no defect of ours, and the words for values and errors in its one line."""

from __future__ import annotations

import errno

SHOWN = 60  # characters of a value that may be anything
#: What helps where the system's own words do not say it.
REMEDIES = dict.fromkeys((errno.EMFILE, errno.ENFILE), ": raise the limit (`ulimit -n`)")


class PacelineError(Exception):
    """Wrong use, or surroundings in which nothing can be done: one line with cause, values and remedy."""


def shown(value: object) -> str:
    """Show any value: in ASCII, on one line, short."""
    try:
        text = ascii(value)
    except RecursionError:
        text = "something nested deeply"
    except ValueError:  # Python writes no integer of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def why(error: OSError) -> str:
    """Return why the system refused, on one line; of an error that gathers others, as by copying, the first."""
    gathered = error.args[0] if error.args else None
    said = gathered[0][-1] if isinstance(gathered, list) and gathered else error
    text = error.strerror or " ".join(str(said).split()) or type(error).__name__
    return text + REMEDIES.get(error.errno or 0, "")
