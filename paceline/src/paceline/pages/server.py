"""Serves a site to browsers on this machine only."""

from __future__ import annotations

import functools
import http.server
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "127.0.0.1"
PORTS = 65535
#: Names of this machine in a browser. A foreign page whose name resolves to this machine (DNS rebinding) has another.
OWN_NAME = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", re.IGNORECASE)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder, never from a browser's cache."""

    timeout = 60  # seconds for a slow request, or an answer that is not read

    def send_head(self) -> Any:
        """Send the headers, or refuse a request for another host or for a path outside of the site."""
        if not OWN_NAME.fullmatch(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This site is served to this machine only")
        elif not self._is_in_site():
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            return super().send_head()
        return None

    def _is_in_site(self) -> bool:
        """Whether the path is a file or page of the site, after following links."""
        path = Path(self.translate_path(self.path))
        try:
            if path.is_dir():
                path /= "index.html"
            if "\\" in self.path or not path.is_file():  # browsers turn a backslash in a redirect into a slash
                return False
            return path.resolve().is_relative_to(Path(self.directory).resolve())
        except (OSError, ValueError):  # not a possible file name
            return False

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing, as requests come only from the user's own browser."""


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, port: int, handler: Any, say: Callable[[str], None]) -> None:
        super().__init__((ADDRESS, port), handler)
        self._say = say

    def handle_error(self, *_: object) -> None:
        """Print an error as one line; ignore requests that the browser cancels."""
        error = sys.exception()
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self._say(f"a request failed: {error!r}")


def check(port: int) -> None:
    """Raise PacelineError if this is not a port number; whether the port is free is not checked."""
    if not 0 <= port <= PORTS:
        raise PacelineError(f"--serve: expected a port from 1 to {PORTS}, or 0 for any free port, got {port}")


def serve(site: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve `site` until Ctrl-C; port 0 means any free port. Raises PacelineError if the port is taken."""
    handler = functools.partial(_Handler, directory=str(site))
    try:
        server = _Server(port, handler, say)
    except OSError as error:
        raise PacelineError(
            f"cannot serve on port {port}: {error}. Choose another port, such as --serve 8081."
        ) from None
    with server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ (press Ctrl-C to stop)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
