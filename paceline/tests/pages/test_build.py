"""The site holds what asv's holds, whatever else lies among the results, and is there whole or not at all."""

import html
import itertools
import json
import math
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from sites import History, error, simple
from trees import row

SIZES = [["10", "100"], ["'a'", "'b'"]]


def full(history: History) -> None:
    """Fill a history with all that asv knows: parameters, gaps, failures, machines, versions, runs of one commit."""
    rng = random.Random(3)
    history.grow(30)
    params = {"suite.Some.time_param": SIZES, "suite.track_size": []}
    history.describe("suite.time_it", "suite.Some.time_param", "suite.track_size", "suite.time_gone", params=params)
    for machine, number in itertools.product(("lab", "attic"), range(len(history.commits))):
        if machine == "attic" and number % 3:
            continue
        level = 1.0 if number < 25 else 1.4
        rows = {
            "suite.time_it": row(level * rng.lognormvariate(0, 0.01)),
            "suite.Some.time_param": row(level * rng.lognormvariate(0, 0.01), SIZES),
            "suite.track_size": row(None if number in {5, 6} else 100.0 + number // 20),
            "suite.time_gone": row(1.0, version="old"),
            "suite.time_unknown": row(1.0),
        }
        if number % 7 == 3:
            rows["suite.Some.time_param"] = row(level, [["10", "1000"], ["'a'", "'b'"]])
        if number % 7 == 5:
            rows["suite.time_it"] = [None, [], "v1"]
        document = history.document(number, rows, params={"machine": machine, "os": "Linux", "ram": None})
        history.write({f"{history.commits[number][:8]}-env.json": document}, machine)
        if number % 10 == 2:
            again = history.document(number, {"suite.time_it": row(level * 1.01)})
            again["params"] = document["params"]
            history.write({f"{history.commits[number][:8]}-again.json": again}, machine)
    history.project.git("tag", "v1", history.commits[10])
    history.project.git("tag", "-a", "-m", "two", "v2", history.commits[20])
    configuration = {"version": 1, "project": "p", "repo": ".", "branches": ["main"], "html_dir": ".asv/html"}
    configuration |= {"results_dir": ".asv/results", "show_commit_url": "https://example.org/"}
    history.project.write({"asv.conf.json": json.dumps(configuration)})


def by_asv(history: History, output: Path) -> None:
    """Have asv publish the same results."""
    script = "import sys; from asv.main import main; main()"
    subprocess.run(
        [sys.executable, "-c", script, "publish", "-o", str(output)],
        cwd=history.project.root,
        env=history.project.environment(),
        check=True,
        capture_output=True,
    )


def difference(one: Any, other: Any, place: str = "") -> str:
    """Say where two JSON documents differ first; "" if nowhere. asv's order of some lists is that of a set."""
    if isinstance(one, dict) and isinstance(other, dict):
        if set(one) != set(other):
            return f"{place}: {set(one) ^ set(other)}"
        return next((found for name in one if (found := difference(one[name], other[name], f"{place}/{name}"))), "")
    if isinstance(one, list) and isinstance(other, list):
        if place in {"/regressions", "/graph_param_list"}:
            one, other = (sorted(each, key=lambda item: json.dumps(item, sort_keys=True)) for each in (one, other))
        pairs = enumerate(itertools.zip_longest(one, other, fillvalue="nothing"))
        return next((found for at, pair in pairs if (found := difference(*pair, f"{place}[{at}]"))), "")
    if isinstance(one, float) and isinstance(other, int | float):
        return "" if math.isclose(one, other, rel_tol=1e-14) else f"{place}: {one} {other}"
    return "" if one == other else f"{place}: {one!r} {other!r}"


def documents(site: Path) -> dict[str, Any]:
    """Return asv's data by their names, without the time of the build."""
    files = [*site.glob("*.json"), *(site / "graphs").rglob("*.json")]
    found = {str(path.relative_to(site)): json.loads(path.read_text()) for path in files if path.name != "info.json"}
    found["index.json"].pop("graphs_of", None)  # which asv does not have
    return found


def entries(site: Path) -> list[str]:
    """Return the entries of the feed; ampersands in links are escaped once more than asv does."""
    feed = (site / "regressions.xml").read_text(encoding="utf-8").replace("&amp;amp;", "&amp;")
    return sorted(re.findall(r"<entry>.*?</entry>", feed, re.DOTALL))


def test_data_are_those_of_asv(history: History, tmp_path: Path) -> None:
    full(history)
    history.built("--output", str(tmp_path / "ours"))
    by_asv(history, tmp_path / "asv")
    ours, asvs = documents(tmp_path / "ours"), documents(tmp_path / "asv")
    assert set(ours) == set(asvs)
    assert len(ours) > 8
    assert [found for name in asvs if (found := difference(asvs[name], ours[name]))] == []
    assert asvs["regressions.json"]["regressions"], "there is nothing to compare"
    assert entries(tmp_path / "ours") == entries(tmp_path / "asv") != []


def test_data_are_those_of_asv_when_a_commit_was_added(history: History, tmp_path: Path) -> None:
    full(history)
    for _ in range(2):
        history.built("--output", str(tmp_path / "ours"))
        history.grow(1)
        new = history.document(-1, {"suite.time_it": row(1.4)}, params={"machine": "lab", "os": "Linux", "ram": None})
        history.write({f"{history.commits[-1][:8]}-env.json": new})
    history.built("--output", str(tmp_path / "ours"))
    by_asv(history, tmp_path / "asv")
    ours, asvs = documents(tmp_path / "ours"), documents(tmp_path / "asv")
    assert [found for name in asvs if (found := difference(asvs[name], ours[name]))] == []


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 but no more", b"\0" * 4096])
def test_broken_cache_changes_nothing(history: History, damage: bytes) -> None:
    full(history)
    history.built()
    before = documents(history.site)
    for path in (history.project.root / ".paceline" / "cache").glob("*.npz"):
        path.write_bytes(damage)
    history.built()
    assert documents(history.site) == before


def malformed(history: History) -> dict[str, bytes]:
    """Return broken files of every kind that stopped asv, or made it forget."""
    sound = history.document(0, {"suite.time_it": row(1.0)})
    text = json.dumps(sound)

    def with_row(cells: Any) -> bytes:
        return json.dumps(sound | {"results": {"suite.time_it": cells}}).encode()

    return {
        "truncated": text[:200].encode(),
        "empty": b"",
        "null": b"null",
        "infinity": with_row([[math.inf], [], "v1"]),
        "list-of-results": json.dumps(sound | {"results": []}).encode(),
        "scalar-row": with_row(1.0),
        "scalar-result": with_row([1.0, [], "v1"]),
        "text-result": with_row(["abc", [], "v1"]),
        "no-params": with_row([[1.0]]),
        "interval-of-text": with_row([[1.0], [], "v1", None, None, "low", "high"]),
        "wrong-length": with_row([[1.0, 2.0], [["1", "2", "3"]], "v1"]),
        "list-of-os": json.dumps(sound | {"params": {"machine": "lab", "os": []}}).encode(),
        "version-of-text": json.dumps(sound | {"version": "2"}).encode(),
        "newer": json.dumps(sound | {"version": 3}).encode(),
        "no-commit": json.dumps(sound | {"commit_hash": None}).encode(),
        "date-of-text": json.dumps(sound | {"date": "today"}).encode(),
        "bad-utf8": text.encode().replace(b"suite", b"su\xff\xfe"),
        "deep": b"[" * 100_000,
    }


def test_broken_files_are_named_and_the_rest_is_published(history: History, tmp_path: Path) -> None:
    simple(history)
    history.built()
    before = documents(history.site)
    folder = history.results / "lab"
    bad = malformed(history)
    for name, content in bad.items():
        (folder / f"{name}.json").write_bytes(content)
    (folder / "dangling.json").symlink_to(tmp_path / "nowhere")
    history.write({"a.json": history.document(0, {}, params={"machine": "old"})}, "old")
    (history.results / "old" / "machine.json").write_text("{}")
    said = history.built()
    lines = [line for line in said.splitlines() if line.startswith("quarantined: ")]
    for name in (*bad, "dangling"):
        assert sum(f"/{name}.json: " in line for line in lines) == 1, said
    assert sum("old/machine.json: " in line for line in lines) == 1, said
    assert len(lines) == len(bad) + 2
    after = documents(history.site)
    del after["index.json"], before["index.json"]  # which tells of the machine without results
    assert {name: each for name, each in after.items() if name in before} == before


ENDLESS = {"name": "suite.time_it", "version": "v1", "param_names": ["n"] * 9, "params": [["1"] * 99] * 9}


@pytest.mark.parametrize(
    "content",
    ["", "null", '{"version": 2, "suite.time_it": 1}', json.dumps({"version": 2, "suite.time_it": ENDLESS})],
    ids=["empty", "null", "number", "endless"],
)
def test_broken_list_of_benchmarks_is_made_anew(history: History, content: str) -> None:
    simple(history)
    (history.results / "benchmarks.json").write_text(content)
    history.built()
    assert list(history.read("index.json")["benchmarks"]) == ["suite.time_it"]
    assert len(history.read("graphs/summary/suite.time_it.json")) == len(history.commits)


@pytest.mark.parametrize(
    "params",
    [{"..": ""}, {".": ""}, {"": ""}, {"cpu": "x" * 300}, {f"k{number}": "y" * 90 for number in range(40)}],
    ids=["above", "here", "empty", "long", "many"],
)  # fmt: skip
def test_parameters_that_make_no_folder_are_left_out(history: History, params: dict[str, str]) -> None:
    simple(history)
    odd = history.document(3, {"suite.time_it": row(9.0)}, params={"machine": "lab"} | params)
    history.write({"odd.json": odd})
    assert "as their parameters cannot be names of folders: 1" in history.built()
    graphs = [path for path in (history.site / "graphs").rglob("suite.time_it.json") if "summary" not in path.parts]
    assert len(graphs) == 1
    assert not list(history.site.parent.glob("*.json"))


@pytest.mark.parametrize("name", ["", "summary", "s." + "x" * 300, "s." + "ä" * 130])
def test_names_that_make_no_file_are_left_out(history: History, name: str) -> None:
    simple(history)
    history.describe("suite.time_it", name)
    history.write({"odd.json": history.document(3, {name: row(1.0)})})
    assert "the name cannot be a file name, or is too long" in history.built()
    assert list(history.read("index.json")["benchmarks"]) == ["suite.time_it"]


def test_names_that_asv_cannot_tell_apart(history: History) -> None:
    names = ["suite.test[a/b]", "suite.test[a?b]", "suite.test[f(x)]"]
    history.describe(*names)
    level = [1.0 if at < 6 else 2.0 for at in range(12)]
    history.write(
        {f"{at}.json": history.document(at, {name: row(level[at]) for name in names}) for at in range(12)}
    )  # fmt: skip
    said = history.built()
    assert "another benchmark has the same file name" in said
    assert "'suite.test[a/b]' and 2 more: not on asv's page of regressions" in said
    assert len(history.read("graphs/summary/suite.test[a_b].json")) == 12


def test_the_version_that_was_measured_last_is_shown_whatever_the_file_says(history: History) -> None:
    history.describe("suite.time_it", "suite.time_other")  # as a run of an old commit would leave it: v1
    for at in range(12):
        rows = {"suite.time_it": row(1.0, version="v1" if at < 4 else "v2"), "suite.time_other": row(2.0)}
        history.write({f"{12 - at}.json": history.document(at, rows)})
    history.built()
    assert len(history.read("graphs/summary/suite.time_it.json")) == 8
    assert len(history.read("graphs/summary/suite.time_other.json")) == 12


def test_names_that_pytest_escaped(history: History) -> None:
    name = r"suite.test[gr\xf6\xdfe^1]"
    history.describe(name)
    level = [1.0 if at < 6 else 2.0 for at in range(12)]
    history.write({f"{at}.json": history.document(at, {name: row(level[at])}) for at in range(12)})
    said = history.built()
    assert said.count("note: ") == said.count("note: no series has 14 values yet") == 1
    assert len(history.read("graphs/summary/suite.test[gr_xf6_xdfe_1].json")) == 12
    assert [each[0] for each in history.read("regressions.json")["regressions"]] == [name]


def test_uncommitted_changes_are_not_shown_as_a_commit(history: History) -> None:
    simple(history)
    history.write({"dirty.json": history.document(3, {"suite.time_it": row(9.0)}, ours=True, dirty=True)})
    assert "left out 1 run with uncommitted changes" in history.built()
    assert [value for _, value in history.read("graphs/summary/suite.time_it.json")] == [1.0] * 12


def test_uncommitted_changes_alone_make_no_site(history: History) -> None:
    history.write({"dirty.json": history.document(3, {"suite.time_it": row(9.0)}, ours=True, dirty=True)})
    said = error(history.pages())
    assert said.endswith("were recorded with uncommitted changes. Commit the changes, and record again.")
    assert not history.site.exists()


def test_means_too_large_for_a_float_are_missing(history: History) -> None:
    names = [f"suite.track_{sign}" for sign in ("up", "down")]
    history.describe(*names, params={name: [["1", "2", "3"]] for name in names})
    largest = sys.float_info.max
    for at in range(12):
        for run in range(2 if at == 5 else 1):
            value = largest if at in {5, 8} else 1.0
            rows = {name: row(sign * value, [["1", "2", "3"]]) for name, sign in zip(names, (1, -1), strict=True)}
            history.write({f"{at}-{run}.json": history.document(at, rows)})
    assert "Warning" not in history.built()

    def infinite(constant: str) -> None:
        raise AssertionError(constant)

    scripts = [history.site / "compare-data.js", history.site / "slowdowns-data.js"]
    scripts += history.site.rglob("*.json.js")
    assert len(scripts) > 8
    for path in scripts:
        data = path.read_text(encoding="utf-8").removeprefix("pacelineData(").removesuffix(");\n")
        json.loads(data, parse_constant=infinite)
    (graph,) = (path for path in (history.site / "graphs").rglob(f"{names[0]}.json") if "summary" not in path.parts)
    points = json.loads(graph.read_text(encoding="utf-8"))
    assert [at for at, values in points if None in values] == [5]


def test_feed_holds_no_markup_of_others(history: History) -> None:
    name = "suite.time_'&;"
    history.describe(name, unit="<b>seconds</b>")
    history.write(
        {f"{at}.json": history.document(at, {name: row(1.0 if at < 6 else 2.0)}) for at in range(12)}
    )  # fmt: skip
    history.built()
    content = html.unescape((history.site / "regressions.xml").read_text(encoding="utf-8"))  # HTML in turn
    assert "<b>" not in content
    assert '<a href="index.html#suite.time_%27&amp;%3B?commits=' in content


def test_without_configuration(history: History) -> None:
    simple(history)
    history.built()
    assert history.read("index.json")["project"] == history.project.root.name
    assert history.read("index.json")["params"]["branch"] == ["main"]


def test_results_and_output_of_one_s_own(history: History, tmp_path: Path) -> None:
    simple(history)
    history.results.rename(tmp_path / "elsewhere")
    said = history.built("--results", str(tmp_path / "elsewhere"), "--output", str(tmp_path / "site"))
    assert f"site: {tmp_path / 'site' / 'index.html'}" in said
    assert (tmp_path / "site" / "compare.html").exists()


def test_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    outside = History(Project(tmp_path, tmp_path / "t"), [])
    assert "is not a git repository" in error(outside.pages())


def test_without_results(history: History) -> None:
    assert "no usable results in" in error(history.pages())
    history.results.rmdir()
    assert "no folder of results" in error(history.pages())


def test_without_asv(history: History) -> None:
    script = "import sys; sys.modules['asv'] = None; from paceline.cli import main; sys.exit(main(['pages']))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=history.project.root, capture_output=True, text=True, check=False)
    assert "`paceline pages` needs asv. Run `pip install 'paceline[pages]'`." in error(done)


def configure(history: History, repo: str, **more: Any) -> None:
    configuration = {"version": 1, "repo": repo, "results_dir": ".asv/results", "project": "p"}
    history.project.write({"asv.conf.json": json.dumps(configuration | more)})


@pytest.mark.parametrize(("repo", "reason"), [("", "No repo specified"), ("nowhere", "is not a git repository")])
def test_repository_that_is_not_there(history: History, repo: str, reason: str) -> None:
    simple(history)
    configure(history, repo)
    assert reason in error(history.pages())


ADDRESSES = ("https://127.0.0.1:9/p.git", "ssh://git@127.0.0.1:9/p", "git@127.0.0.1:p.git")


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_of_the_project_is_not_asked(history: History, address: str) -> None:
    simple(history)
    configure(history, address, html_dir=".asv/html")
    before = set(history.project.root.iterdir())
    history.built()
    assert len(history.read("graphs/summary/suite.time_it.json")) == 12
    assert {path.name for path in set(history.project.root.iterdir()) - before} == {".paceline"}


def test_address_of_another_project_is_not_cloned(history: History) -> None:
    simple(history)
    (history.project.root / ".git").rename(history.project.root.parent / "clone.git")
    configure(history, ADDRESSES[0], html_dir=".asv/html")
    said = error(history.pages())
    assert 'name the clone in asv.conf.json, as in "repo": "../clone"' in said
    assert not (history.project.root / "p").exists()
    (history.project.root.parent / "clone.git").rename(history.project.root / "p")  # where asv keeps its own
    history.built()


def test_what_asv_warns_of_is_a_note(history: History) -> None:
    simple(history)
    history.grow(1)
    new = history.commits[-1]
    configure(history, ".", html_dir=".asv/html", regressions_first_commits={".*": new})
    said = history.built().splitlines()
    assert [line for line in said if new in line] == [
        f"note: Commit {new} specified in `regressions_first_commits` not found in branch"
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("regressions_thresholds", {"(": 1}, "expected a regular expression, got '(': missing ), unterminated"),
        ("regressions_thresholds", {"a{99999999999}": 1}, "got 'a{99999999999}': the repetition number"),
        ("regressions_thresholds", {".*": "much"}, "'.*': expected a number, got 'much'"),
        ("regressions_thresholds", [], "regressions_thresholds: expected an object, got []"),
        ("hash_length", float("inf"), "hash_length: expected 1 to 40, got inf"),
        ("hash_length", "8", "hash_length: expected 1 to 40, got '8'"),
        ("regressions_first_commits", {"(": "main"}, "expected a regular expression, got '('"),
        ("regressions_first_commits", {".*": 1}, "'.*': expected a commit or null, got 1"),
        ("regressions_first_commits", {".*": "no\npe"}, "no commit 'no\\npe' in the repository"),
        ("show_commit_url", 1, "show_commit_url: expected a string, got 1"),
    ],
)
def test_configuration_that_asv_stumbles_over(history: History, name: str, value: object, said: str) -> None:
    simple(history)
    history.built()
    before = documents(history.site)
    configure(history, ".", html_dir=".asv/html", **{name: value})
    assert said in error(history.pages())
    assert documents(history.site) == before


