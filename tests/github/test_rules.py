"""Rules of how workflows are written here that zizmor does not have, and for each a workflow that breaks it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.github.workflows import ROOT, Workflow, actions, workflows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rule = Callable[[Workflow], Iterator[str]]

READ = {"contents": "read"}
STORE = {"actions": "read", "contents": "write"}

#: What each job may do: a new job, or a new permission, is added here by hand.
PERMISSIONS: dict[str, dict[str, dict[str, str]]] = {
    "audit.yml": {"audit": READ},
    "bench-aa.yml": {"judge": READ, "store": STORE},
    "bench-check.yml": {"check": READ, "issues": {"actions": "read", "contents": "read", "issues": "write"}},
    "bench-comment.yml": {"comment": {"actions": "read", "contents": "read", "pull-requests": "write"}},
    "bench-hardware.yml": {"measure": READ, "store": STORE},
    "bench-main.yml": {"measure": READ, "store": STORE},
    "bench-pages.yml": {"build": READ, "deploy": {"pages": "write", "id-token": "write"}},
    "bench-pr.yml": {"shard": READ, "judge": READ},
    "ci.yml": {"test": READ},
    "release.yml": {"build": READ, "install": READ, "publish": {"id-token": "write"}},
    "workflow-lint.yml": {"lint": READ},
}
#: When each job that writes runs; None is always. The store and the issues: also if a part of what they need failed.
ON_MAIN = "!cancelled() && github.ref == 'refs/heads/main'"
CONDITIONS: dict[str, dict[str, str | None]] = {
    "bench-aa.yml": {"store": ON_MAIN},
    "bench-check.yml": {"issues": ON_MAIN},
    "bench-comment.yml": {"comment": "github.event.workflow_run.event == 'pull_request'"},
    "bench-hardware.yml": {"store": ON_MAIN},
    "bench-main.yml": {"store": ON_MAIN},
    "bench-pages.yml": {"deploy": None},
    "release.yml": {"publish": "github.event_name == 'push'"},
}
TRUSTED = "python3 -I .github/scripts "
OF_JOBS_THAT_WRITE = (
    "actions/checkout@",
    "actions/download-artifact@",
    "actions/deploy-pages@",
    "pypa/gh-action-pypi-",
)
READS_HISTORY = re.compile(r"--benchmark-(against|record)|paceline (pages|check)|actions/gate|\.ci/run")
COMMANDS = (
    TRUSTED,
    "python -I .github/scripts ",
    'python -I "$GITHUB_ACTION_PATH/../../scripts" ',
    "python -m pip install ",
    "python -m pytest ",
    "paceline ",
    "make ",
    ".ci/run",
)
STRANGERS = re.compile(
    r"github\.(head_ref|event\.(pull_request\.(title|body|head\.(ref|label))|label|comment|issue|review|commits"
    r"|workflow_run\.(head_branch|head_commit|display_title|head_repository)|inputs))|\binputs\."
)

COMPARISON = re.compile(r"[\w.]+ [!=]= '[^']*'")  # says yes or no, and passes nothing on


def permissions_are_those_of_the_list(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        wanted = PERMISSIONS.get(flow.name, {}).get(name)
        if job.get("permissions") != wanted:
            yield f"{name}: {job.get('permissions')}, not {wanted}"


def strangers_code_may_only_read(flow: Workflow) -> Iterator[str]:
    if "pull_request" in flow.triggers:
        for name, job in flow.jobs.items():
            is_for_pushes = job.get("if") == "github.event_name == 'push'"
            if set((job.get("permissions") or {"": "write"}).values()) - {"read"} and not is_for_pushes:
                yield f"{name}: may write"


def jobs_end(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        if not isinstance(job.get("timeout-minutes"), int):
            yield f"{name}: timeout-minutes"


def runs_are_one_line_of_ours(flow: Workflow) -> Iterator[str]:
    for name, step in flow.steps():
        run = step.get("run", COMMANDS[0])
        if "\n" in run.strip() or not run.startswith(COMMANDS) or re.search(r"[;&|`]|\$[({]", run):
            yield f"{name}: {run}"


def words_of_strangers_are_only_compared(flow: Workflow) -> Iterator[str]:
    for name, step in flow.steps():
        for key in ("with", "env"):
            for value in step.get(key, {}).values():
                if STRANGERS.search(str(value)) and flow.jobs[name].get("using") != "composite":
                    yield f"{name}: {value}"
    for name, job in flow.jobs.items():
        for value in job.get("env", {}).values():
            yield from [f"{name}: {value}"] * bool(STRANGERS.search(COMPARISON.sub("", str(value))))


def jobs_that_write_install_nothing(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        if "write" not in (job.get("permissions") or {}).values():
            continue
        for step in job["steps"]:
            if "run" in step and not step["run"].startswith(TRUSTED):
                yield f"{name}: {step['run']}"
            if "uses" in step and not step["uses"].startswith(OF_JOBS_THAT_WRITE):
                yield f"{name}: {step['uses']}"


def jobs_that_write_run_the_default_branch(flow: Workflow) -> Iterator[str]:
    default = "${{ github.event.repository.default_branch }}"
    for name, job in flow.jobs.items():
        writes = "write" in (job.get("permissions") or {}).values()
        for step in job.get("steps", []):
            ref = step.get("with", {}).get("ref")
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            if is_checkout and "workflow_run" in flow.triggers and ref != default:
                yield f"{name}: checks {ref} out"
            if is_checkout and writes and ref != default and job.get("if") != ON_MAIN:
                yield f"{name}: may run on another branch"
            if is_checkout and ref not in {None, default}:
                yield f"{name}: checks {ref} out"


def jobs_that_write_run_when_the_list_says(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        if "write" in (job.get("permissions") or {}).values():
            wanted = CONDITIONS.get(flow.name, {}).get(name, "a condition in the list")
            if job.get("if") != wanted:
                yield f"{name}: if {job.get('if')}, not {wanted}"


def failures_are_failures(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        each: dict[str, Any]
        for each in (job, *job.get("steps", [])):
            if "continue-on-error" in each:
                yield f"{name}: continue-on-error"


def nothing_is_cached(flow: Workflow) -> Iterator[str]:
    for name, step in flow.steps():
        if "cache" in step.get("uses", "") or any("cache" in key for key in step.get("with", {})):
            yield f"{name}: {step}"


def history_is_there_where_it_is_read(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        lines = [step.get("run", "") + step.get("uses", "") for step in job.get("steps", [])]
        needs = any(READS_HISTORY.search(line) for line in lines)
        depths = [step.get("with", {}).get("fetch-depth") for step in job.get("steps", [])]
        if needs and 0 not in depths and flow.jobs[name].get("using") != "composite":
            yield f"{name}: fetch-depth"


def the_base_is_the_first_parent(flow: Workflow) -> Iterator[str]:
    if "pull_request.base" in flow.text:
        yield "pull_request.base.sha lags behind, and blames others' commits"
    for name, step in flow.steps():
        if step.get("uses") == "$/.github/actions/gate" and step.get("with", {}).get("against") != "HEAD^1":
            yield f"{name}: against {step.get('with', {}).get('against')}"


def tokens_go_only_to_jobs_that_write(flow: Workflow) -> Iterator[str]:
    for name, step in flow.steps():
        has_token = "token" in str(step.get("env", {})) + str(step.get("with", {}))
        if has_token and "write" not in (flow.jobs[name].get("permissions") or {}).values():
            yield f"{name}: {step}"


OF_WORKFLOWS: list[Rule] = [
    permissions_are_those_of_the_list,
    strangers_code_may_only_read,
    jobs_end,
    runs_are_one_line_of_ours,
    words_of_strangers_are_only_compared,
    jobs_that_write_install_nothing,
    jobs_that_write_run_the_default_branch,
    jobs_that_write_run_when_the_list_says,
    failures_are_failures,
    nothing_is_cached,
    history_is_there_where_it_is_read,
    the_base_is_the_first_parent,
    tokens_go_only_to_jobs_that_write,
]
OF_ACTIONS: list[Rule] = [
    failures_are_failures,
    runs_are_one_line_of_ours,
    words_of_strangers_are_only_compared,
    nothing_is_cached,
    tokens_go_only_to_jobs_that_write,
]


@pytest.mark.parametrize("rule", OF_WORKFLOWS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("flow", workflows(), ids=lambda flow: flow.name)
def test_workflows_keep_the_rules(flow: Workflow, rule: Rule) -> None:
    assert list(rule(flow)) == []


@pytest.mark.parametrize("rule", OF_ACTIONS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("flow", actions(), ids=lambda flow: flow.name)
def test_actions_keep_the_rules(flow: Workflow, rule: Rule) -> None:
    assert list(rule(flow)) == []


#: What is broken by replacing a text in a sound workflow: rule, file, text, replacement.
PLANTED: list[tuple[Rule, str, str, str]] = [
    (permissions_are_those_of_the_list, "ci.yml", "contents: read #", "contents: write #"),
    (permissions_are_those_of_the_list, "ci.yml", "  test:\n", "  unheard:\n"),
    (strangers_code_may_only_read, "bench-pr.yml", "contents: read #", "issues: write #"),
    (strangers_code_may_only_read, "release.yml", "    if: github.event_name == 'push'\n", ""),
    (jobs_end, "ci.yml", "    timeout-minutes: 45\n", ""),
    (runs_are_one_line_of_ours, "ci.yml", ".ci/run", "curl https://example.org/x"),
    (runs_are_one_line_of_ours, "ci.yml", "run: .ci/run", "run: |\n          .ci/run\n          make bench"),
    (runs_are_one_line_of_ours, "ci.yml", ".ci/run", ".ci/run; curl example.org"),
    (runs_are_one_line_of_ours, "ci.yml", "--size tiny", "${{ env.SIZE }}"),
    (
        words_of_strangers_are_only_compared,
        "bench-comment.yml",
        "github.token",
        "github.event.workflow_run.head_branch",
    ),
    (
        words_of_strangers_are_only_compared,
        "bench-pr.yml",
        "HEAD^1\n          budget",
        "${{ github.head_ref }}\n          budget",
    ),
    (words_of_strangers_are_only_compared, "bench-pr.yml", "&& 'yes'", "&& github.event.label.name"),
    (
        jobs_that_write_install_nothing,
        "bench-comment.yml",
        "python3 -I .github/scripts comment",
        "python -m pip install x",
    ),
    (
        jobs_that_write_install_nothing,
        "bench-main.yml",
        "python3 -I .github/scripts store",
        "python3 .github/scripts store",
    ),
    (
        jobs_that_write_run_the_default_branch,
        "bench-comment.yml",
        "          ref: ${{ github.event.repository.default_branch }}\n",
        "",
    ),
    (
        jobs_that_write_run_the_default_branch,
        "bench-comment.yml",
        "event.repository.default_branch",
        "event.workflow_run.head_sha",
    ),
    (jobs_that_write_run_the_default_branch, "bench-main.yml", " && github.ref ==", " && github.ref !="),
    (jobs_that_write_run_the_default_branch, "bench-main.yml", "'refs/heads/main'", "'refs/heads/main' || true"),
    (jobs_that_write_run_when_the_list_says, "bench-check.yml", "'refs/heads/main'", "'refs/heads/main' || true"),
    (jobs_that_write_run_when_the_list_says, "bench-comment.yml", "== 'pull_request'", "!= 'pull_request'"),
    (jobs_that_write_run_when_the_list_says, "bench-pages.yml", "needs: build\n", "needs: build\n    if: always()\n"),
    (failures_are_failures, "bench-pr.yml", "    timeout-", "    continue-on-error: true\n    timeout-"),
    (
        failures_are_failures,
        "bench-pr.yml",
        "      - name: Join",
        "      - continue-on-error: true\n        name: Join",
    ),
    (nothing_is_cached, "ci.yml", 'python-version: "3.13"', 'python-version: "3.13"\n          cache: pip'),
    (history_is_there_where_it_is_read, "bench-main.yml", "fetch-depth: 0", "fetch-depth: 1"),
    (history_is_there_where_it_is_read, "bench-pr.yml", "fetch-depth: 0", "fetch-depth: 2"),
    (
        the_base_is_the_first_parent,
        "bench-pr.yml",
        "against: HEAD^1",
        "against: ${{ github.event.pull_request.base.sha }}",
    ),
    (the_base_is_the_first_parent, "bench-pr.yml", "against: HEAD^1", "against: origin/main"),
    (
        tokens_go_only_to_jobs_that_write,
        "bench-pr.yml",
        "          against: HEAD^1",
        "          against: HEAD^1\n          token: ${{ github.token }}",
    ),
]


@pytest.mark.parametrize(("rule", "name", "old", "new"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_rules_can_fail(rule: Rule, name: str, old: str, new: str) -> None:
    (sound,) = (flow for flow in workflows() if flow.name == name)
    assert old in sound.text
    assert list(rule(Workflow(name, sound.text.replace(old, new)))) != []


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule.__name__ for rule in OF_WORKFLOWS} == {rule.__name__ for rule, *_ in PLANTED}


def test_every_job_is_in_the_list() -> None:
    listed = {name: set(jobs) for name, jobs in PERMISSIONS.items()}
    assert {flow.name: set(flow.jobs) for flow in workflows()} == listed


def test_chained_workflows_exist() -> None:
    names = {flow.document["name"] for flow in workflows()}
    for flow in workflows():
        assert flow.document["name"] == flow.name.removesuffix(".yml")
        assert set((flow.triggers.get("workflow_run") or {}).get("workflows", [])) <= names


@pytest.mark.parametrize(
    ("name", "job", "variable", "check", "group"),
    [
        ("bench-pr.yml", "judge", "JUDGES", "gate", "'gate'"),
        (
            "ci.yml",
            "test",
            "TESTS",
            "lint, test and run every benchmark once",
            "(github.event.pull_request.number || github.sha)",
        ),
    ],
)
def test_one_condition_says_which_events_make_a_required_check(
    name: str, job: str, variable: str, check: str, group: str
) -> None:
    (flow,) = (flow for flow in workflows() if flow.name == name)
    told = flow.jobs[job]
    condition = told["env"][variable].removeprefix("${{ ").removesuffix(" && 'yes' || 'no' }}")
    assert f"${{{{ {condition} && '{check}' || 'nothing to " in told["name"]
    assert f"-${{{{ {condition} && {group} || github.run_id }}}}" in flow.document["concurrency"]["group"]
    assert told.get("if") in {None, "!cancelled()"}, "of a job that is skipped, GitHub does not evaluate the name"
    assert all(f"env.{variable} == 'yes'" in step["if"] for step in told["steps"])


def test_the_matrix_and_what_is_stored_of_it_agree() -> None:
    (flow,) = (flow for flow in workflows() if flow.name == "bench-hardware.yml")
    runners = flow.jobs["measure"]["strategy"]["matrix"]["runner"]
    assert set(runners) == {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "windows-2025"}
    stored = next(step["run"] for step in flow.jobs["store"]["steps"] if "run" in step)
    assert stored == TRUSTED + "store " + " ".join(f"results-{runner}" for runner in runners)


@pytest.mark.parametrize("command", ["audit", "comment", "gate", "install", "issues", "merge", "release", "store"])
def test_scripts_need_nothing_installed(command: str) -> None:
    # -S: not even the folder of installed packages is looked at.
    scripts = str(ROOT / ".github" / "scripts")
    done = subprocess.run(
        [sys.executable, "-I", "-S", scripts, command, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_of_an_artifact_reaches_later_steps() -> None:
    for path in (ROOT / ".github" / "scripts").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "GITHUB_ENV" not in text
        assert "GITHUB_PATH" not in text
        assert "GITHUB_OUTPUT" not in text


def test_dependabot_looks_at_every_folder_with_pins() -> None:
    text = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    document: dict[str, Any] = Workflow("", text).document
    looked_at = {update["package-ecosystem"]: set(update["directories"]) for update in document["updates"]}
    pinned = [*ROOT.glob("*.toml"), *ROOT.glob("*/pyproject.toml"), *ROOT.glob(".github/requirements*.txt")]
    folders = {f"/{path.parent.relative_to(ROOT)}".removesuffix(".") for path in pinned}
    assert looked_at == {"github-actions": {"/", "/.github/actions/*"}, "pip": folders}
    assert all(update["cooldown"]["default-days"] >= 7 and update["groups"] for update in document["updates"])


#: What may change without its owners: what is judged, what is told, and what others look at.
FREE = re.compile(r"(impl|docs|tests)/.*|[A-Z]+\.md|LICENSE|\.gitignore|\.pre-commit-config\.yaml")

#: A pull request may bring any of these, and pytest would take its options from there.
PYTEST_READS = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg")


def test_what_judges_a_pull_request_has_owners() -> None:
    text = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert all(
        re.fullmatch(r"/[\w.-]+/?", path) and re.fullmatch(r"@[\w-]+(/[\w-]+)?", owner) for path, owner in lines
    )
    owned = [path for path, _ in lines]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    roots = {
        f"/{path.partition('/')[0]}{'/' * ('/' in path)}" for path in listed.splitlines() if not FREE.match(path)
    }
    assert sorted(roots | {f"/{name}" for name in PYTEST_READS}) == sorted(owned)
    documented = " ".join((ROOT / "docs" / "how-to" / "github.md").read_text(encoding="utf-8").split())
    assert all(f"`{path[1:]}`" in documented for path in owned)
