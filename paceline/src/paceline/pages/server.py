"""Serves a site to the browser on this machine, and to nobody else."""

from __future__ import annotations

import functools
import http.server
from typing import TYPE_CHECKING

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADDRESS = "127.0.0.1"
PORTS = 65535


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, always the newest."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: requests of the own browser are no news."""


def check(port: int) -> None:
    """Raise PacelineError if no system has such a port; whether it is free shows when it is served."""
    if not 0 <= port <= PORTS:
        raise PacelineError(f"--serve {port} is no port: name one from 1 to {PORTS}, or 0 for any that is free")


def serve(site: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve `site` until Ctrl-C; port 0 takes any that is free. Raises PacelineError if the port is taken."""
    handler = functools.partial(_Handler, directory=str(site))
    try:
        server = http.server.ThreadingHTTPServer((ADDRESS, port), handler)
    except OSError as error:
        raise PacelineError(f"port {port} cannot be served ({error}): name another, as in --serve 8081") from None
    with server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