def test_address_that_is_none_is_not_linked(history: History) -> None:
    simple(history)
    configure(history, ".", html_dir=".asv/html", show_commit_url="http://[")
    history.built()
    assert history.read("index.json")["show_commit_url"] == "#"


def test_results_of_another_project(history: History) -> None:
    history.write({"a.json": history.document(0, {"suite.time_it": row(1.0)}, commit_hash="f" * 40)})
    history.describe("suite.time_it")
    assert "Fetch the branch that was measured" in error(history.pages())


def test_failure_leaves_the_old_site(history: History) -> None:
    simple(history)
    history.built()
    before = documents(history.site)
    (history.project.root / ".paceline" / "accepted.toml").write_text("not toml")
    error(history.pages())
    assert documents(history.site) == before
    assert [path.name for path in history.site.parent.iterdir() if ".html." in path.name] == []


def test_output_that_is_no_site_is_not_replaced(history: History, tmp_path: Path) -> None:
    simple(history)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    assert "is not empty, and not a site" in error(history.pages("--output", str(tmp_path / "home")))
    assert (tmp_path / "home" / "letter").exists()


def test_output_that_is_a_link_is_followed(history: History, tmp_path: Path) -> None:
    simple(history)
    (tmp_path / "link").symlink_to(tmp_path / "site")
    for _ in range(2):
        history.built("--output", str(tmp_path / "link"))
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "site" / "compare.html").is_file()


