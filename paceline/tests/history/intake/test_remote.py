"""A history at a URL: many machines write to a real server that speaks S3, and any machine checks."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from paceline.cli import main
from paceline.config import project
from paceline.config.project import Results
from paceline.errors import PacelineError
from paceline.history.intake import remote
from projects import Project
from pyarrow import fs
from trees import MACHINE, commit, ours, row, write

URL = "s3://there/history"
BENCHMARK = "test_speed.test_it"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of a server on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FileSystem]:
    """Return the server with an empty bucket `there`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server, _ = fs.FileSystem.from_uri("s3://there?allow_bucket_creation=true&allow_bucket_deletion=true")
    server.create_dir("there")
    yield server
    if server.get_file_info("there").type is not fs.FileType.NotFound:
        server.delete_dir("there")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project without a repository, and go there."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def runs(*numbers: int, slow_from: int = 30) -> dict[str, object]:
    """Return runs of commits. The later ones are slower by a quarter."""
    rng = np.random.default_rng(1)
    values = 0.001 * np.exp(rng.normal(0, 0.01, 100)) * np.where(np.arange(100) < slow_from, 1.0, 1.25)
    return {f"{commit(at)[:8]}-run.json": ours(at, {BENCHMARK: row(float(values[at]))}) for at in numbers}


def mirror(root: Path) -> Results:
    """Return the mirror of a machine of its own."""
    return Results(root / ".paceline" / "mirrors" / "there" / "results", URL)


def objects(bucket: fs.FileSystem) -> dict[str, bytes]:
    """Return what is in the bucket, by names."""
    found = bucket.get_file_info(fs.FileSelector("there", recursive=True))
    paths = [each.path for each in found if each.type is fs.FileType.File]
    return {path.removeprefix("there/history/"): bucket.open_input_stream(path).read() for path in paths}


def put(bucket: fs.FileSystem, name: str, content: bytes) -> None:
    with bucket.open_output_stream(f"there/{name}") as stream:
        stream.write(content)


