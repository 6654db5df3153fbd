"""No file makes a reader wait or fill its memory, and nobody meets half of what is written."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from paceline.errors import why
from paceline.system import files

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes among files")


@POSIX
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a regular file"):
        files.read(tmp_path / "pipe")


@pytest.mark.parametrize("size", [301 * 2**20, 3 * 2**30])
def test_a_huge_file_is_refused_unread(tmp_path: Path, size: int) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(size)
    with pytest.raises(OSError, match="is larger than 64 MiB"):
        files.read(tmp_path / "huge")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    for _ in range(3):
        with pytest.raises(OSError, match=r"regular|denied"):
            files.read(tmp_path)
    assert files.read(Path(os.devnull)) == b""
    again = os.open(os.devnull, os.O_RDONLY)
    os.close(again)
    assert again == free


@POSIX
def test_pipes_and_devices_are_written_and_stay_what_they_are(tmp_path: Path) -> None:
    """With the rights of root, a new file in the place of /dev/null breaks the whole system."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    files.write(pipe, "all of it")
    reader.join()
    assert read == ["all of it"]
    assert pipe.is_fifo()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    files.write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"


def test_an_error_names_the_file_that_was_to_be(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as error:
        files.write(tmp_path, "text")
    assert error.value.filename == str(tmp_path)
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory") as other, files.placed(tmp_path / "folder", "text"):
        pass
    assert other.value.filename == str(tmp_path / "folder")
    assert not list(tmp_path.glob(f"{files.UNFINISHED}*"))


def test_a_file_gets_its_name_even_if_it_was_taken_for_forgotten(tmp_path: Path) -> None:
    """Another writer removes unfinished files that are old by its clock, which may have been set."""
    with files.placed(tmp_path / "run.json", "measured"):
        for each in tmp_path.iterdir():
            each.unlink()
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == "measured"


def test_a_file_gets_its_name_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.placed(tmp_path / "run.json", "measured"):
        raise KeyboardInterrupt
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_an_error_that_gathers_others_is_told_by_the_first() -> None:
    """Copying a folder to a full disk ends with one of these."""
    error = shutil.Error([("from", "to", "[Errno 28] No space left on device: 'to'"), ("more", "more", "more")])
    assert why(error) == "[Errno 28] No space left on device: 'to'"
    assert why(OSError("no number")) == "no number"
    assert why(OSError()) == "OSError"
