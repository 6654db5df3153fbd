"""The site shows what is sound among the results, and is there whole or not at all."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paceline.config import project
from paceline.errors import PacelineError
from paceline.pages import build, packed
from projects import Project
from sites import History, error, simple
from trees import row


def built(history: History, *, with_asv: bool = False) -> build.Built:
    """Build the site of a history in this process."""
    root = history.project.root
    results = project.results(root).folder
    return build.build(root, results, history.site, lambda _: None, with_asv=with_asv)


def data(history: History) -> dict[str, Any]:
    """Return the data of a site by their names."""
    folder = history.site / "data"
    return {path.stem: packed.read(folder, path.stem) for path in folder.glob("*.js")}


def configure(history: History, repo: str, **more: Any) -> None:
    configuration = {"version": 1, "repo": repo, "results_dir": ".asv/results", "html_dir": ".asv/html"}
    history.project.write({"asv.conf.json": json.dumps(configuration | {"project": "p"} | more)})


def test_every_value_is_there(history: History) -> None:
    history.describe("suite.time_it", params={"suite.time_it": [["1", "2"]]})
    level = [1.0] * 6 + [1.23456] * 6
    rows = [{"suite.time_it": row(each, [["1", "2"]])} for each in level]
    history.write({f"{at}.json": history.document(at, each) for at, each in enumerate(rows) if at != 3})
    built(history)
    found = data(history)
    assert found["suite"] == {"commitUrl": "", "families": ["suite.time_it"], "first": 0}
    commits = [at for at in range(12) if at != 3]
    assert found["runs"]["commits"] == "".join(history.commits[at] for at in commits)
    assert found["runs"]["runs"] == [0] + [1] * 10
    first, second = found["b0"]["series"]
    assert (found["b0"]["axes"], first["at"], second["at"]) == (["n0"], ["1"], ["2"])
    assert first["runs"] == [0] + [1] * 10
    assert first["values"] == [1.0] * 5 + [1.235] * 6
    assert first["low"] == first["high"] == [50] * 11
    assert found["overview"]["suite"]["newest"]["commit"] == history.commits[11]


def test_commits_have_subjects_packages_and_releases(history: History) -> None:
    simple(history)
    history.project.git("tag", "v1", history.commits[4])
    history.project.git("tag", "nightly", history.commits[6])
    (history.results / "lab" / f"{history.commits[4][:8]}-env.json").unlink()
    rows = {"suite.time_it": row(1.0)}
    history.write({"11.json": history.document(11, rows, requirements={"numpy": "3.0"})})
    built(history)
    found = data(history)
    assert [(name, at) for name, _, at in found["runs"]["releases"]] == [("v1", 4)]
    assert found["details"]["subjects"] == ["c"] * 11
    assert [each["numpy"] for each in found["details"]["packages"]] == ["2.0", "3.0"]


def malformed(history: History) -> dict[str, bytes]:
    """Return broken files of many kinds."""
    sound = history.document(0, {"suite.time_it": row(1.0)})
    text = json.dumps(sound)

    def with_row(cells: Any) -> bytes:
        return json.dumps(sound | {"results": {"suite.time_it": cells}}).encode()

    return {
        "truncated": text[:200].encode(),
        "empty": b"",
        "infinity": with_row([[math.inf], [], "v1"]),
        "list-of-results": json.dumps(sound | {"results": []}).encode(),
        "text-result": with_row(["abc", [], "v1"]),
        "newer": json.dumps(sound | {"version": 3}).encode(),
        "bad-utf8": text.encode().replace(b"suite", b"su\xff\xfe"),
        "deep": b"[" * 100_000,
    }


def test_broken_files_are_named_and_the_rest_is_published(history: History, tmp_path: Path) -> None:
    simple(history)
    built(history)
    before = data(history)
    folder = history.results / "lab"
    bad = malformed(history)
    for name, content in bad.items():
        (folder / f"{name}.json").write_bytes(content)
    (folder / "dangling.json").symlink_to(tmp_path / "nowhere")
    history.write({"a.json": history.document(0, {}, params={"machine": "old"})}, "old")
    (history.results / "old" / "machine.json").write_text("{}")
    named = sorted(each.path.stem for each in built(history).quarantined)
    assert named == sorted([*bad, "dangling", "machine"])
    after = data(history)
    assert after["suite"] == before["suite"]
    assert after["b0"]["series"][0]["values"] == before["b0"]["series"][0]["values"]


ENDLESS = {"name": "suite.time_it", "version": "v1", "param_names": ["n"] * 9, "params": [["1"] * 99] * 9}


@pytest.mark.parametrize(
    "content",
    ["", '{"version": 2, "suite.time_it": 1}', json.dumps({"version": 2, "suite.time_it": ENDLESS})],
    ids=["empty", "number", "endless"],
)
def test_broken_list_of_benchmarks_is_not_needed(history: History, content: str) -> None:
    simple(history)
    (history.results / "benchmarks.json").write_text(content)
    built(history)
    assert data(history)["suite"]["families"] == ["suite.time_it"]


@pytest.mark.parametrize("name", ["", "../../up", "s." + "x" * 300, "</script>", 'a"b\\'])
def test_any_name_can_be_shown(history: History, name: str) -> None:
    history.write({"odd.json": history.document(3, {name: row(1.0)})})
    built(history)
    assert data(history)["suite"]["families"] == [name]
    assert sorted(path.name for path in history.site.parent.iterdir()) == ["html", "results"]


def test_what_is_no_text_or_number_is_written_as_json(tmp_path: Path) -> None:
    packed.write(tmp_path, "a", {"half \ud800": ["a\udcff", np.array([math.nan, math.inf, 1.5])]})
    assert packed.read(tmp_path, "a") == {"half ?": ["a?", [None, None, 1.5]]}


def test_uncommitted_changes_are_not_shown_as_a_commit(history: History) -> None:
    simple(history)
    history.write({"dirty.json": history.document(3, {"suite.time_it": row(9.0)}, ours=True, dirty=True)})
    assert "left out 1 run with uncommitted changes" in built(history).notices
    assert data(history)["b0"]["series"][0]["values"] == [1.0] * 12


def test_uncommitted_changes_alone_make_no_site(history: History) -> None:
    history.write({"dirty.json": history.document(3, {"suite.time_it": row(9.0)}, ours=True, dirty=True)})
    with pytest.raises(PacelineError, match=r"recorded with uncommitted changes. Commit the changes"):
        built(history)
    assert not history.site.exists()


def test_extreme_values_are_written_as_numbers(history: History) -> None:
    names = ["suite.track_up", "suite.track_down", "suite.track_zero", "suite.track_small"]
    values = [sys.float_info.max, -sys.float_info.max, 0.0, 5e-324]
    for at in range(3):
        rows = {name: row(value) for name, value in zip(names, values, strict=True)}
        history.write({f"{at}.json": history.document(at, rows)})
    built(history)
    found = data(history)
    for name, value in zip(names, values, strict=True):
        shown = found[f"b{found['suite']['families'].index(name)}"]["series"][0]["values"]
        assert shown == pytest.approx([value] * 3, rel=1e-3)


def test_without_configuration(history: History) -> None:
    simple(history)
    history.built()
    assert f">{history.project.root.name}</a>" in (history.site / "index.html").read_text()


def test_results_and_output_of_one_s_own(history: History, tmp_path: Path) -> None:
    simple(history)
    history.results.rename(tmp_path / "elsewhere")
    said = history.built("--results", str(tmp_path / "elsewhere"), "--output", str(tmp_path / "site"))
    assert f"site: {tmp_path / 'site' / 'index.html'}" in said
    assert (tmp_path / "site" / "compare.html").exists()


def test_without_results(history: History) -> None:
    assert "no usable results in" in error(history.pages())
    history.results.rmdir()
    with pytest.raises(PacelineError, match="no folder of results"):
        built(history)


def test_asv_is_needed_for_its_own_site_only(history: History) -> None:
    simple(history)
    script = "import sys; sys.modules['asv'] = None; from paceline.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments in ([], ["--asv"]):
        command = [sys.executable, "-c", script, "pages", "--results", ".asv/results", *arguments]
        done = subprocess.run(command, cwd=history.project.root, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == bool(arguments)
    assert "`paceline pages --asv` needs asv. Run `pip install 'paceline[pages]'`." in error(done)


def test_asv_publishes_the_same_results(history: History) -> None:
    simple(history)
    history.describe("suite.time_it", "test_speed.listed")  # in an old version
    rows = {f"test_speed.{name}": row(1.0, version="v2") for name in ("listed", "test_it")}
    history.write({"ours.json": history.document(11, rows, ours=True)})
    (history.results / "lab" / "broken.json").write_text("{")
    stray = history.document(0, {"suite.time_it": row(1.0)}, commit_hash="f" * 40)
    history.write({"stray.json": stray})
    configure(history, "https://127.0.0.1:9/p.git")
    built(history, with_asv=True)
    index = json.loads((history.site / "asv" / "index.json").read_text())
    assert list(index["benchmarks"]) == ["suite.time_it", "test_speed.listed", "test_speed.test_it"]
    graphs = history.site / "asv" / "graphs" / "summary"
    counts = {path.stem: len(json.loads(path.read_text())) for path in graphs.glob("*.json")}
    assert counts == {"suite.time_it": 12, "test_speed.listed": 1, "test_speed.test_it": 1}
    assert 'href="asv/index.html"' in (history.site / "index.html").read_text()


def test_asv_s_failure_is_one_line_and_keeps_the_old_site(history: History) -> None:
    simple(history)
    built(history)
    before = data(history)
    configure(history, ".", regressions_first_commits={".*": "nowhere"})
    with pytest.raises(PacelineError, match=r"^asv publish failed: .*nowhere"):
        built(history, with_asv=True)
    assert data(history) == before


ADDRESSES = ("https://127.0.0.1:9/p.git", "ssh://git@127.0.0.1:9/p", "git@127.0.0.1:p.git")


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_of_the_project_is_not_asked(history: History, address: str) -> None:
    simple(history)
    configure(history, address)
    before = set(history.project.root.iterdir())
    assert not [each for each in built(history).notices if "no repository" in each]
    assert data(history)["details"]["subjects"] == ["c"] * 12
    assert {path.name for path in set(history.project.root.iterdir()) - before} == {".paceline"}


def test_asv_s_clone_is_used(history: History) -> None:
    simple(history)
    (history.project.root / ".git").rename(history.project.root.parent / "clone.git")
    configure(history, ADDRESSES[0])
    assert 'name the clone in asv.conf.json, as in "repo": "../clone"' in built(history).notices[0]
    assert data(history)["details"]["subjects"] == [""] * 12
    (history.project.root.parent / "clone.git").rename(history.project.root / "p")  # where asv keeps its own
    built(history)
    assert data(history)["details"]["subjects"] == ["c"] * 12


def test_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    outside = History(Project(tmp_path, tmp_path / "t"), [f"{at:040x}" for at in range(3)])
    outside.write({f"{at}.json": outside.document(at, {"suite.time_it": row(1.0)}) for at in (2, 0, 1)})
    assert "no repository on this disk" in built(outside).notices[0]
    assert data(outside)["runs"]["commits"] == "".join(outside.commits)


@pytest.mark.parametrize("address", ["javascript:alert(1)//", "#", "ftp://x/"])
def test_address_that_is_none_is_not_linked(history: History, address: str) -> None:
    simple(history)
    configure(history, ".", show_commit_url=address)
    built(history)
    assert data(history)["suite"]["commitUrl"] == ""


def test_failure_leaves_the_old_site(history: History) -> None:
    simple(history)
    built(history)
    before = data(history)
    (history.project.root / ".paceline" / "accepted.toml").write_text("not toml")
    with pytest.raises(PacelineError, match=r"accepted\.toml"):
        built(history)
    assert data(history) == before
    assert [path.name for path in history.site.parent.iterdir() if ".html." in path.name] == []


def test_output_that_is_no_site_is_not_replaced(history: History, tmp_path: Path) -> None:
    simple(history)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    assert "is not empty, and not a site" in error(history.pages("--output", str(tmp_path / "home")))
    assert (tmp_path / "home" / "letter").exists()


def test_output_that_is_a_link_is_followed(history: History, tmp_path: Path) -> None:
    simple(history)
    history.site.symlink_to(tmp_path / "site")
    for _ in range(2):
        built(history)
        assert history.site.is_symlink()
        assert (tmp_path / "site" / "compare.html").is_file()


def test_kill_leaves_the_old_site(history: History) -> None:
    simple(history)
    built(history)
    before = data(history)
    rng = random.Random(5)
    killed = 0
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "paceline.cli", "pages", "--results", ".asv/results", "--output", ".asv/html"]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=history.project.root, stdout=quiet, stderr=quiet)
        while process.poll() is None and not list(history.site.parent.glob(".html.*.new")):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert data(history) == before
    assert killed, "no build was caught"
    built(history)
    assert list(history.site.parent.glob(".html.*")) == []
    assert data(history) == before


def test_git_is_asked_a_few_times_however_many_tags_there_are(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple(history)
    for number in range(40):
        history.project.git("tag", f"v{number}", history.commits[number % 12])
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    built(history)
    assert len(data(history)["runs"]["releases"]) == 40
    assert trace.read_text().count("trace: built-in: git") < 20
