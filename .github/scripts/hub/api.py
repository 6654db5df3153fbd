"""The part of GitHub's REST API that is needed here.

What is safe to repeat is repeated, within bounds. What may have been carried out although its answer was lost
raises `UnclearError`, so that the caller looks before it asks again: that is how nothing comes to stand twice.
`gh api` repeats nothing, does not wait for a rate limit to end, and does not say whether a lost answer was one to a
write. It cannot talk HTTP to a server on loopback either, which the tests need. So it cannot replace this client.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from paceline.errors import PacelineError
from paceline.system.strict import MalformedError, loads, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    T = TypeVar("T")

TRIES = 5
PATIENCE = 300.0  # seconds of waiting in all
TIMEOUT = 30.0
LARGEST_ANSWER = 20_000_000
MOST_PAGES = 500
REPEATABLE = {"GET", "PATCH", "DELETE"}
NOT_DONE = {409, 429}  # GitHub did not carry it out, so it can be asked again, whatever it was


class ApiError(PacelineError):
    """GitHub refused. `status` is that of its answer, 0 if there was none."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnclearError(ApiError):
    """The request may or may not have been carried out."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Answer:
    """GitHub's answer, with `headers` by their lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def document(self) -> Any:
        """Parse the answer."""
        return loads(self.content, "GitHub's answer")


@dataclass
class Api:
    """The API of one repository, with the `url` and `token` that GitHub gives a job."""

    url: str
    repository: str
    token: str = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    _waited: float = 0.0

    @classmethod
    def of_job(cls, environment: Mapping[str, str]) -> Api:
        """Return the API that the job's environment names. Raises PacelineError."""
        repository = environment.get("GITHUB_REPOSITORY", "")
        if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", repository, re.ASCII):
            raise PacelineError(
                f"GITHUB_REPOSITORY is {repository!r}, expected OWNER/NAME. Run this in a job on GitHub."
            )
        token = environment.get("GITHUB_TOKEN", "")
        if not token:
            raise PacelineError("GITHUB_TOKEN is not set. Give the step `env: GITHUB_TOKEN: ${{ github.token }}`.")
        return cls(environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"), repository, token)

    def ask(self, method: str, path: str, body: object = None, **query: str | int) -> Answer:
        """Send one request for the repository and return its answer. Raises ApiError from status 400 on."""
        address = f"{self.url}/repos/{self.repository}/{path}" + (f"?{urlencode(query)}" if query else "")
        return self._persist(method, address, body)

    def every(self, path: str, key: str | None = None, **query: str | int) -> Iterator[dict[str, Any]]:
        """Yield the entries of all pages. `key` names the list if the answer is an object."""
        answer = self.ask("GET", path, per_page=100, **query)
        for _ in range(MOST_PAGES):
            document = answer.document()
            entries = document.get(key) if key and isinstance(document, dict) else document
            if not isinstance(entries, list):
                raise ApiError(f"GitHub's answer to {path}: expected a list, got {quoted(document)}", answer.status)
            yield from (entry for entry in entries if isinstance(entry, dict))
            following = re.search(r'<([^<>]+)>\s*;[^,]*rel="next"', answer.headers.get("link", ""))
            if following is None:
                return
            if not following[1].startswith(f"{self.url}/"):
                raise ApiError(f"GitHub's next page is on another server: {quoted(following[1])}", answer.status)
            answer = self._persist("GET", following[1], None)
        raise ApiError(f"GitHub's answer to {path} has more than {MOST_PAGES} pages", answer.status)

    def download(self, path: str, largest: int) -> bytes:
        """Fetch a file to which GitHub redirects, without the token. Raises MalformedError, ApiError."""
        answer = self.ask("GET", path)
        target = answer.headers.get("location", "")
        if not 300 <= answer.status < 400:
            content = answer.content
        elif urlsplit(target).scheme in {"https", urlsplit(self.url).scheme}:
            content = self._persist("GET", target, None, with_token=False, largest=largest).content
        else:
            raise ApiError(f"GitHub redirects {path} to {quoted(target)}", answer.status)
        if len(content) > largest:
            raise MalformedError(f"{path} is larger than {largest} bytes")
        return content

    def _persist(
        self, method: str, address: str, body: object, *, with_token: bool = True, largest: int = LARGEST_ANSWER
    ) -> Answer:
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._send(method, address, body, with_token=with_token, largest=largest)
            except (OSError, http.client.HTTPException) as error:
                answer = Answer(0, {}, str(error).encode())
            if 0 < answer.status < 400:
                return answer
            delay = self._delay(answer, method, attempt)
            if delay is None or attempt == TRIES:
                break
            self._wait(delay, method, address)
        raise self._error(answer, method, address)

    def _send(self, method: str, address: str, body: object, *, with_token: bool, largest: int) -> Answer:
        headers = {"User-Agent": "paceline", "Accept": "application/vnd.github+json"}
        if with_token:
            headers |= {"Authorization": f"Bearer {self.token}", "X-GitHub-Api-Version": "2022-11-28"}
        data = None if body is None else json.dumps(body).encode()
        # Both schemes are http: the address is the API's own, or checked by `download`.
        request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT) as response:
                return _answer(response.status, response, largest)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error, largest)

    def _delay(self, answer: Answer, method: str, attempt: int) -> float | None:
        """Return the seconds to wait before asking again; None if that is useless or may do harm."""
        limited = _limit(answer.headers) if answer.status in {403, 429} else None
        if limited is not None:
            return limited
        backoff = 2.0 ** (attempt - 1)
        if answer.status in NOT_DONE:
            return backoff
        lost = answer.status == 0 or answer.status >= 500
        return backoff if lost and method in REPEATABLE else None

    def _wait(self, seconds: float, method: str, address: str) -> None:
        if self._waited + seconds > PATIENCE:
            raise ApiError(
                f"{method} {urlsplit(address).path}: GitHub asks to wait {seconds:.0f} s more, after"
                f" {self._waited:.0f} s. The limit is {PATIENCE:.0f} s. Run the job again later.",
                429,
            )
        self._waited += seconds
        self.sleep(seconds)

    def _error(self, answer: Answer, method: str, address: str) -> ApiError:
        place = f"{method} {urlsplit(address).path}"
        if answer.status == 0 or answer.status >= 500:
            kind = ApiError if method in REPEATABLE else UnclearError
            return kind(f"{place}: no usable answer ({answer.status}): {_message(answer)}", answer.status)
        remedy = {
            401: ". The token is not valid.",
            403: ". Does the job have the permission, and is the conversation open?",
            404: ". Does it exist, and may the token see it?",
        }.get(answer.status, "")
        return ApiError(f"{place}: {answer.status}: {_message(answer)}{remedy}", answer.status)