def test_many_machines_write_at_once_and_any_machine_checks(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = [mirror(here / str(number)) for number in range(4)]
    for place, each in enumerate(machines):
        write(each.folder, runs(*range(place, 40, 4)))
        (each.folder / "benchmarks.json").write_text("{}")
    with ThreadPoolExecutor() as pool:
        assert [*pool.map(remote.send, machines)] == [[]] * 4
    assert {*objects(bucket)} == {f"{MACHINE}/{name}" for name in ("machine.json", *runs(*range(40)))}
    assert main(["check", "--results", URL]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"SLOWER  {commit(30)[:8]} of ")
    assert printed.err == ""
    id_ = re.findall(r"id ([0-9a-f]{12})", printed.out)[0]
    assert main(["check", "--results", URL, "--accept", id_, "--reason", "known"]) == 0
    assert (here / ".paceline/accepted.toml").is_file()
    assert main(["pages", "--results", URL, "--output", "site"]) == 0
    assert (here / "site/index.html").is_file()


def test_only_new_and_changed_objects_come_and_deleted_ones_go(bucket: fs.FileSystem, here: Path) -> None:
    writer, reader = mirror(here / "writer"), mirror(here / "reader")
    write(writer.folder, runs(1, 2, 3))
    remote.send(writer)
    remote.receive(reader)
    first, second, third = sorted((reader.folder / MACHINE).glob("0*.json"))
    before = [path.stat().st_ino for path in (first, second)]
    put(bucket, f"history/{MACHINE}/{second.name}", b'{"extended": "by asv"}')
    put(bucket, "history/benchmarks.json", b"{}")
    bucket.delete_file(f"there/history/{MACHINE}/{third.name}")
    write(writer.folder, runs(4))
    assert remote.send(writer) == []
    assert remote.receive(reader) == []
    assert first.stat().st_ino == before[0]
    assert second.read_bytes() == b'{"extended": "by asv"}'
    assert {f"{MACHINE}/{path.name}" for path in (reader.folder / MACHINE).iterdir()} == {*objects(bucket)} - {
        "benchmarks.json"
    }
    assert not third.exists()
    assert (reader.folder / "benchmarks.json").read_bytes() == b"{}"
    assert remote.receive(writer) == []
    assert not (writer.folder / MACHINE / third.name).exists()
    assert f"{MACHINE}/{third.name}" not in objects(bucket)


def test_a_lost_listing_loses_nothing(bucket: fs.FileSystem, here: Path) -> None:
    machine = mirror(here)
    write(machine.folder, runs(1, 2))
    remote.send(machine)
    there = objects(bucket)
    for content in ("[1]", '{"a": 1}'):
        (machine.folder.parent / "listing.json").write_text(content)
        assert remote.receive(machine) == []
        assert objects(bucket) == there
        assert {f"{MACHINE}/{path.name}" for path in (machine.folder / MACHINE).iterdir()} == {*there}


def test_another_object_of_the_same_name_is_not_overwritten(bucket: fs.FileSystem, here: Path) -> None:
    machine = mirror(here)
    (name,) = runs(1)
    put(bucket, f"history/{MACHINE}/{name}", b"another machine's")
    put(bucket, f"history/{MACHINE}/machine.json", b"edited by hand")
    write(machine.folder, runs(1))
    before = (machine.folder / MACHINE / name).read_bytes()
    for action in (remote.send, remote.receive):
        (note,) = action(machine)
        assert note.endswith(f"{name}: {URL} has another object of this name; the local file was kept")
        assert (machine.folder / MACHINE / name).read_bytes() == before
        assert objects(bucket)[f"{MACHINE}/{name}"] == b"another machine's"
    assert objects(bucket)[f"{MACHINE}/machine.json"] == b"edited by hand"
    assert (machine.folder / MACHINE / "machine.json").read_bytes() == b"edited by hand"


def test_what_cannot_be_uploaded_is_kept_and_uploaded_by_the_next_command(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = project.results(here, URL)
    write(machine.folder, runs(*range(9)))
    bucket.delete_dir("there")
    with pytest.raises(PacelineError, match="NO_SUCH_BUCKET") as refused:
        remote.apart("send", machine, here, os.environ)
    kept = f"Until then 9 runs are kept in {machine.folder}, and each command tries again."
    assert str(refused.value).endswith(kept)
    bucket.create_dir("there")
    assert main(["check", "--results", URL]) == 0
    assert capsys.readouterr().err == ""
    assert len(objects(bucket)) == 10


def test_a_killed_upload_leaves_no_part_of_a_run(bucket: fs.FileSystem, here: Path) -> None:
    machine = mirror(here)
    write(machine.folder, runs(*range(20)))
    sender = subprocess.Popen([sys.executable, "-m", remote.__name__, "send", URL, str(machine.folder)])
    while bucket.get_file_info(f"there/history/{MACHINE}/{next(iter(runs(1)))}").type is fs.FileType.NotFound:
        assert sender.poll() is None
    sender.kill()
    sender.wait()
    local = {f"{MACHINE}/{path.name}": path.read_bytes() for path in (machine.folder / MACHINE).iterdir()}
    assert objects(bucket).items() <= local.items()
    assert remote.receive(machine) == []
    assert objects(bucket) == local


def test_a_run_is_recorded_whatever_tests_do_to_the_environment(
    bucket: fs.FileSystem, make_project: Callable[..., Project]
) -> None:
    test = "import os, sys\ndef test_it(benchmark):\n    os.environ['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:1'\n"
    test += "    assert 'pyarrow' not in sys.modules\n    benchmark(sum, [1])\n"
    recorded = make_project(files={"test_speed.py": test, "pyproject.toml": f'[tool.paceline]\nresults = "{URL}"\n'})
    process = recorded.start("--benchmark-max-time=0.01", "--benchmark-record", "-p", "no:cacheprovider")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert f"paceline: uploaded to {URL}" in output
    found = objects(bucket)
    assert [name.rpartition("/")[2] == "machine.json" for name in sorted(found)] == [False, True]
    assert recorded.git("status", "--porcelain", "--", ".paceline") == ""
    run = recorded.start("--benchmark-record", "--benchmark-record-results=s3://missing/history")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 4
    assert "ERROR: cannot read s3://missing/history: no bucket 'missing'." in output
    assert "collected" not in output


def test_what_one_machine_imported_the_next_does_not_import_again(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stats = {"q1": 1.0, "median": 1.0, "q3": 1.0, "iterations": 1, "rounds": 5, "data": [1.0] * 5}
    document = {
        "commit_info": {"id": "a" * 40, "time": "2026-01-01T00:00:00+00:00", "dirty": False},
        "machine_info": {"system": "Linux", "machine": "x86_64", "python_version": "3.11.7"},
        "benchmarks": [{"fullname": "test_speed.py::test_it", "stats": stats}],
        "version": "5.1.0",
    }
    Path("saved.json").write_text(json.dumps(document))
    assert main(["import", "saved.json", "--results", URL]) == 0
    there = objects(bucket)
    assert len(there) == 2
    shutil.rmtree(".paceline")
    assert main(["import", "saved.json", "--results", URL]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 imported, 1 already imported, 0 not imported"
    assert objects(bucket) == there


def test_only_files_of_a_history_come(bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("README.md", "lab/con.json", "lab/.hidden.json", "lab/deep/a.json"):
        put(bucket, f"history/{name}", b"x")
    assert main(["check", "--results", URL]) == 4
    error = capsys.readouterr().err
    assert re.match(r"note: left out '.*': .* \(and 3 more\)\nERROR: no results to check\. ", error)
    assert [path for path in here.rglob("*") if path.is_file() and path.read_bytes() == b"x"] == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://missing/history", "no bucket 'missing'. Create the bucket, or correct its name."),
        ("s3://key:secret@there/history", "the URL has credentials"),
        ("s3://there/a?nonsense=1", "Unexpected query parameter in S3 URI: 'nonsense'. Check the URL"),
        ("s3://there/a b", "Cannot parse URI"),
        ("s3://", "expected a URL such as s3://BUCKET/FOLDER"),
        ("nonsense://there", "Unrecognized filesystem type in URI"),
        ("file:///tmp", "or a folder without file://"),
    ],
)
def test_wrong_use_is_one_line(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str], url: str, words: str
) -> None:
    assert main(["check", "--results", url]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: ")
    assert words in line
    assert "secret" not in line


def test_wrong_credentials_are_one_line(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as strict:
        strict.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
        strict.setattr("moto.core.responses.ActionAuthenticatorMixin.request_count", 0)
        assert main(["check", "--results", URL]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR: cannot read {URL}: AWS Error INVALID_ACCESS_KEY_ID: The AWS Access Key Id ")
    assert line.endswith(" does not exist in our records. Correct AWS_ACCESS_KEY_ID.")


@pytest.mark.slow
def test_no_network_is_one_line(
    bucket: fs.FileSystem, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert main(["check", "--results", URL]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR: cannot read {URL}: AWS Error NETWORK_CONNECTION: ")
    assert line.endswith("Check the network, and AWS_ENDPOINT_URL if it is set.")


def test_an_address_of_one_s_own_may_be_part_of_the_url(
    bucket: fs.FileSystem, here: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    url = f"{URL}?scheme=http&endpoint_override={address.removeprefix('http://')}"
    machine = project.results(here, url)
    write(machine.folder, runs(1))
    assert remote.send(machine) == []
    assert len(objects(bucket)) == 2


def test_each_url_and_endpoint_has_a_mirror_of_its_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "pyproject.toml").write_text(f'[tool.paceline]\nresults = "{URL}"\n')
    (here / "below").mkdir()
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    one, other = project.results(here / "below"), project.results(here, "s3://there/other")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    elsewhere = project.results(here)
    assert len({one.folder, other.folder, elsewhere.folder}) == 3
    assert project.root_of(one.folder) == here
