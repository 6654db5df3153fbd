"""The error that ends a command or a gate with one line, and how that line shows values and system errors."""

from __future__ import annotations

import errno

SHOWN = 60  # characters of a value that may be anything
#: Next steps for system errors whose own text suggests none.
REMEDIES = dict.fromkeys((errno.EMFILE, errno.ENFILE), ". Raise the limit (`ulimit -n`)")


class PacelineError(Exception):
    """Wrong use or an unsuitable environment; the message is one line: what failed, the value, the next step."""


def shown(value: object) -> str:
    """Show any value: in ASCII, on one line, short."""
    try:
        text = ascii(value)
    except RecursionError:
        text = "a deeply nested value"
    except ValueError:  # Python writes no integer of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def why(error: OSError) -> str:
    """Return the system's reason on one line; of an error that gathers others, as copying does, the first."""
    gathered = error.args[0] if error.args else None
    said = gathered[0][-1] if isinstance(gathered, list) and gathered else error
    text = error.strerror or " ".join(str(said).split()) or type(error).__name__
    return text + REMEDIES.get(error.errno or 0, "")
