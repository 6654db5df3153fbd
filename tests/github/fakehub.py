"""A GitHub on loopback, as its documentation describes it: pages with links, limits, locks, redirects, outages."""

from __future__ import annotations

import datetime as dt
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

REPOSITORY = "owner/project"
TOKEN = "t0ken"  # noqa: S105  # of the fake
BOT = "github-actions[bot]"
LONGEST = 65_536  # characters of a body


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
    locked: set[int] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    both_are_here: threading.Barrier | None = None  #: makes writers of an issue or a comment race
    meanwhile: Callable[[str, str], None] | None = None  #: called with method and path, once the answer is settled
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
        with self.lock:
            self.comments[pull].append(made)
        return made

    def add_issue(self, login: str = BOT, **values: Any) -> dict[str, Any]:
        """Open an issue; `pull_request={}` among the values makes it one, as in GitHub's list of issues."""
        made = {
            "number": self.next_id(),
            "title": "",
            "body": "",
            "state": "open",
            "user": {"login": login},
            "updated_at": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **values,
        }
        with self.lock:
            self.issues.append(made)
        return made

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
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": TOKEN,
            **more,
        }


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Pack files as an artifact."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve a fresh GitHub until the block ends."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        pass

    def handle_any(self) -> None:
        split = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        self.hub.log.append((self.command, self.path))
        fault = self._fault(split.path)
        if fault is not None and not fault.lost:
            message = {"message": "as the test wants it"}
            self._reply(fault.status, message if fault.status != 200 else [], fault.headers)
            return
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        status, answer, headers = self._answer(split.path, query, body)
        if self.hub.meanwhile is not None:
            self.hub.meanwhile(self.command, split.path)
        if fault is not None:
            status, answer, headers = fault.status, {"message": "Bad Gateway"}, {}
        self._reply(status, answer, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  # the base class names them so

    def _fault(self, path: str) -> Fault | None:
        with self.hub.lock:
            for fault in self.hub.faults:
                if fault.times and fault.method == self.command and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def _reply(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if status != 204 else 0))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def _answer(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        if path.startswith("/blob/"):  # another host: a token there is refused, as a second way to authorize
            if "Authorization" in self.headers:
                return 400, {"message": "Only one authentication mechanism is allowed"}, {}
            return 200, self.hub.blobs[int(path.removeprefix("/blob/"))], {}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        prefix = f"/repos/{REPOSITORY}/"
        if not path.startswith(prefix):
            return 404, {"message": "Not Found"}, {}
        return self._resource(path.removeprefix(prefix), query, body)

    def _resource(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        hub = self.hub
        if path.startswith("actions/"):
            return self._actions(path, query)
        if path == "pulls":
            owner, _, branch = query.get("head", ":").partition(":")
            listed = [
                each
                for each in hub.pulls
                if each["state"] == query.get("state", "open")
                and (each["head"]["repo"]["owner"]["login"], each["head"]["ref"]) == (owner, branch)
            ]
            page, headers = self._page(path, query, listed)
            return 200, page, headers
        if path == "issues" and self.command == "GET":
            assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?", query.get("since", "")), query
            shown = self._issues(query)
            page, headers = self._page(path, query, shown)
            return 200, page, headers
        return self._write(path, query, body)

    def _actions(self, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        hub = self.hub
        if found := re.fullmatch(r"actions/runs/(\d+)/artifacts", path):
            listed = [
                each for each in hub.artifacts.get(int(found[1]), []) if query.get("name") in {None, each["name"]}
            ]
            page, headers = self._page(path, query, listed)
            return 200, {"total_count": len(listed), "artifacts": page}, headers
        if found := re.fullmatch(r"actions/runs/(\d+)", path):
            return 200, {"id": int(found[1]), "created_at": "2026-11-20T23:59:59Z"}, {}
        if found := re.fullmatch(r"actions/artifacts/(\d+)/zip", path):
            if int(found[1]) not in hub.blobs:
                return 410, {"message": "Artifact has expired"}, {}
            return 302, {}, {"Location": f"{hub.url}/blob/{found[1]}"}
        return 404, {"message": "Not Found"}, {}

    def _issues(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        state, order = query.get("state", "open"), query.get("sort", "created")
        direction = query.get("direction", "desc")
        keys = {"created": "number", "updated": "updated_at"}  # numbers grow as issues are made
        assert state in {"open", "closed", "all"}
        assert direction in {"asc", "desc"}
        found = [
            each
            for each in self.hub.issues
            if each["updated_at"] >= query.get("since", "") and state in {"all", each["state"]}
        ]
        return sorted(found, key=lambda each: each[keys[order]], reverse=direction == "desc")

    def _write(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        hub = self.hub
        if body is not None and len(body.get("body", "")) > LONGEST:
            return 422, {"message": "Validation Failed: body is too long (maximum is 65536 characters)"}, {}
        if found := re.fullmatch(r"issues/(\d+)/comments", path):
            return self._comments(int(found[1]), path, query, body)
        if found := re.fullmatch(r"issues/comments/(\d+)", path):
            return self._comment(int(found[1]), body)
        if path == "issues":
            self._race()
            labels = [{"name": name} for name in body.pop("labels", [])]
            return 201, dict(hub.add_issue(labels=labels, **body)), {}
        if found := re.fullmatch(r"issues/(\d+)", path):
            for issue in hub.issues:
                if issue["number"] == int(found[1]):
                    issue.update(body)
                    return 200, issue, {}
        return 404, {"message": "Not Found"}, {}

    def _comments(self, number: int, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        hub = self.hub
        if number not in hub.comments:
            return 404, {"message": "Not Found"}, {}
        if self.command == "GET":
            page, headers = self._page(path, query, hub.comments[number])
            return 200, page, headers
        if number in hub.locked:
            return 403, {"message": "Unable to create comment because issue is locked."}, {}
        self._race()
        return 201, hub.add_comment(number, body["body"]), {}

    def _comment(self, number: int, body: Any) -> tuple[int, Any, dict[str, str]]:
        with self.hub.lock:
            for comments in self.hub.comments.values():
                for comment in comments:
                    if comment["id"] == number and self.command == "DELETE":
                        comments.remove(comment)
                        return 204, {}, {}
                    if comment["id"] == number:
                        comment.update(body or {})
                        return 200, dict(comment), {}
        return 404, {"message": "Not Found"}, {}

    def _race(self) -> None:
        if self.hub.both_are_here is not None:
            self.hub.both_are_here.wait(timeout=30)

    def _page(self, path: str, query: dict[str, str], entries: list[Any]) -> tuple[list[Any], dict[str, str]]:
        size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
        if not 1 <= size <= 100:
            size = 30
        with self.hub.lock:
            shown = [dict(each) for each in entries[(number - 1) * size : number * size]]
            more = len(entries) > number * size
        links = []
        for relation, wanted in (("prev", number - 1), ("next", number + 1)):
            if (relation == "prev" and number > 1) or (relation == "next" and more):
                following = urlencode({**query, "page": wanted})
                links.append(f'<{self.hub.url}/repos/{REPOSITORY}/{path}?{following}>; rel="{relation}"')
        return shown, {"Link": ", ".join(links)} if links else {}
