"""Gives each side its own code: in place, installed from the side's tree, or from the side's environment.

The layout of folders alone does not show which is right. So head is collected first, in the user's environment: the
loaded modules show which distributions are used, and whether they come from the tree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config import asv_conf
from paceline.config.options import SIDES
from paceline.errors import PacelineError
from paceline.gate.sides import asv_install, compiled, inner_tests, install, usage
from paceline.gate.sides.distributions import Distribution, code_names, provided
from paceline.gate.sides.installed import read
from paceline.gate.sides.sources import Sources, loose_names
from paceline.gate.worker import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.config.request import Request
    from paceline.gate.sides.installed import Installed
    from paceline.gate.sides.trees import Trees


class Provision:
    """The repository's distributions, and how each side gets them. Notices for the user are added to `notices`."""

    def __init__(self, request: Request, trees: Trees, say: Callable[[str], None], notices: list[str]) -> None:
        self._request = request
        self._settings = request.settings
        self._trees = trees
        self._say = say
        self._notices = notices
        self._sources = {side: Sources(trees.tree(side)) for side in SIDES}
        paths = {side: trees.sides[side].interpreter.path for side in SIDES}
        read_paths = {path: read(path) for path in set(paths.values())}
        self._environments = {side: read_paths[paths[side]] for side in SIDES}
        self.distributions = provided(self._sources, self._environments, trees.root)
        self.installed: list[Distribution] = []
        for side in SIDES:
            trees.sides[side].names = self._names()

    def _names(self) -> frozenset[str]:
        started_in = self._trees.relative(self._request.started_in).as_posix().removeprefix(".")
        folders = dict.fromkeys(["", "src", started_in, f"{started_in}/src".lstrip("/")])
        loose = frozenset().union(*(loose_names(tree, folders) for tree in self._sources.values()))
        return loose.union(*(each.names for each in self.distributions))

    # Wheels and environments

    def use_ready_made(self) -> None:
        """Use each side's wheel, or the copy in its environment, as its code, if the user compares these."""
        if self._settings.wheels:
            self._install_wheels()
        elif self._settings.revision is None and self._settings.python:
            self._use_environments()

    def _install_wheels(self) -> None:
        for side, wheel in zip(SIDES, self._settings.wheels, strict=True):
            path = Path(self._request.started_in, wheel).resolve()
            if not path.is_file() or path.suffix != ".whl":
                raise PacelineError(
                    f"--benchmark-against-wheel: {wheel!r} is not a wheel. Name two: BASE.whl,HEAD.whl"
                )
            self._trees.sides[side].about["revision"] = path.name
            self._say(f"installing {side}: {path.name}")
            executable = self._trees.sides[side].interpreter.executable
            install.install(executable, [path], self._trees.site(side), side, "Build it for this Python.")
        parts = {side: read([str(self._trees.site(side))]) for side in SIDES}
        self._serve(parts, {side: ["site"] for side in SIDES})
        self.installed = _as_distributions(parts)

    def _use_environments(self) -> None:
        plain = [each for each in self.distributions if all(map(each.is_plain, SIDES))]
        plain = [each for each in plain if each.installed["base"].place != each.installed["head"].place]
        if not plain:
            return
        parts = {side: [each.installed[side] for each in plain] for side in SIDES}
        self._serve(parts, {side: sorted({str(each.place) for each in parts[side]}) for side in SIDES})
        self.installed = plain
        for side in SIDES:
            self._trees.sides[side].expected = frozenset().union(*(each.compiled for each in parts[side]))

    def _serve(self, parts: Mapping[str, Sequence[Installed]], folders: Mapping[str, Sequence[str]]) -> None:
        """Make the finder of each side serve the names of these parts from its folders, and from nowhere else."""
        copies = [each for side in SIDES for each in parts[side]]
        copies += [copy for each in self.installed for copy in each.installed.values()]
        names = code_names(name for each in copies for name in each.names)
        for side in SIDES:
            about = self._trees.sides[side]
            about.names |= names
            about.served = names
            about.homes = None if folders[side] == ["site"] else tuple(folders[side])
            served = {"folders": list(folders[side]), "names": sorted(names)}
            self._trees.served_file(side).write_text(json.dumps(served), encoding="utf-8")

    # Installing

    def install(self, found: Mapping[str, Any] | None) -> bool:
        """Install the distributions that need it, by head's collection; return whether there were any.

        `found`: the worker's message, None if it could not collect. Raises PacelineError.
        """
        if self.installed:
            return False
        survey = self._survey(found)
        self._add_compiled(survey)
        using = usage.used(self.distributions, survey)
        self.installed = self._wanted(using, survey)
        if self.installed:
            self._install_and_serve()
        for side in SIDES:
            self._expect_compiled_modules(side, using)
        return bool(self.installed)

    def _install_and_serve(self) -> None:
        for each in self.installed:
            self._insist_on_project(each)
        for side in SIDES:
            self._install(side, self.installed)
        self._serve({side: read([str(self._trees.site(side))]) for side in SIDES}, {side: ["site"] for side in SIDES})
        self.bring_tests()

    def bring_tests(self) -> None:
        """Copy each tree's tests that lie inside packages to where these packages are installed."""
        files = sorted(self._sources["base"].files | self._sources["head"].files)
        for side in SIDES:
            site = self._trees.site(side)
            if site.is_dir() and not self._settings.wheels:
                projects = [each.projects[side] for each in self.installed if side in each.projects]
                roots = [root for project in projects for root in project.roots]
                inner_tests.copy_into(site, self._trees.tree(side), files, roots, self._trees.sides[side].served)

    def distributions_by_name(self) -> dict[str, Distribution]:
        """Return the distributions of the repository and of the wheels, by name."""
        return {each.name: each for each in [*self.distributions, *self.installed]}

    def source_of_installed(self, side: str) -> str:
        """Return where an installed side's code is from, as words for a line of output."""
        if self._settings.wheels:
            return f"from {Path(self._settings.wheels[SIDES.index(side)]).name}"
        homes = self._trees.sides[side].homes
        return "from its tree, installed" if homes is None else f"from {', '.join(homes)}"

    def remedy(self, module: str | None = None) -> str:
        """Return the next step for a side that does not run its own code, in `module` or at all."""
        owners = [each for each in self.distributions if module and usage.is_below(module, each.names)]
        folders = [each.projects["head"].folder or "." for each in owners if "head" in each.projects]
        if self._settings.install == "no" and not self._settings.folders:
            return "Leave out --benchmark-against-install=no, so that both sides are installed."
        missing = [each for each in folders if owners[0] not in self.installed]
        if missing:
            folder = f"{[*self._settings.folders, missing[0]]}".replace("'", '"')
            return f"Install it for both sides: [tool.paceline] install = {folder}"
        if module is not None:
            return "Remove the path configuration file (.pth), link or PYTHONPATH entry that leads there."
        if self._settings.install == "yes" or self.installed:
            return "Name the folders of the projects that the benchmarks use: [tool.paceline] install = [...]"
        return "Install both sides (--benchmark-against-install), or compare two wheels (--benchmark-against-wheel)."

    def _survey(self, found: Mapping[str, Any] | None) -> usage.Survey:
        tree = self._trees.tree("head")
        if found is None:
            files = [tree / name for name in self._sources["head"].files if name.endswith("conftest.py")]
            return usage.Survey(tree, {}, {}, usage.imported(files))
        root = Path(found["root"])
        files = [Path(name) for name in found["modules"]]
        files += [root / name.partition("::")[0] for name in found["errors"]]
        return usage.Survey(tree, found["loaded"], found["origins"], usage.imported(files))

    def _add_compiled(self, survey: usage.Survey) -> None:
        """Add compiled modules that were loaded but are in no list of files, as after an editable installation."""
        names = [name for name, file in survey.loaded.items() if origin.COMPILED.search(file)]
        for each in self.distributions:
            each.compiled |= {name for name in names if usage.is_below(name, each.names)}

    def _wanted(self, using: Sequence[Distribution], survey: usage.Survey) -> list[Distribution]:
        if self._settings.folders:
            return usage.chosen(self._settings.folders, self.distributions, self._sources["head"])
        if self._settings.install == "no":
            return []
        if self._settings.install == "yes":
            return [each for each in using if "head" in each.projects] or self._around()
        return [each for each in using if usage.must_be_installed(each, survey)]

    def _around(self) -> list[Distribution]:
        """Return the project around the folder that the gate was started in. Raises PacelineError without one."""
        place = self._trees.relative(self._request.started_in)
        folders = {"" if each == Path() else each.as_posix() for each in (place, *place.parents)}
        around = [each for each in self.distributions if "head" in each.projects]
        around = [each for each in around if each.projects["head"].folder in folders]
        if not around:
            raise PacelineError(
                f"--benchmark-against-install: no project in {self._request.started_in}. Leave the option out."
            )
        return [max(around, key=lambda each: len(each.projects["head"].folder))]

    def _insist_on_project(self, distribution: Distribution) -> None:
        if distribution.projects:
            return
        copy = next(iter(distribution.installed.values()))
        raise PacelineError(
            f"both sides would run the copy of {distribution.name} in {copy.place}, as no project file of this"
            " repository builds it. Compare two wheels of it (--benchmark-against-wheel)."
        )

    def _install(self, side: str, wanted: Sequence[Distribution]) -> None:
        here = [each for each in wanted if side in each.projects]
        for each in wanted:
            if each not in here:
                self._notices.append(f"{each.name} is not installed for {side}, which has no such project")
        if not here:
            return
        self._say(f"installing {side}: {', '.join(each.name for each in here)}")
        built = self._build_by_asv(side)
        folders = [self._trees.tree(side) / each.projects[side].folder for each in here]
        folders = [folder for folder in folders if folder != built]
        if not folders:
            return
        executable = self._trees.sides[side].interpreter.executable
        install.install(executable, folders, self._trees.site(side), side, self._remedy(executable))

    def _build_by_asv(self, side: str) -> Path | None:
        """Build and install a side by the commands of head's asv.conf.json; return the project's folder.

        None, and nothing is done, if it has no such commands.
        """
        tree, head = self._trees.tree(side), self._trees.tree("head")
        if self._request.asv is None:
            return None
        suite = asv_conf.find(head / self._trees.relative(self._request.started_in), self._request.asv)
        if suite.file is None or not asv_install.has_commands(suite.settings):
            return None
        conf_dir = tree / suite.file.parent.relative_to(head)
        work = self._trees.folder / "asv-build" / side
        places = asv_install.Places(tree, conf_dir, work, self._trees.site(side))
        commit = str(self._trees.sides[side].about.get("commit") or "")
        python = self._trees.sides[side].interpreter.executable
        for command in asv_install.commands(suite.settings, places, python, commit):
            install.run_as_asv(command, side)
        return tree / (suite.settings.get("repo_subdir") or "")

    def _remedy(self, executable: str) -> str:
        remedy = f"Install the requirements of the build for {executable}"
        if self._settings.folders:
            return f"{remedy}, or correct [tool.paceline] install."
        if self._settings.install == "yes":
            return f"{remedy}, or leave out --benchmark-against-install."
        return f"{remedy}, or set --benchmark-against-install=no if it runs without being installed."

    # Compiled modules

    def _expect_compiled_modules(self, side: str, using: Iterable[Distribution]) -> None:
        """Raise PacelineError if an installed side would run the fallback of a module that is compiled here.

        Code that is used in place is checked by its processes.
        """
        about, site = self._trees.sides[side], self._trees.site(side)
        about.expected = frozenset(name for each in [*using, *self.installed] for name in each.compiled)
        expected = sorted({name for each in self.installed for name in each.compiled})
        present = {name for each in read([str(site)]) for name in each.compiled}
        here = [name for name in expected if name in present]
        reasons = compiled.unimportable(about.interpreter.executable, here, site)
        self.judge_lacking(side, [name for name in expected if name not in here or name in reasons], reasons)

    def judge_lacking(self, side: str, names: Sequence[str], reasons: Mapping[str, str] | None = None) -> None:
        """Raise PacelineError if a side lacks a compiled module that it has the source of, or cannot import it.

        Modules that the user's environment cannot import either are excused. `reasons`: import errors, by name.
        """
        about = self._trees.sides[side]
        excused = compiled.unimportable_here(about.interpreter.executable, names, self._request.started_in)
        for name in names:
            reason = (reasons or {}).get(name)
            about.expected -= {name}
            if name in excused:
                continue
            if reason is not None or compiled.has_source(self._folders(side), name):
                raise PacelineError(self._fallback(side, name, reason))
            notice = f"{side} has no source of the compiled module {name}, which your environment has"
            if notice not in self._notices:
                self._notices.append(notice)

    def _fallback(self, side: str, name: str, reason: str | None) -> str:
        """Return the error for a side that lacks a compiled module."""
        why = f"{side} cannot import it ({reason})" if reason else f"not for {side}"
        remedy = "Check whether a variable or a missing compiler left extensions out of the build."
        if self._settings.install == "no":
            remedy = "Leave out --benchmark-against-install=no, so that both sides are built."
        return f"{name} is compiled in your environment, but {why}, so its fallback would be timed. {remedy}"

    def _folders(self, side: str) -> list[Path]:
        projects = [each.projects[side] for each in self.distributions if side in each.projects]
        return [self._trees.tree(side) / project.folder for project in projects]


def _as_distributions(parts: Mapping[str, Iterable[Installed]]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    for side, installed in parts.items():
        for each in installed:
            found.setdefault(each.name, Distribution(each.name)).installed[side] = each
    return list(found.values())
