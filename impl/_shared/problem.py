"""What the checks of several problems share. Timed by nobody, and hashed into every version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def require_floats(answer: object) -> NDArray[np.floating]:
    """Return ``answer``; raise ``AssertionError`` unless it is an array of float64 or float32."""
    if not isinstance(answer, np.ndarray) or answer.dtype not in (np.float64, np.float32):
        raise AssertionError(f"the answer is {answer!r:.200}, not an array of float64 or float32")
    return answer


def require_close(
    answer: object, truth: NDArray[np.floating], tolerance: Callable[[np.dtype[Any]], float], wrong: str
) -> None:
    """Raise ``AssertionError`` unless ``answer`` has the shape of ``truth`` and is nowhere further from it.

    ``tolerance`` gives the absolute distance allowed for a dtype; ``wrong`` says what an answer further off is.
    """
    given = require_floats(answer)
    np.testing.assert_allclose(
        given, truth.astype(given.dtype), rtol=0, atol=tolerance(given.dtype), strict=True, err_msg=wrong
    )