def test_feed_links_no_commit_where_no_address_is_known(history: History) -> None:
    history.describe("suite.time_it")
    history.write(
        {f"{at}.json": history.document(at, {"suite.time_it": row(1.0 if at < 6 else 2.0)}) for at in range(12)}
    )  # fmt: skip
    configure(history, ".", html_dir=".asv/html", show_commit_url="javascript:alert(1)//")
    history.built()
    content = html.unescape((history.site / "regressions.xml").read_text(encoding="utf-8"))
    assert f"in commit {history.commits[6][:8]}." in content
    assert "javascript" not in content


def test_kill_leaves_the_old_site(history: History) -> None:
    full(history)
    history.built()
    before = documents(history.site)
    rng = random.Random(5)
    killed = 0
    quiet = subprocess.DEVNULL
    for _ in range(6):
        command = [
            sys.executable,
            "-m",
            "paceline.cli",
            "pages",
            "--results",
            ".asv/results",
            "--output",
            ".asv/html",
        ]
        process = subprocess.Popen(command, cwd=history.project.root, stdout=quiet, stderr=quiet)
        while process.poll() is None and not list(history.site.parent.glob(".html.*.new")):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert documents(history.site) == before
    assert killed, "no build was caught"
    history.built()
    assert list(history.site.parent.glob(".html.*")) == []
    assert documents(history.site) == before


def test_git_is_asked_a_few_times_however_many_tags_there_are(history: History, tmp_path: Path) -> None:
    simple(history)
    history.project.git("checkout", "--quiet", "-b", "side")
    elsewhere = history.project.commit({"a": "1"})
    stray = {
        f"{at}.json": history.document(0, {"suite.time_it": row(1.0)}, commit_hash=elsewhere) for at in range(20)
    }
    history.write(stray)
    for number in range(40):
        history.project.git("tag", f"v{number}", history.commits[number % 12])
    history.project.write({"asv.conf.json": json.dumps({"version": 1, "repo": ".", "branches": ["main"]})})
    trace = tmp_path / "trace"
    environment = history.project.environment() | {"GIT_TRACE": str(trace)}
    command = [sys.executable, "-m", "paceline.cli", "pages", "--results", ".asv/results"]
    done = subprocess.run(
        command, cwd=history.project.root, env=environment, capture_output=True, check=True, text=True
    )
    assert "left out 20 runs whose commits are not on main" in done.stderr
    assert trace.read_text().count("trace: built-in: git") < 20
