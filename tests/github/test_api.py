"""Outages and limits are survived within bounds; what may have been done already is never done again blindly."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hub import api as github
from hub.api import Api, ApiError, UnclearError
from paceline.errors import PacelineError
from paceline.system.strict import MalformedError

from tests.github.fakehub import REPOSITORY, TOKEN, Fault, packed

if TYPE_CHECKING:
    from tests.github.fakehub import Hub


@pytest.fixture
def naps() -> list[float]:
    """Seconds that the client wanted to wait."""
    return []


@pytest.fixture
def api(hub: Hub, naps: list[float]) -> Api:
    """A client of this GitHub that notes its waits instead of waiting."""
    return Api(hub.url, REPOSITORY, TOKEN, sleep=naps.append)


def test_all_pages_are_read(hub: Hub, api: Api) -> None:
    for _ in range(250):
        hub.add_issue()
    assert len(list(api.every("issues", state="all"))) == 250
    assert len(hub.of("GET")) == 3


def test_a_next_page_elsewhere_is_not_followed(hub: Hub, api: Api) -> None:
    link = {"Link": '<https://evil.example/repos>; rel="next"'}
    hub.faults.append(Fault("GET", "issues", 200, link))
    with pytest.raises(ApiError, match="on another server"):
        list(api.every("issues"))


@pytest.mark.parametrize("status", [500, 502, 503, 409])
def test_an_outage_is_survived(status: int, hub: Hub, api: Api, naps: list[float]) -> None:
    hub.faults.append(Fault("GET", "issues", status, times=3))
    assert list(api.every("issues")) == []
    assert naps == [1, 2, 4]


def test_patience_ends(hub: Hub, api: Api, naps: list[float]) -> None:
    hub.faults.append(Fault("GET", "issues", 503, times=99))
    with pytest.raises(ApiError, match="503"):
        api.ask("GET", "issues")
    assert len(hub.of("GET")) == github.TRIES
    assert sum(naps) <= github.PATIENCE


def test_retry_after_is_heeded(hub: Hub, api: Api, naps: list[float]) -> None:
    hub.faults += [
        Fault("POST", "issues", 429, {"Retry-After": "7"}),
        Fault("POST", "issues", 403, {"Retry-After": "9"}),  # a secondary limit
    ]
    api.ask("POST", "issues", {"title": "x", "body": ""})
    assert naps == [7, 9]
    assert len(hub.issues) == 1


def test_a_spent_rate_limit_waits_for_its_reset(hub: Hub, api: Api, naps: list[float]) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 20)}
    hub.faults.append(Fault("GET", "issues", 403, headers))
    api.ask("GET", "issues")
    assert naps == [pytest.approx(21, abs=3)]


def test_a_reset_too_far_away_is_one_line(hub: Hub, api: Api, naps: list[float]) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 3000)}
    hub.faults.append(Fault("GET", "issues", 403, headers, times=9))
    with pytest.raises(ApiError, match="Run the job again later"):
        api.ask("GET", "issues")
    assert naps == []


@pytest.mark.parametrize(
    ("status", "said"), [(401, "token"), (403, "permission"), (404, "exist"), (422, "as the test")]
)
def test_a_refusal_is_not_repeated(status: int, said: str, hub: Hub, api: Api, naps: list[float]) -> None:
    hub.faults.append(Fault("POST", "issues", status, times=9))
    with pytest.raises(ApiError, match=said) as caught:
        api.ask("POST", "issues", {})
    assert caught.value.status == status
    assert naps == []
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_lost_answer_to_a_write_is_not_repeated(status: int, hub: Hub, api: Api) -> None:
    hub.faults.append(Fault("POST", "issues", status, lost=True))
    with pytest.raises(UnclearError):
        api.ask("POST", "issues", {"title": "x", "body": ""})
    assert len(hub.issues) == 1


def test_ensure_looks_again_after_a_lost_answer(hub: Hub, api: Api) -> None:
    hub.faults.append(Fault("POST", "issues", 502, lost=True))
    github.ensure(
        lambda: next(api.every("issues", state="all"), None),
        lambda: api.ask("POST", "issues", {"title": "x", "body": ""}).document(),
        api.sleep,
    )
    assert len(hub.issues) == 1


def test_ensure_gives_up_in_the_end(hub: Hub, api: Api) -> None:
    hub.faults.append(Fault("POST", "issues", 502, times=99))
    with pytest.raises(UnclearError):
        github.ensure(lambda: None, lambda: api.ask("POST", "issues", {}), api.sleep)
    assert len(hub.of("POST")) == github.TRIES


def test_a_dead_server_is_one_line(naps: list[float]) -> None:
    with pytest.raises(ApiError, match="no usable answer"):
        Api("http://127.0.0.1:9", REPOSITORY, TOKEN, sleep=naps.append).ask("GET", "issues")
    assert len(naps) == github.TRIES - 1


def test_the_token_stays_on_githubs_own_host(hub: Hub, api: Api) -> None:
    hub.add_artifact(1, "gate", packed({"a": "b"}))
    assert github.artifact(api, 1, "gate", 1000) == packed({"a": "b"})


def test_the_newest_artifact_of_a_run_that_was_repeated(hub: Hub, api: Api) -> None:
    for content in ("first", "second"):
        hub.add_artifact(1, "gate", packed({"gate.json": content}))
    hub.add_artifact(1, "gate", b"gone", expired=True)
    hub.add_artifact(1, "gate-2", b"other")
    assert github.artifact(api, 1, "gate", 1000) == packed({"gate.json": "second"})


def test_a_large_artifact_is_not_even_fetched(hub: Hub, api: Api) -> None:
    hub.add_artifact(1, "gate", b"x", size_in_bytes=10**9)
    with pytest.raises(MalformedError, match="the limit is 1000"):
        github.artifact(api, 1, "gate", 1000)
    assert not any("/zip" in path for path in hub.of("GET"))


def test_an_artifact_that_lies_about_its_size_is_refused(hub: Hub, api: Api) -> None:
    hub.add_artifact(1, "gate", b"x" * 2000, size_in_bytes=10)
    with pytest.raises(MalformedError, match="larger than 1000"):
        github.artifact(api, 1, "gate", 1000)


@pytest.mark.parametrize(
    ("variable", "value"), [("GITHUB_REPOSITORY", "../x"), ("GITHUB_REPOSITORY", ""), ("GITHUB_TOKEN", "")]
)
def test_outside_a_job_it_says_so(variable: str, value: str, hub: Hub) -> None:
    with pytest.raises(PacelineError, match=variable):
        Api.of_job(hub.environment() | {variable: value})
