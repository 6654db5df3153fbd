"""asv's pages are changed where they must be, or not published at all."""

import shutil
from pathlib import Path

import asv
import pytest
from paceline.errors import PacelineError
from paceline.pages import vendor
from paceline.pages.asv_pages import asv_www

WWW = Path(asv.__file__).parent / "www"


def test_every_change_is_to_a_text_that_must_be_there(tmp_path: Path) -> None:
    for name, changes in asv_www.CHANGES.items():
        for _, old, _ in changes:
            altered, output = tmp_path / "www", tmp_path / "site"
            shutil.copytree(WWW, altered)
            output.mkdir()
            text = (altered / name).read_text(encoding="utf-8")
            (altered / name).write_text(text.replace(old, "", 1), encoding="utf-8")
            with pytest.raises(PacelineError, match="cannot make the pages of asv"):
                asv_www.write(altered, output, "p")
            shutil.rmtree(altered)
            shutil.rmtree(output)


@pytest.mark.parametrize("change", [("/stupidtable/", "/other/"), ("<nav ", "<div "), ("</head>", "")])
def test_another_page_is_not_published(tmp_path: Path, change: tuple[str, str]) -> None:
    shutil.copytree(WWW, tmp_path / "www")
    page = tmp_path / "www" / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    (tmp_path / "site").mkdir()
    with pytest.raises(PacelineError, match=r"index\.html"):
        asv_www.write(tmp_path / "www", tmp_path / "site", "p")


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    asv_www.write(WWW, tmp_path, "p")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "//" not in page.replace("<!doctype", "")
    for name in (*asv_www.SCRIPTS, *asv_www.STYLES, "frame.js"):
        assert (tmp_path / name).is_file()
        assert f'"{name}"' in page


def test_project_name_is_text(tmp_path: Path) -> None:
    asv_www.write(WWW, tmp_path, '</title><script src="x.js">')
    assert '<script src="x.js">' not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_libraries_are_what_the_manifest_says() -> None:
    assert vendor.differences() == []
    assert {Path(each.name).suffix for each in vendor.files()} == {".js", ".css", ".txt", ".md", ".json"}


def test_altered_library_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vendor"
    shutil.copytree(vendor.FOLDER, folder)
    monkeypatch.setattr(vendor, "FOLDER", folder)
    (folder / "jquery.min.js").write_text("alert(1)")
    (folder / "md5.min.js").unlink()
    (folder / "other.js").touch()
    assert vendor.differences() == [
        "other.js is not in the manifest",
        "jquery.min.js differs from the manifest",
        "md5.min.js is missing",
    ]
