"""Data of a benchmark's page: the series of a family, as columns, with their changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.model import Series
    from paceline.pages.family import Curve

    Floats = NDArray[np.float64]

DIGITS = 4  # significant ones of a value
STEPS = 500  # of a value, in which its quartiles are given


def document(
    curves: Sequence[Curve], description: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a family's data; `description` is asv's of the benchmark, `changes` are as *Slowdowns* has them."""
    axes = list(dict.fromkeys(name for each in curves for name in each.member.axes))
    code = description.get("code")
    return {
        "axes": axes,
        "code": code if isinstance(code, str) else "",
        "series": [_curve(each, axes) for each in curves],
        "changes": changes,
    }


def _curve(curve: Curve, axes: Sequence[str]) -> dict[str, Any]:
    key, series = curve.series.key, curve.series
    at = dict(zip(curve.member.axes, curve.member.at, strict=True))
    return {
        "machine": key.machine,
        "engine": key.engine,
        "environment": key.environment,
        "version": key.version,
        "at": [at.get(name) for name in axes],
        "unit": series.unit,
        "runs": np.diff(series.runs, prepend=0),
        "values": rounded(series.values),
        **_quartiles(series),
    }


def _quartiles(series: Series) -> dict[str, Any]:
    """Return how far the quartiles are from the values, in steps; nothing if none is known."""
    if not np.isfinite(series.low).any() or not np.isfinite(series.high).any():
        return {}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        away = [STEPS * (each / series.values - 1) for each in (series.low, series.high)]
    return {"low": _whole(-away[0]), "high": _whole(away[1])}


def _whole(numbers: Floats) -> list[int | None]:
    fit = np.isfinite(numbers) & (np.abs(numbers) < 2**31)
    found: list[int | None] = np.where(fit, numbers, 0).round().astype(np.int64).tolist()
    for place in np.flatnonzero(~fit).tolist():
        found[place] = None
    return found


def rounded(values: Floats) -> Floats:
    """Return values with a few significant digits, as a chart cannot show more."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        found = np.round(values * scale) / scale
    sound: Floats = np.where(np.isfinite(found), found, values)
    return sound
