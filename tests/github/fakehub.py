"""A GitHub on loopback, as far as our scripts use it: pages with links, limits, locks, redirects, outages."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Reply = tuple[int, Any, Mapping[str, str]]

REPOSITORY = "owner/project"
TOKEN = "t0ken"  # noqa: S105  # of the fake
BOT = "github-actions[bot]"
NOT_FOUND: Reply = (404, {"message": "Not Found"}, {})


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match; `lost`: carried out, but the answer is lost."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    lost: bool = False


@dataclass
class Hub:
    """State of the repository; tests fill it and look at it. `log` has every request as (method, path)."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    blobs: dict[int, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    meanwhile: Callable[[str, str], object] | None = None  #: called with method and path before a request is met
    url: str = ""
    _last: int = 1_000

    def next_id(self) -> int:
        """Return a number that grows, as GitHub's do."""
        with self.lock:
            self._last += 1
            return self._last

    def add_pull(self, sha: str, branch: str = "topic", owner: str = "owner", state: str = "open") -> int:
        """Open a pull request, of a fork if `owner` is another."""
        number = self.next_id()
        head = {"sha": sha, "ref": branch, "repo": {"owner": {"login": owner}}}
        self.pulls.append({"number": number, "state": state, "head": head})
        self.comments[number] = []
        return number

    def add_comment(self, pull: int, body: str, login: str = BOT) -> dict[str, Any]:
        """Write a comment."""
        made = {"id": self.next_id(), "body": body, "user": {"login": login}}
        self.comments[pull].append(made)
        return made

    def add_issue(self, login: str = BOT, **values: Any) -> dict[str, Any]:
        """Open an issue; `pull_request={}` among the values makes it one, as in GitHub's list of issues."""
        made = {"number": self.next_id(), "title": "", "body": "", "state": "open", "user": {"login": login}}
        self.issues.append(made | {"updated_at": "2999-01-01T00:00:00Z"} | values)  # after any `since`
        return self.issues[-1]

    def add_artifact(self, run: int, name: str, packed: bytes, **values: Any) -> None:
        """Let a run leave an artifact."""
        number = self.next_id()
        self.blobs[number] = packed
        told = {"id": number, "name": name, "size_in_bytes": len(packed), "expired": False, **values}
        self.artifacts.setdefault(run, []).append(told)

    def of(self, method: str) -> list[str]:
        """Paths of the requests that had this method."""
        return [path for each, path in self.log if each == method]

    def environment(self, **more: str) -> dict[str, str]:
        """What a job is given to reach this GitHub."""
        job = {"GITHUB_API_URL": self.url, "GITHUB_SERVER_URL": "https://github.com"}
        return job | {"GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": TOKEN} | more


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Pack files as an artifact."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def meet(parties: int, method: str) -> Callable[[str, str], object]:
    """Let the first writers of a kind race: none is carried out before all of them have asked."""
    barrier = threading.Barrier(parties)
    return lambda each, _path: barrier.wait(timeout=30) if each == method else None


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve a fresh GitHub until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = False
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        split = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        self.hub.log.append((self.command, self.path))
        fault = next((each for each in self.hub.faults if each.times and self._meets(each, split.path)), None)
        reply: Reply = (0, None, {})
        if self.hub.meanwhile is not None:
            self.hub.meanwhile(self.command, split.path)
        if fault is None or fault.lost:
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            with self.hub.lock:
                reply = self._answer(split.path, query, body)
        if fault is not None:
            fault.times -= 1
            reply = fault.status, {"message": "as the test wants it"} if fault.status != 200 else [], fault.headers
        self._send(*reply)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  # the base class names them so

    def _meets(self, fault: Fault, path: str) -> bool:
        return fault.method == self.command and re.search(fault.path, path) is not None

    def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content) if status != 204 else 0)}.items():
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def _answer(self, path: str, query: Mapping[str, str], body: Any) -> Reply:
        if path.startswith("/blob/"):  # another host: a token there is refused, as a second way to authorize
            refused = "Authorization" in self.headers
            return (400, {}, {}) if refused else (200, self.hub.blobs[int(path.removeprefix("/blob/"))], {})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        parts = path.removeprefix(f"/repos/{REPOSITORY}/").split("/")
        return self._look(path, parts, query) if self.command == "GET" else self._write(parts, body)

    def _look(self, path: str, parts: list[str], query: Mapping[str, str]) -> Reply:
        match parts:
            case ["actions", "artifacts", number, "zip"]:
                return 302, {}, {"Location": f"{self.hub.url}/blob/{number}"}
            case ["actions", "runs", run]:
                return 200, {"id": int(run), "created_at": "2026-11-20T23:59:59Z"}, {}
            case ["issues", "comments", number]:
                return next((200, dict(each), {}) for _, each in self._all_comments() if each["id"] == int(number))
        entries = self._list(parts, query)
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        shown = [dict(each) for each in entries[(page - 1) * size : page * size]]
        following = f"{self.hub.url}{path}?{urlencode({**query, 'page': page + 1})}"
        links = {"Link": f'<{following}>; rel="next"'} if len(entries) > page * size else {}
        return 200, {"artifacts": shown} if parts[-1] == "artifacts" else shown, links

    def _list(self, parts: list[str], query: Mapping[str, str]) -> list[dict[str, Any]]:
        match parts:
            case ["pulls"]:
                open_ones = [each for each in self.hub.pulls if each["state"] == query["state"]]
                heads = [f"{each['head']['repo']['owner']['login']}:{each['head']['ref']}" for each in open_ones]
                return [each for each, head in zip(open_ones, heads, strict=True) if head == query["head"]]
            case ["issues"]:
                return [each for each in self.hub.issues if each["updated_at"] >= query.get("since", "")]
            case ["issues", pull, "comments"]:
                return self.hub.comments[int(pull)]
            case _:  # actions/runs/RUN/artifacts
                return [each for each in self.hub.artifacts.get(int(parts[2]), []) if each["name"] == query["name"]]

    def _all_comments(self) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
        return [(comments, each) for comments in self.hub.comments.values() for each in comments]

    def _write(self, parts: list[str], body: Any) -> Reply:
        match self.command, parts:
            case "POST", ["issues"]:
                labels = [{"name": name} for name in body.pop("labels", [])]
                return 201, dict(self.hub.add_issue(labels=labels, **body)), {}
            case "PATCH", ["issues", number]:
                (issue,) = (each for each in self.hub.issues if each["number"] == int(number))
                issue.update(body)
                return 200, issue, {}
            case "POST", ["issues", number, "comments"]:
                return 201, self.hub.add_comment(int(number), body["body"]), {}
            case method, ["issues", "comments", number]:
                for comments, comment in self._all_comments():
                    if comment["id"] == int(number) and method == "DELETE":
                        comments.remove(comment)
                        return 204, {}, {}
                    if comment["id"] == int(number):
                        comment.update(body)
                        return 200, dict(comment), {}
        return NOT_FOUND
