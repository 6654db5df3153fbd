"""The chart shows the figures of the table, to scale, and can be read in light and dark."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks import chart
from benchmarks.summary import Result

READS_ALL = "reads all the data in every epoch"
SVG = "{http://www.w3.org/2000/svg}"


def result(contender: str, seconds: float | None, size: str = "small", approach: str = READS_ALL) -> Result:
    return Result("gradient_descent", contender, size, seconds, extra_info={"approach": approach})


def drawn(*results: Result) -> ET.Element:
    """Return the chart of ``results``, which is well-formed."""
    return ET.fromstring(chart.draw(results))  # noqa: S314 - our own


def texts(picture: ET.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def bars(picture: ET.Element) -> list[tuple[str, float, float]]:
    """Return the class of each bar, and where it begins and ends."""
    found = [dict(bar.attrib) for bar in picture.iter(f"{SVG}rect") if bar.get("class") != "page"]
    return [(bar["class"], float(bar["x"]), float(bar["x"]) + float(bar["width"])) for bar in found]


def test_every_contender_has_its_ratio_and_its_time() -> None:
    said = texts(drawn(result("article_python", 2.0), result("with_numba", 0.004), result("with_torch", None)))
    for one, *rest in (("article_python", "1.00x", "2.00 s"), ("with_numba", "500x", "4.00 ms")):
        assert said[said.index(one) : said.index(one) + 3] == [one, *rest]
    assert "with_torch" not in said


def test_ten_times_as_fast_is_the_same_step_everywhere() -> None:
    picture = drawn(*(result(name, took) for name, took in (("article_python", 1.0), ("a", 0.1), ("b", 0.001))))
    ends = [end for _, _, end in bars(picture)]
    starts = {start for _, start, _ in bars(picture)}
    assert len(starts) == 1
    assert ends[2] - min(starts) == pytest.approx(3 * (ends[1] - min(starts)), abs=0.2)


def test_what_is_slower_goes_to_the_other_side() -> None:
    (_, start, end), (_, one, _), *_ = bars(drawn(result("article_python", 1.0), result("with_dask", 7.0)))
    assert start < end == pytest.approx(one, abs=0.2)


def test_another_algorithm_has_another_colour_under_its_own_heading() -> None:
    picture = drawn(result("article_python", 1.0), result("moments_numpy", 0.01, approach="reads the data once"))
    assert [kind for kind, *_ in bars(picture)] == ["own", "other"]
    assert texts(picture).index("reads the data once") < texts(picture).index("moments_numpy")


def test_it_is_of_the_largest_size_of_the_first_workload() -> None:
    other = Result("least_squares", "pinv_numpy", "article", 1.0)
    said = texts(drawn(other, result("article_python", 1.0, size="article"), result("article_python", 3.0)))
    assert said[1].startswith("gradient_descent, article: 10,000 points")


def test_without_the_baseline_the_slowest_is_compared_with() -> None:
    assert texts(drawn(result("with_jax", 0.1), result("with_dask", 0.3)))[0].endswith("as fast as with_dask?")


def test_nothing_timed_is_nothing_drawn() -> None:
    with pytest.raises(ValueError, match="no benchmark was timed"):
        chart.draw([result("with_torch", None)])


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [chart.LIGHT, chart.DARK])
def test_text_has_the_contrast_that_wcag_asks_for(colours: tuple[str, ...]) -> None:
    page, text, quiet, _, own, other = map(_luminance, colours)
    for colour in (text, quiet, own, other):
        low, high = sorted((colour, page))
        assert (high + 0.05) / (low + 0.05) >= 4.5
