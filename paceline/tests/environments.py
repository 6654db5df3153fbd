"""Environments of projects to judge: without pip, as conda's and uv's often are, and with this one's pytest."""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Environment:
    """A Python with packages of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages are."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def install(self, project: Path, *options: str) -> None:
        """Install a project, and leave nothing of the build in it."""
        command = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-index"]
        subprocess.run([*command, "--no-deps", "--no-build-isolation", *options, str(project)], check=True)
        shutil.rmtree(project / "build", ignore_errors=True)


def make_environment(folder: Path) -> Environment:
    """Make an environment that borrows the packages of this one, and looks like conda's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (folder / "conda-meta").mkdir()
    environment = Environment(folder)
    (environment.packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return environment