def _answer(status: int, response: Any, largest: int) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status, headers, response.read(largest + 1))


def _limit(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a rate limit ends; None if there is none."""
    if headers.get("retry-after", "").isdecimal():
        return float(headers["retry-after"])
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - time.time()) + 1.0
    return None


def _message(answer: Answer) -> str:
    try:
        return quoted(str(answer.document()["message"]))
    except (MalformedError, TypeError, KeyError):
        return quoted(answer.content.decode(errors="replace"))


def ensure(find: Callable[[], T | None], create: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Return the result of `find`, or else create it. After a lost answer it looks again before it repeats."""
    for attempt in range(1, TRIES + 1):
        found = find()
        if found is not None:
            return found
        try:
            return create()
        except UnclearError:
            if attempt == TRIES:
                raise
            sleep(2.0 ** (attempt - 1))
    raise AssertionError("the loop returns or raises")


def newest_artifact(api: Api, run: int, name: str) -> dict[str, Any] | None:
    """Return what GitHub knows of a run's newest artifact of that name, or None. Raises ApiError."""
    listed = [
        each
        for each in api.every(f"actions/runs/{run}/artifacts", "artifacts", name=name)
        if each.get("name") == name and not each.get("expired") and isinstance(each.get("id"), int)
    ]
    return max(listed, key=lambda each: int(each["id"]), default=None)


def artifact(api: Api, run: int, name: str, largest: int) -> bytes | None:
    """Return the zip of a run's newest artifact of that name, or None. Raises MalformedError, ApiError."""
    newest = newest_artifact(api, run, name)
    if newest is None:
        return None
    size = newest.get("size_in_bytes")
    if not isinstance(size, int) or size > largest:
        raise MalformedError(f"artifact {name!r} of run {run} has {quoted(size)} bytes; the limit is {largest}")
    return api.download(f"actions/artifacts/{newest['id']}/zip", largest)
