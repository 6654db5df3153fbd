"""DuckDB reads the columns as one table, and answers the questions of docs/how-to/query-the-history.md."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paceline.config import project
from paceline.history.asv.store import load
from trees import ours, row, write

duckdb = pytest.importorskip("duckdb", reason="an optional package of the suite")

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "query-the-history.md"
VIEW, *QUESTIONS = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
TWO_DAYS = 2 * 86_400_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The view of the page: 400 days on two machines, in which one of three parameters becomes twice as slow."""
    root = tmp_path_factory.mktemp("project")
    results = root / ".asv" / "results"
    (root / ".git").mkdir()
    for machine, spread in {"calm": 0.1, "loud": 0.2}.items():
        write(results, {f"{day}.json": _result(day, machine, spread) for day in range(200)}, machine)
    load(results, repository=None)
    write(results, {"200.json": _result(200, "calm", 0.1)}, "calm")
    load(results, repository=None)
    assert len([*project.columns_folder(results).glob("*.parquet")]) == 2
    connection = duckdb.connect()
    connection.execute(VIEW.replace(".paceline/", f"{root}/.paceline/"))
    return connection


def _result(day: int, machine: str, spread: float) -> dict[str, Any]:
    step = 2.0 if day >= 150 else 1.0
    rows = {
        "test_speed.test_it": row((1.2 if day % 2 and machine == "loud" else 1.0) * 1e-3, [["1", "2"]]),
        "test_speed.test_slow": row(step * 1e-3),
    }
    for cells in rows.values():
        cells[7], cells[8] = ([value * (1 + sign * spread) for value in cells[0]] for sign in (-1, 1))
    document = ours(day, rows, packages={"python": "3.11.7", "numpy": "2.0" if day < 150 else "2.1"})
    date = 1_600_000_000_000 + TWO_DAYS * day
    return document | {"date": date, "params": document["params"] | {"machine": machine}}


def test_each_result_is_a_row(database: Any) -> None:
    assert database.execute("SELECT count(*) FROM results").fetchone() == (401 * 3,)
    one = database.execute("SELECT * FROM results WHERE file = 'calm/0.json' AND parameters = '[\"2\"]'")
    found = dict(zip([name for name, *_ in one.description], one.fetchone(), strict=True))
    date, started = (datetime.fromtimestamp(each, UTC).replace(tzinfo=None) for each in (1.6e9, 1.7e9))
    expected = {"benchmark": "test_speed.test_it", "machine": "calm", "engine": "pytest-benchmark 5.3.1"}
    expected |= {"environment": "", "version": "v1", "unit": "seconds", "commit": "0" * 40, "python": "3.11.7"}
    expected |= {"parameters": '["2"]', "file": "calm/0.json", "facts": '{"governor":"performance"}'}
    values = {"commit_date": date, "started": started, "dirty": False, "value": 1e-3, "low": 0.9e-3, "high": 1.1e-3}
    assert {name: value for name, value in found.items() if name not in {"run", "slot", "packages"}} == {
        **expected,
        **{name: pytest.approx(value) if isinstance(value, float) else value for name, value in values.items()},
    }


def test_the_page_lists_the_columns(database: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    listed = {
        name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert listed == {name for name, *_ in database.execute("DESCRIBE results").fetchall()}


def test_the_questions_are_answered(database: Any) -> None:
    growth, noise, steps, package, months = (database.execute(question).fetchall() for question in QUESTIONS)
    assert sorted(growth) == [("test_speed.test_slow", "[]", machine, 2.0) for machine in ("calm", "loud")]
    assert noise == [("loud", 40.0, 200), ("calm", 20.0, 201)]
    assert [(name, machine, percent) for name, _, machine, percent in steps if percent] == [
        ("test_speed.test_it", "loud", 18.23)
    ] * 2
    assert [version for version, *_ in package] == ["2.0", "2.1"]
    assert sum(count for *_, count in package) == 401 * 3
    assert sum(runs for _, runs, _ in months) == 401
    assert {benchmarks for *_, benchmarks in months} == {3}
