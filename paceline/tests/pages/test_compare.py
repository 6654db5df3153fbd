"""Compare puts side by side what differs by a parameter only, the latest of each."""

from typing import Any

from paceline.history.asv import store
from paceline.pages import compare
from sites import History
from trees import row


def data(history: History, described: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    read = store.load(history.results, repository=history.project.root, cache=history.project.root / "cache")
    found: list[dict[str, Any]] = compare.data(read, described or {})["families"]
    return found


def axes(**values: Any) -> dict[str, Any]:
    return {"group": "", "axes": values}


def test_tests_with_parameters(history: History) -> None:
    names = {
        f"t.test_run[{who}-{size}]": axes(contender=who, size=size) for who in ("py", "np") for size in (100, 20)
    }
    for number, value in ((0, 5.0), (1, 1.0)):
        rows = {name: row(value + place) for place, name in enumerate(names)}
        history.write({f"{number}.json": history.document(number, rows, ours=True, benchmarks=names)})
    (family,) = data(history)
    assert family["name"] == "t.test_run"
    assert family["axes"] == [
        {"name": "contender", "values": ["np", "py"], "last": {}},
        {"name": "size", "values": ["20", "100"], "last": {}},
    ]
    assert family["by"] == 0
    shown = {tuple(each["at"]): (each["value"], each["low"], each["high"]) for each in family["rows"]}
    assert shown == {
        ("py", "100"): (1.0, 0.9, 1.1),
        ("py", "20"): (2.0, 1.8, 2.2),
        ("np", "100"): (3.0, 2.7, 3.3000000000000003),
        ("np", "20"): (4.0, 3.6, 4.4),
    }
    assert {each["commit"] for each in family["rows"]} == {history.commits[1]}


def test_benchmarks_of_asv_with_parameters(history: History) -> None:
    params = [["'a'", '"it\'s"'], ["10", "9"]]
    history.write({"0.json": history.document(0, {"s.time_it": row(1.0, params)})})
    (family,) = data(history, {"s.time_it": {"param_names": ["backend", "n"]}})
    shown = {axis["name"]: axis["values"] for axis in family["axes"]}
    assert shown == {"backend": ["a", "it's"], "n": ["9", "10"]}
    assert family["by"] == 0
    (unnamed,) = data(history)
    assert [axis["name"] for axis in unnamed["axes"]] == ["parameter 1", "parameter 2"]
    assert unnamed["by"] == 1


def test_tests_of_one_group(history: History) -> None:
    described = {f"t.test_{who}": {"group": "sum", "axes": {}} for who in ("py", "np")}
    rows = {name: row(1.0) for name in described}
    history.write({"0.json": history.document(0, rows, ours=True, benchmarks=described)})
    (family,) = data(history)
    assert family["name"] == "sum"
    assert family["axes"] == [{"name": "test", "values": ["test_np", "test_py"], "last": {}}]


def test_values_are_written_and_ordered_as_people_do(history: History) -> None:
    sizes = ["1000 rows", "40 rows", None, True, "a"]
    described = {f"t.test_it[{place}]": axes(size=size) for place, size in enumerate(sizes)}
    rows = dict.fromkeys(described, row(1.0))
    history.write({"0.json": history.document(0, rows, ours=True, benchmarks=described)})
    (family,) = data(history)
    assert family["axes"][0]["values"] == ["40 rows", "1000 rows", "None", "True", "a"]


def test_what_the_newest_commit_lacks_comes_last(history: History) -> None:
    described = {f"t.test_it[{who}]": axes(impl=who) for who in ("b", "a", "c")}
    for number in (0, 1):
        rows = {name: row(1.0) for name in list(described)[: 3 - number]}
        history.write({f"{number}.json": history.document(number, rows, ours=True, benchmarks=described)})
    (family,) = data(history)
    assert family["axes"][0]["values"] == ["a", "b", "c"]
    assert family["axes"][0]["last"] == {"c": history.commits[0][:10]}
    without_a = {name: row(1.0) for name in described if "[a]" not in name}
    history.write({"2.json": history.document(2, without_a, ours=True, benchmarks=described)})
    (family,) = data(history)
    assert family["axes"][0]["values"] == ["b", "c", "a"]


def test_values_that_are_all_zero_are_not_shown_first(history: History) -> None:
    rows = {"a.track_it": row(0.0, [["1", "2"]]), "b.time_it": row(1.0, [["1", "2"]])}
    units = {
        name: {"name": name, "unit": unit, "param_names": ["n"]}
        for name, unit in zip(rows, ("errors", "seconds"), strict=True)
    }
    history.write({"0.json": history.document(0, rows), "../benchmarks.json": {"version": 2, **units}})
    shown = compare.data(store.load(history.results, repository=history.project.root), units)
    assert [family["name"] for family in shown["families"]] == list(rows)
    assert shown["first"] == 1


def test_implementations_are_what_is_shown_first(history: History) -> None:
    described = {f"a.test_it[{size}]": axes(size=size) for size in (1, 2)}
    described |= {f"b.test_it[{who}]": axes(backend=who) for who in ("x", "y")}
    rows = dict.fromkeys(described, row(1.0))
    history.write({"0.json": history.document(0, rows, ours=True, benchmarks=described)})
    read = store.load(history.results, repository=history.project.root)
    shown = compare.data(read, {})
    assert [each["name"] for each in shown["families"]] == ["a.test_it", "b.test_it"]
    assert shown["first"] == 1


def test_engines_and_machines_are_told_apart(history: History) -> None:
    described = {f"t.test_it[{size}]": axes(size=size) for size in (1, 2)}
    rows = {name: row(1.0) for name in described}
    history.write({"0.json": history.document(0, rows, ours=True, benchmarks=described)})
    history.write({"0.json": history.document(0, {"s.time_it": row(1.0, [["1", "2"]])})})
    assert len({each["where"] for family in data(history) for each in family["rows"]}) == 1
    other = history.document(1, rows, ours=True, benchmarks=described, engine="pytest-benchmark 6.0")
    history.write({"0.json": history.document(0, rows, ours=True, benchmarks=described), "1.json": other})
    assert {each["where"] for family in data(history) for each in family["rows"]} == {
        "lab, pytest-benchmark 5.3.1",
        "lab, pytest-benchmark 6.0",
    }


def test_nothing_to_compare(history: History) -> None:
    history.write({"0.json": history.document(0, {"s.time_it": row(1.0)})})
    assert data(history) == []
