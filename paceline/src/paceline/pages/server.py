"""Serves a site to the browser on this machine, and to nobody else."""

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
#: What a browser calls this machine. A page of others whose name is made to mean this machine keeps its name.
OWN_NAME = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", re.IGNORECASE)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, always the newest."""

    timeout = 60  # seconds for a request that is sent slowly, or an answer that nobody reads

    def send_head(self) -> Any:
        """Send the headers, or refuse a request that is for another host or for no file of the site."""
        if not OWN_NAME.fullmatch(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This site is served to this machine alone")
        elif not self._is_in_site():
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            return super().send_head()
        return None

    def _is_in_site(self) -> bool:
        """Whether a file or a page is there, and is of the site once links are followed."""
        path = Path(self.translate_path(self.path))
        try:
            if path.is_dir():
                path /= "index.html"
            if "\\" in self.path or not path.is_file():  # a redirected browser takes a backslash for a slash
                return False
            return path.resolve().is_relative_to(Path(self.directory).resolve())
        except (OSError, ValueError):  # a name that no file can have
            return False

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: requests of the own browser are no news."""


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, port: int, handler: Any, say: Callable[[str], None]) -> None:
        super().__init__((ADDRESS, port), handler)
        self._say = say

    def handle_error(self, *_: object) -> None:
        """Say in one line what failed; a browser that breaks a request off is no failure."""
        error = sys.exception()
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self._say(f"a request failed: {error!r}")


def check(port: int) -> None:
    """Raise PacelineError if no system has such a port; whether it is free shows when it is served."""
    if not 0 <= port <= PORTS:
        raise PacelineError(f"--serve {port} is no port: name one from 1 to {PORTS}, or 0 for any that is free")


def serve(site: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve `site` until Ctrl-C; port 0 takes any that is free. Raises PacelineError if the port is taken."""
    handler = functools.partial(_Handler, directory=str(site))
    try:
        server = _Server(port, handler, say)
    except OSError as error:
        raise PacelineError(f"port {port} cannot be served ({error}): name another, as in --serve 8081") from None
    with server:
        say(f"serving http://{ADDRESS}:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
