"""Trees hold what git says a commit is, and what the checkout holds now, however the repository is made."""

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from paceline.errors import PacelineError
from paceline.gate.sides import checkout
from paceline.system.git import git as git_of_the_gate
from paceline.system.git import resolve, toplevel
from projects import WORK, Project

MakeProject = Callable[..., Project]


@dataclass
class Made:
    """The trees that a test makes."""

    folder: Path

    def head(self, root: Path) -> Path:
        """Return a copy of what a checkout holds."""
        tree = self.folder / "head"
        checkout.WorkingTree.read(toplevel(root)).copy(tree)
        return tree

    def base(self, root: Path, revision: str = "HEAD") -> Path:
        """Return a tree of a commit."""
        tree, repository = self.folder / "base", toplevel(root)
        checkout.checkout_commit(repository, resolve(repository, revision), tree)
        return tree


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a maker of trees, in a folder of its own."""
    return Made(tmp_path / "made")


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def names(tree: Path) -> set[str]:
    """Return the files of a tree, without its repository."""
    found = (path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(tree).as_posix() for path in found if path.relative_to(tree).parts[0] != ".git"}


def is_clean(tree: Path) -> bool:
    """Whether a tree's own git finds nothing changed, as tools that name versions ask it."""
    return not git(tree, "status", "--porcelain")


def clone(project: Project, folder: Path, *options: str) -> Path:
    git(project.root, "config", "uploadpack.allowFilter", "true")
    git(folder.parent, "clone", "--quiet", *options, project.root.as_uri(), str(folder))
    return folder


# What head's tree holds


