"""A request for a gate, from pytest or from `paceline gate`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.config.options import ASV

if TYPE_CHECKING:
    from paceline.config.settings import Settings


@dataclass(frozen=True)
class Request:
    """A gate to run. `arguments` are pytest's, as the user gave them; `python` runs head."""

    settings: Settings
    arguments: tuple[str, ...] = ()
    started_in: Path = field(default_factory=Path.cwd)
    python: str = sys.executable

    @property
    def json(self) -> Path | None:
        """The file to write the findings to."""
        return self.started_in / self.settings.json if self.settings.json else None

    @property
    def flamegraph(self) -> Path | None:
        """The folder to write flame graphs to."""
        return self.started_in / self.settings.flamegraph if self.settings.flamegraph else None

    @property
    def asv(self) -> str | None:
        """Return the folder of the asv suite to collect; empty for that of asv.conf.json, None for no suite."""
        given = [word.partition("=")[2] for word in self.arguments if word.partition("=")[0] == ASV.flag]
        return given[-1] if given else self.settings.asv