def test_compiled_leftovers_are_not_taken_for_code(project: Project, made: Made) -> None:
    """A module that was compiled in place may be older than its source, and would be imported first."""
    (project.root / "work.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    project.write({"other.py": WORK})
    assert names(made.head(project.root)) == {"work.py", "test_speed.py", "other.py"}


def test_compiled_files_that_are_tracked_stay(project: Project, made: Made) -> None:
    (project.root / "data.so").write_bytes(b"\x7fELF")
    project.commit()
    assert (made.head(project.root) / "data.so").is_file()


@pytest.mark.parametrize("target", ["absolute", "../outside"])
def test_folder_that_a_link_took_the_place_of_stays_the_link(
    make_project: MakeProject, made: Made, tmp_path: Path, target: str
) -> None:
    """The files that git still lists in it are those behind the link: copying them onto themselves loses them."""
    project = make_project(files={"data/file.txt": "tracked"})
    outside = tmp_path / "outside"
    (project.root / "data").rename(outside)
    (outside / "file.txt").write_text("precious", encoding="utf-8")
    (project.root / "data").symlink_to(outside if target == "absolute" else target)
    tree = made.head(project.root)
    assert (outside / "file.txt").read_text(encoding="utf-8") == "precious"
    assert names(tree) == {"data"}
    assert (tree / "data").is_symlink()


def test_files_and_folders_that_changed_places(make_project: MakeProject, made: Made) -> None:
    project = make_project(files={"folder/file": "1", "file": "2"})
    shutil.rmtree(project.root / "folder")
    (project.root / "file").unlink()
    project.write({"folder": "3", "file/inner": "4"})
    assert names(made.head(project.root)) == {"folder", "file/inner"}


def test_links_that_lead_nowhere_or_in_circles_are_copied_as_links(project: Project, made: Made) -> None:
    for name, target in (("itself", "itself"), ("up", ".."), ("one", "two"), ("two", "one"), ("none", "/no/such")):
        (project.root / name).symlink_to(target)
    tree = made.head(project.root)
    assert (tree / "itself").readlink() == Path("itself")
    assert {"up", "one", "two", "none"} <= names(tree)
    project.commit()
    assert names(made.base(project.root)) == names(tree)


ODD_NAMES = [
    "--help",
    "-rf",
    "a b",
    "new\nline",
    'quo"te',
    "back\\slash",
    "tab\t",
    ":(top)",
    "*",
    "#x",
    "!x",
    "é",
    " ",
]


def test_files_of_any_name(project: Project, made: Made) -> None:
    for name in [*map(os.fsencode, ODD_NAMES), b"not-\xff-utf-8", b"latin-\xe9"]:
        (project.root / os.fsdecode(name)).write_bytes(name)
    untracked = names(made.head(project.root))
    assert {*ODD_NAMES, os.fsdecode(b"not-\xff-utf-8")} <= untracked
    project.commit()
    assert names(made.base(project.root)) == untracked


@pytest.mark.parametrize(
    "name", ["a b", "-x", "new\nline", 'quo"te', "#x", "%s", "é", "\udcff", "a:b", "$HOME", "x" * 200]
)
def test_checkout_in_a_folder_of_any_name(make_project: MakeProject, tmp_path: Path, name: str) -> None:
    """Its repository is borrowed from by a path in a file of git's."""
    project, made = make_project(name=name), Made(tmp_path / "made" / name)
    project.git("tag", "v1")
    for tree in (made.base(project.root), made.head(project.root)):
        assert names(tree) == {"work.py", "test_speed.py"}
        assert git(tree, "describe", "--tags", "--dirty").strip() == "v1"


def test_file_that_vanishes_while_others_are_copied(project: Project, made: Made) -> None:
    here = checkout.WorkingTree.read(project.root)

    def watch(listed: Sequence[str]) -> Iterator[str]:
        for name in listed:
            (project.root / name).unlink()
            yield name

    here.copy(made.folder / "head", watch)
    assert names(made.folder / "head") == set()


def test_names_that_differ_in_case_alone(project: Project, made: Made, tmp_path: Path) -> None:
    if (tmp_path / "PROJECT").exists():
        pytest.skip("this file system takes both names for one file")
    project.commit({"Case.py": "1", "case.py": "2", "CASE/x": "3", "case/x": "4"})
    for tree in (made.head(project.root), made.base(project.root)):
        assert (tree / "Case.py").read_text(encoding="utf-8") == "1"
        assert (tree / "case/x").read_text(encoding="utf-8") == "4"


def test_modes_and_times_stay(project: Project, made: Made) -> None:
    project.write({"run.sh": "#!/bin/sh\n", "closed": "", "empty": ""})
    for name, mode in (("run.sh", 0o755), ("closed", 0o400), ("empty", 0o666)):
        (project.root / name).chmod(mode)
        os.utime(project.root / name, ns=(10**18, 10**18 + 1))
    tree = made.head(project.root)
    for name, mode in (("run.sh", 0o755), ("closed", 0o400), ("empty", 0o666)):
        about = (tree / name).stat()
        assert (stat.S_IMODE(about.st_mode), about.st_mtime_ns) == (mode, 10**18 + 1)
    project.commit()
    assert (made.base(project.root) / "run.sh").stat().st_mode & 0o111 == 0o111


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("tracked", [True, False])
def test_fifo_is_no_file(project: Project, made: Made, *, tracked: bool) -> None:
    name = "work.py" if tracked else "pipe"
    (project.root / name).unlink(missing_ok=True)
    os.mkfifo(project.root / name)
    assert name not in names(made.head(project.root))


def test_sparse_file_stays_sparse(project: Project, made: Made) -> None:
    """2 GB of nothing but a word at each end and in the middle."""
    places = {0: b"begin", 1 << 30: b"middle", (2 << 30) - 3: b"end"}
    with (project.root / "large.bin").open("wb") as file:
        for place, word in places.items():
            file.seek(place)
            file.write(word)
    copied = made.head(project.root) / "large.bin"
    assert copied.stat().st_size == 2 << 30
    assert copied.stat().st_blocks * 512 < 1 << 20
    with copied.open("rb") as file:
        for place, word in places.items():
            file.seek(place)
            assert file.read(len(word)) == word


def test_index_in_conflict_is_read_as_the_files_are(project: Project, made: Made) -> None:
    project.git("switch", "--quiet", "-c", "other")
    project.commit({"work.py": "other = 1\n"})
    project.git("switch", "--quiet", "main")
    project.commit({"work.py": "main = 1\n"})
    with pytest.raises(subprocess.CalledProcessError):
        project.git("merge", "other")
    assert "<<<<<<<" in (made.head(project.root) / "work.py").read_text(encoding="utf-8")
    assert (made.base(project.root) / "work.py").read_text(encoding="utf-8") == "main = 1\n"


def test_file_marked_as_unchanged_is_taken_as_it_is(project: Project, made: Made) -> None:
    for option in ("--assume-unchanged", "--skip-worktree"):
        project.git("update-index", option, "work.py")
        project.write({"work.py": option})
        assert (made.head(project.root) / "work.py").read_text(encoding="utf-8") == option
        assert (made.base(project.root) / "work.py").read_text(encoding="utf-8") == WORK
        project.git("update-index", "--no-assume-unchanged", "--no-skip-worktree", "work.py")


def test_intent_to_add_and_staged_removal(project: Project, made: Made) -> None:
    project.write({"added.py": "1"})
    project.git("add", "--intent-to-add", "added.py")
    project.git("rm", "--quiet", "--cached", "work.py")
    assert names(made.head(project.root)) == {"added.py", "work.py", "test_speed.py"}


# How files are written

CLEAN = "import sys; sys.stdout.write(sys.stdin.read().replace('LARGE', 'small'))"
SMUDGE = "import sys; sys.stdout.write(sys.stdin.read().replace('small', 'LARGE'))"


def set_filter(project: Project) -> None:
    python = f'"{sys.executable}"'
    git(project.root, "config", "filter.tests.clean", f'{python} -c "{CLEAN}"')
    git(project.root, "config", "filter.tests.smudge", f'{python} -c "{SMUDGE}"')
    git(project.root, "config", "filter.tests.required", "true")


@pytest.mark.parametrize("attributes", [".gitattributes", ".git/info/attributes"])
def test_filters_of_the_checkout_hold_in_both_trees(project: Project, made: Made, attributes: str) -> None:
    set_filter(project)
    project.write({attributes: "*.dat filter=tests\n", "x.dat": "LARGE\n"})
    project.commit()
    for tree in (made.base(project.root), made.head(project.root)):
        assert (tree / "x.dat").read_text(encoding="utf-8") == "LARGE\n"
        assert is_clean(tree)


def test_filter_of_an_included_file_holds(project: Project, made: Made) -> None:
    set_filter(project)
    (project.root / ".git" / "config").rename(project.root / ".git" / "more")
    project.git("init", "--quiet")
    project.git("config", "include.path", "more")
    project.commit({".gitattributes": "*.dat filter=tests\n", "x.dat": "LARGE\n"})
    tree = made.base(project.root)
    assert (tree / "x.dat").read_text(encoding="utf-8") == "LARGE\n"
    assert is_clean(tree)


def test_filter_that_fails_is_one_line(project: Project, made: Made) -> None:
    set_filter(project)
    project.commit({".gitattributes": "*.dat filter=tests\n", "x.dat": "LARGE\n"})
    git(project.root, "config", "filter.tests.smudge", "no-such-program")
    with pytest.raises(
        PacelineError, match=r"could not check out .*smudge filter tests failed.*\. Install this filter"
    ) as told:
        made.base(project.root)
    assert "\n" not in str(told.value)


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_files_of_git_lfs_are_in_both_trees(
    make_project: MakeProject, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git lfs install --local` sets it up: for this clone alone, and no server is asked."""
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    project = make_project(files={"work.py": WORK})
    project.git("lfs", "install", "--local")
    project.git("lfs", "track", "*.bin")
    project.commit({"data.bin": "a" * 5000})
    project.commit({"data.bin": "b" * 5000})
    assert "version https://git-lfs" in project.git("show", "HEAD:data.bin")
    base, head = made.base(project.root, "HEAD~1"), made.head(project.root)
    assert (base / "data.bin").read_text(encoding="utf-8") == "a" * 5000
    assert (head / "data.bin").read_text(encoding="utf-8") == "b" * 5000
    assert is_clean(base)
    assert is_clean(head)


@pytest.mark.parametrize(
    "settings",
    [{"core.autocrlf": "true"}, {"core.eol": "crlf", "core.autocrlf": "false"}, {"core.autocrlf": "input"}],
)
def test_line_ends_are_the_checkouts(project: Project, made: Made, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        git(project.root, "config", name, value)
    project.commit({".gitattributes": "*.txt text\n", "x.txt": "one\ntwo\n"})
    (project.root / "x.txt").unlink()
    project.git("checkout", "--quiet", "x.txt")
    base, head = made.base(project.root), made.head(project.root)
    expected = (project.root / "x.txt").read_bytes()
    assert (base / "x.txt").read_bytes() == expected == (head / "x.txt").read_bytes()
    assert is_clean(base)


def test_encodings_of_the_working_tree_hold(project: Project, made: Made) -> None:
    project.write({".gitattributes": "*.txt working-tree-encoding=UTF-16LE eol=crlf text\n"})
    (project.root / "x.txt").write_bytes("é\r\n".encode("utf-16-le"))
    project.commit()
    for tree in (made.base(project.root), made.head(project.root)):
        assert (tree / "x.txt").read_bytes() == "é\r\n".encode("utf-16-le")
        assert is_clean(tree)


def test_filter_that_waits_for_ever_is_ended_with_the_budget(project: Project, made: Made) -> None:
    """As a fetch of what a partial clone lacks does, where a network drops all packets."""
    project.commit({".gitattributes": "*.dat filter=tests\n", "x.dat": "1"})
    git(project.root, "config", "filter.tests.smudge", "exec sleep 30")
    commit = resolve(project.root, "HEAD")
    with pytest.raises(PacelineError, match=r"did not end in time\. Raise --benchmark-budget"):
        checkout.checkout_commit(project.root, commit, made.folder / "base", until=time.monotonic() + 0.5)


def test_attributes_of_archives_do_not_hold(project: Project, made: Made) -> None:
    attributes = "work.py export-ignore\nversion.txt export-subst\nid.txt ident\n"
    project.commit({".gitattributes": attributes, "version.txt": "$Format:%H$", "id.txt": "$Id$"})
    tree = made.base(project.root)
    assert (tree / "work.py").is_file()
    assert (tree / "version.txt").read_text(encoding="utf-8") == "$Format:%H$"
    assert (tree / "id.txt").read_text(encoding="utf-8").startswith("$Id: ")


def test_no_hook_runs_and_no_daemon_starts(project: Project, made: Made, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hooks = project.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor"):
        (hooks / hook).write_text(f"#!/bin/sh\necho {hook} >> '{ran}'\n", encoding="utf-8")
        (hooks / hook).chmod(0o755)
    project.git("config", "core.fsmonitor", str(hooks / "fsmonitor"))
    made.base(project.root)
    made.head(project.root)
    assert not ran.exists()


# How the repository is made


def test_sha256_repository(tmp_path: Path, made: Made) -> None:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet", "--object-format=sha256")
    (root / "work.py").write_text("1", encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    git(root, "tag", "v1")
    for tree in (made.base(root), made.head(root)):
        assert names(tree) == {"work.py"}
        assert is_clean(tree)
        assert git(tree, "describe", "--tags", "--dirty").strip() == "v1"


def test_versions_of_a_tree_are_those_of_its_commit(project: Project, made: Made) -> None:
    """By tags and their messages, also where `git replace` has changed the history."""
    project.git("tag", "--annotate", "-m", "one", "v1")
    project.commit({"more.py": ""})
    assert git(made.base(project.root), "describe", "--dirty").startswith("v1-1-g")
    project.write({"more.py": "changed"})
    assert git(made.head(project.root), "describe", "--dirty").strip().endswith("-dirty")


def test_a_thousand_tags_cost_one_file(project: Project, made: Made) -> None:
    head = project.git("rev-parse", "HEAD").strip()
    lines = "".join(f"create refs/tags/v{number} {head}\n" for number in range(1000))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=project.root, input=lines, text=True, check=True)
    tree = made.base(project.root)
    assert len(git(tree, "tag").split()) == 1000
    assert not list((tree / ".git" / "refs").rglob("v*"))


def test_replaced_objects_are_those_that_git_shows(project: Project, made: Made) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    second = project.commit({"work.py": "replaced = 1\n"})
    project.git("replace", first, second)
    assert project.git("show", f"{first}:work.py") == "replaced = 1\n"
    assert (made.base(project.root, first) / "work.py").read_text(encoding="utf-8") == "replaced = 1\n"
    assert git(made.folder / "base", "show", f"{first}:work.py") == "replaced = 1\n"


def test_grafts_hold_in_a_tree(project: Project, made: Made) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("tag", "v1")
    project.git("switch", "--quiet", "--orphan", "apart")
    apart = project.commit({"work.py": WORK})
    (project.root / ".git" / "info").mkdir(exist_ok=True)
    (project.root / ".git" / "info" / "grafts").write_text(f"{apart} {first}\n", encoding="utf-8")
    assert git(made.base(project.root), "describe", "--tags").startswith("v1-1-g")


@pytest.mark.parametrize(
    "options", [("--filter=blob:none",), ("--filter=tree:0",), ("--filter=blob:none", "--depth=2")]
)
def test_partial_clone_fetches_what_it_lacks(
    project: Project, made: Made, tmp_path: Path, options: tuple[str, ...]
) -> None:
    project.commit({"work.py": "second = 2\n"})
    partial = clone(project, tmp_path / "partial", *options)
    assert (made.base(partial, "HEAD~1") / "work.py").read_text(encoding="utf-8") == WORK


def test_partial_clone_without_its_remote_says_the_remedy(project: Project, made: Made, tmp_path: Path) -> None:
    project.commit({"work.py": "second = 2\n"})
    partial = clone(project, tmp_path / "partial", "--filter=blob:none")
    project.root.rename(tmp_path / "moved")
    with pytest.raises(
        PacelineError, match=r"could not check out .*\. Make the remote of this partial clone reachable"
    ) as told:
        made.base(partial, "HEAD~1")
    assert "\n" not in str(told.value)


def test_shallow_clone_without_the_base_says_the_remedy(project: Project, made: Made, tmp_path: Path) -> None:
    project.commit({"work.py": "second = 2\n"})
    shallow = clone(project, tmp_path / "shallow", "--depth=1")
    with pytest.raises(
        PacelineError, match=r"unknown revision 'HEAD~1'. This clone is shallow. Run `git fetch --unsh"
    ):
        made.base(shallow, "HEAD~1")
    assert is_clean(made.base(shallow))


@pytest.mark.parametrize("file", ["index", "HEAD", "config", "packed-refs"])
def test_file_of_git_s_that_is_damaged_is_one_line(project: Project, made: Made, file: str) -> None:
    (project.root / ".git" / file).write_text("rubbish\n[", encoding="utf-8")
    with pytest.raises(PacelineError) as told:
        made.head(project.root)
    assert "\n" not in str(told.value)


def test_format_that_this_git_does_not_know_is_one_line(project: Project, made: Made) -> None:
    project.git("config", "extensions.none", "1")
    git(project.root, "config", "core.repositoryFormatVersion", "1")
    with pytest.raises(PacelineError, match="extension") as told:
        made.base(project.root)
    assert "\n" not in str(told.value)


def test_another_git_that_works_here_is_no_hindrance(project: Project, made: Made) -> None:
    project.write({".git/index.lock": "", ".git/HEAD.lock": "", ".git/packed-refs.lock": ""})
    assert names(made.base(project.root)) == names(made.head(project.root))


def test_damaged_repository_is_one_line(project: Project, made: Made) -> None:
    lost = project.git("rev-parse", "HEAD:work.py").strip()
    (project.root / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(PacelineError, match=r"could not check out .*\. Run `git fsck`") as told:
        made.base(project.root)
    assert "\n" not in str(told.value)


def test_objects_borrowed_by_relative_paths(project: Project, made: Made, tmp_path: Path) -> None:
    borrower = clone(project, tmp_path / "borrower", "--shared")
    second = clone(Project(borrower, tmp_path), tmp_path / "second", "--shared")
    relative = os.path.relpath(borrower / ".git" / "objects", second / ".git" / "objects")
    (second / ".git" / "objects" / "info" / "alternates").write_text(f"{relative}\n", encoding="utf-8")
    for tree in (made.base(second), made.head(second)):
        assert names(tree) == {"work.py", "test_speed.py"}
        assert is_clean(tree)


def test_sparse_checkout_is_sparse_on_both_sides(make_project: MakeProject, made: Made) -> None:
    """Else base has benchmarks that head seems to have lost."""
    project = make_project(files={"in/test_a.py": "1", "out/test_b.py": "2"})
    for options in (("--no-cone",), ("--cone",), ("--cone", "--sparse-index")):
        project.git("sparse-checkout", "set", *options, "in")
        base, head = made.base(project.root), made.head(project.root)
        assert names(base) == names(head) == {"in/test_a.py"}
        assert is_clean(base)
        assert is_clean(head)
        shutil.rmtree(made.folder)


@pytest.mark.parametrize("inner", ["main", "topic"])
def test_worktrees_of_a_bare_repository(project: Project, made: Made, tmp_path: Path, inner: str) -> None:
    folder = tmp_path / "setup"
    folder.mkdir()
    clone(project, folder / ".bare", "--bare")
    (folder / ".git").write_text("gitdir: ./.bare\n", encoding="utf-8")
    git(folder, "worktree", "add", "--quiet", inner, *(["-b", "topic"] if inner == "topic" else []))
    (folder / inner / "work.py").write_text("changed", encoding="utf-8")
    assert (made.base(folder / inner) / "work.py").read_text(encoding="utf-8") == WORK
    assert (made.head(folder / inner) / "work.py").read_text(encoding="utf-8") == "changed"
    assert git(folder, "worktree", "list").count("\n") == 2
    with pytest.raises(PacelineError, match="must be run in a work tree"):
        made.base(folder)


def test_settings_of_one_worktree_hold_there(project: Project, made: Made, tmp_path: Path) -> None:
    project.git("config", "extensions.worktreeConfig", "true")
    project.commit({".gitattributes": "*.txt text\n", "x.txt": "one\n"})
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    git(tmp_path / "linked", "config", "--worktree", "core.eol", "crlf")
    assert (made.base(tmp_path / "linked") / "x.txt").read_bytes() == b"one\r\n"
    assert is_clean(made.folder / "base")


def test_repository_whose_files_are_elsewhere(project: Project, made: Made, tmp_path: Path) -> None:
    """By core.worktree, and by a `.git` that is a file."""
    (project.root / ".git").rename(tmp_path / "apart.git")
    git(tmp_path / "apart.git", "config", "core.worktree", str(project.root))
    (project.root / ".git").write_text(f"gitdir: {tmp_path / 'apart.git'}\n", encoding="utf-8")
    project.write({"work.py": "changed"})
    assert (made.base(project.root) / "work.py").read_text(encoding="utf-8") == WORK
    assert (made.head(project.root) / "work.py").read_text(encoding="utf-8") == "changed"
    assert (project.root / "work.py").read_text(encoding="utf-8") == "changed"


OUTER = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"]
OUTER += ["GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_PREFIX"]
OUTER += ["GIT_LITERAL_PATHSPECS"]


@pytest.mark.parametrize("name", OUTER)
def test_variables_of_an_outer_git_do_not_count(
    project: Project, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert names(made.base(project.root)) == names(made.head(project.root)) == {"work.py", "test_speed.py"}


def test_settings_of_the_caller_do_not_mislead(
    project: Project, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options of everyday's git that change what it prints, or where it looks."""
    settings = {
        "status.short": "true", "status.branch": "true", "core.quotePath": "true", "color.ui": "always",
        "core.splitIndex": "true", "core.untrackedCache": "true", "feature.manyFiles": "true",
        "submodule.recurse": "true", "status.showUntrackedFiles": "no", "diff.ignoreSubmodules": "all",
        "core.excludesFile": str(tmp_path / "none"), "init.defaultObjectFormat": "sha256",
        "checkout.workers": "4", "advice.detachedHead": "true", "core.commentChar": "x", "core.pager": "false",
    }  # fmt: skip
    for name, value in settings.items():
        git(project.root, "config", name, value)
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    monkeypatch.setenv("GIT_TRACE", "1")
    before = {path.name for path in (project.root / ".git").iterdir()}
    project.write({"untracked.py": ""})
    here = checkout.WorkingTree.read(project.root)
    assert here.dirty
    assert names(made.head(project.root)) - {"untracked.py"} == names(made.base(project.root))
    assert is_clean(made.folder / "base")
    assert {path.name for path in (project.root / ".git").iterdir()} - before <= {"index.lock"}


# Submodules


def with_submodule(make_project: MakeProject) -> tuple[Project, Project]:
    library = make_project(name="library", files={"inner.py": WORK})
    project = make_project(files={"work.py": "from lib.inner import total\n"})
    project.git("submodule", "--quiet", "add", str(library.root), "lib")
    project.commit()
    return project, library


def test_submodule_that_is_not_in_use_is_an_empty_folder(
    make_project: MakeProject, made: Made, tmp_path: Path
) -> None:
    project, _ = with_submodule(make_project)
    plain = clone(project, tmp_path / "plain")
    assert names(made.base(plain)) == names(made.head(plain)) == {".gitmodules", "work.py"}
    assert (made.folder / "head" / "lib").is_dir()


def test_changed_submodule_is_copied_as_it_is_and_checked_out_as_pinned(
    make_project: MakeProject, made: Made
) -> None:
    project, _ = with_submodule(make_project)
    for name in ("inner.py", "untracked.py"):
        (project.root / "lib" / name).write_text("changed", encoding="utf-8")
    git(project.root, "config", "diff.ignoreSubmodules", "all")
    git(project.root, "config", "submodule.lib.ignore", "all")
    assert checkout.WorkingTree.read(project.root).dirty
    assert (made.head(project.root) / "lib" / "untracked.py").is_file()
    assert (made.base(project.root) / "lib" / "inner.py").read_text(encoding="utf-8") == WORK
    assert is_clean(made.folder / "base")


def test_submodules_within_submodules(make_project: MakeProject, made: Made) -> None:
    deepest = make_project(name="deepest", files={"deep.py": "1"})
    middle = make_project(name="middle", files={"middle.py": "2"})
    middle.git("submodule", "--quiet", "add", str(deepest.root), "deep")
    middle.commit()
    project = make_project(files={"work.py": "3"})
    project.git("submodule", "--quiet", "add", str(middle.root), "mid")
    project.git("submodule", "--quiet", "update", "--init", "--recursive")
    project.commit()
    for tree in (made.base(project.root), made.head(project.root)):
        assert {"mid/deep/deep.py", "mid/middle.py", "work.py"} <= names(tree)


def test_submodule_that_base_lacks(make_project: MakeProject, made: Made) -> None:
    project, _ = with_submodule(make_project)
    assert names(made.base(project.root, "HEAD~1")) == {"work.py"}


@pytest.mark.parametrize("change", ["moved", "removed"])
def test_submodule_that_was_moved_or_removed_since_is_in_base(
    make_project: MakeProject, made: Made, change: str
) -> None:
    project, _ = with_submodule(make_project)
    if change == "moved":
        project.git("mv", "lib", "other")
    else:
        project.git("rm", "--quiet", "lib")
    project.commit()
    assert (made.base(project.root, "HEAD~1") / "lib" / "inner.py").read_text(encoding="utf-8") == WORK


def test_commit_that_a_submodule_lacks_is_named(make_project: MakeProject, made: Made) -> None:
    project, _ = with_submodule(make_project)
    project.git("update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    project.git("commit", "--quiet", "-m", "pin what nobody has")
    with pytest.raises(PacelineError, match=r"submodule lib lacks commit 1111.*\. Run `git -C lib fetch`\."):
        made.base(project.root)


def test_submodule_that_a_folder_took_the_place_of(make_project: MakeProject, made: Made) -> None:
    project, _ = with_submodule(make_project)
    project.git("rm", "--quiet", "lib")
    project.commit({"lib/inner.py": "vendored"})
    assert (made.head(project.root) / "lib" / "inner.py").read_text(encoding="utf-8") == "vendored"
    assert (made.base(project.root, "HEAD~1") / "lib" / "inner.py").read_text(encoding="utf-8") == WORK


def test_submodule_behind_a_link_is_left_alone(make_project: MakeProject, made: Made, tmp_path: Path) -> None:
    """Else the tree's own repository would be written into the one behind the link."""
    library = make_project(name="library", files={"inner.py": WORK})
    project = make_project(files={"work.py": ""})
    project.git("submodule", "--quiet", "add", str(library.root), "deep/lib")
    project.commit()
    (tmp_path / "mine").mkdir()
    repository = clone(library, tmp_path / "mine" / "lib") / ".git"
    before = {path.name: path.stat().st_mtime_ns for path in repository.iterdir()}
    shutil.rmtree(project.root / "deep")
    (project.root / "deep").symlink_to(tmp_path / "mine")
    assert names(made.head(project.root)) == {".gitmodules", "work.py", "deep"}
    assert {path.name: path.stat().st_mtime_ns for path in repository.iterdir()} == before


def test_submodule_that_is_a_link_is_refused_in_git_s_words(
    make_project: MakeProject, made: Made, tmp_path: Path
) -> None:
    project, library = with_submodule(make_project)
    shutil.rmtree(project.root / "lib")
    (project.root / "lib").symlink_to(library.root)
    with pytest.raises(PacelineError, match="expected submodule path 'lib' not to be a symbolic link"):
        made.head(project.root)


def test_submodule_that_a_file_took_the_place_of(make_project: MakeProject, made: Made) -> None:
    project, _ = with_submodule(make_project)
    shutil.rmtree(project.root / "lib")
    (project.root / "lib").write_text("a file", encoding="utf-8")
    assert (made.head(project.root) / "lib").read_text(encoding="utf-8") == "a file"


def test_submodule_named_as_a_path_that_leads_out_is_not_looked_for(
    make_project: MakeProject, made: Made, tmp_path: Path
) -> None:
    project, _ = with_submodule(make_project)
    project.commit({".gitmodules": '[submodule "../../../project/.git/modules/lib"]\n\tpath = lib\n\turl = x\n'})
    shutil.rmtree(project.root / "lib")
    assert names(made.base(project.root)) == {".gitmodules", "work.py"}


def test_repository_inside_that_is_no_submodule_stays_out(project: Project, made: Made) -> None:
    inner = project.root / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    (inner / "file").write_text("", encoding="utf-8")
    assert names(made.head(project.root)) == {"work.py", "test_speed.py"}


# Revisions


def test_repository_without_a_commit_is_one_line(tmp_path: Path, made: Made) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(PacelineError, match=r"has no commit yet, so there is nothing to compare with\. Commit first"):
        made.head(tmp_path / "empty")


def test_branch_without_a_commit_is_one_line(project: Project, made: Made) -> None:
    project.git("switch", "--quiet", "--orphan", "unborn")
    with pytest.raises(PacelineError, match="has no commit yet"):
        made.head(project.root)


def test_detached_head_is_a_head(project: Project, made: Made) -> None:
    project.commit({"more.py": ""})
    project.git("checkout", "--quiet", "--detach", "HEAD~1")
    assert names(made.head(project.root)) == names(made.base(project.root)) == {"work.py", "test_speed.py"}


def test_tag_and_branch_of_one_name_must_be_told_apart(project: Project, made: Made) -> None:
    project.git("tag", "v1")
    project.commit({"more.py": ""})
    project.git("branch", "v1")
    with pytest.raises(PacelineError, match=r"'v1' is both a tag and a branch\. Write refs/tags/v1 or refs/heads/v1"):
        made.base(project.root, "v1")
    assert "more.py" in names(made.base(project.root, "refs/heads/v1"))
    project.git("tag", "--force", "v1")
    assert "more.py" in names(made.base(project.root, "v1"))


@pytest.mark.parametrize(
    "revision", ["--all", "--help", "-", "--git-dir=/", "", "HEAD:work.py", "a b", "\x1b[31m", "é"]
)
def test_what_is_no_revision_is_one_line(project: Project, made: Made, revision: str) -> None:
    with pytest.raises(PacelineError, match=r"unknown revision|got the path"):
        made.base(project.root, revision)


def test_annotated_tags_and_all_other_spellings(project: Project, made: Made) -> None:
    project.git("tag", "--annotate", "-m", "one", "v1")
    project.git("tag", "--annotate", "-m", "of a tag", "v2", "v1")
    project.commit({"more.py": ""})
    for revision in ("v2", "HEAD^", "HEAD~1", "@{0}~1", "main@{1}", ":/first"):
        assert names(made.base(project.root, revision)) == {"work.py", "test_speed.py"}
        shutil.rmtree(made.folder)


# Who owns it


def test_checkout_of_another_owner_names_the_setting(
    project: Project, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(PacelineError, match=r"another user owns. Run `git config --global --add safe.directory /"):
        made.base(project.root)


def test_git_that_cannot_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=f"cannot run git in {tmp_path}/gone: No such file"):
        git_of_the_gate(tmp_path / "gone", "status")
