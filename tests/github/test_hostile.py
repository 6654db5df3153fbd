"""What a pull request's job hands over may be anything. All of it is refused with a reason, none with a traceback."""

from __future__ import annotations

import io
import json
import math
import stat
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hub import archive, check_findings, gate_findings, result_files
from paceline.system.strict import MalformedError, quoted

from tests.github.documents import HEAD, benchmarks, finding, gate, machine, run
from tests.github.fakehub import packed
from tests.github.test_comment import RUN, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.github.conftest import Script
    from tests.github.fakehub import Hub


def spoiled(**more: Any) -> bytes:
    return json.dumps(gate(finding(**more))).encode()


def member(name: str, mode: int = 0, content: str = "{}", **more: Any) -> bytes:
    """Pack one member with odd properties."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packing:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        for key, value in more.items():
            setattr(info, key, value)
        packing.writestr(info, content)
    return buffer.getvalue()


def bomb() -> bytes:
    """50 MB in 50 kB, with a directory that says it is ten bytes."""
    content = packed({"gate.json": b" " * 50_000_000})
    size = struct.pack("<L", 50_000_000)
    return content.replace(size, struct.pack("<L", 10))


VALUE = {"name": "b.py::track", "unit": "MB", "base": -1.5, "head": None, "reason": "head: skipped"}
GOOD = json.dumps(gate())
DOCUMENTS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "cut short": GOOD[:200].encode(),
    "two documents": (GOOD + GOOD).encode(),
    "bad UTF-8": GOOD.encode().replace(b"Linux", b"\xff\xfe"),
    "UTF-16": GOOD.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "half a character": spoiled(reason="\ud800"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep in a field": GOOD.replace('"Linux"', "[" * 100_000 + "]" * 100_000).encode(),
    **{
        f"{depth} deep in {old}": GOOD.replace(old, "[" * depth + "]" * depth).encode()
        for depth in (300, 900, 970, 990)
        for old in ("1.002", '"same"', '"Linux"', "null")
    },
    "NaN": GOOD.replace("1.002", "NaN").encode(),
    "Infinity": GOOD.replace("1.002", "Infinity").encode(),
    "-Infinity": GOOD.replace("1.002", "-Infinity").encode(),
    "infinite by exponent": GOOD.replace("1.002", "1e999").encode(),
    "integer of 5000 digits": GOOD.replace("1.002", "9" * 5000).encode(),
    "integer of 400 digits": GOOD.replace("1.002", "9" * 400).encode(),
    "count of 400 digits": GOOD.replace('"rounds": 5', '"rounds": ' + "9" * 400).encode(),
    "duplicate key": GOOD.replace('"schema": 2', '"schema": 2, "schema": 2').encode(),
    "duplicate key below": GOOD.replace('"verdict": "same"', '"verdict": "slower", "verdict": "same"').encode(),
    "unknown key": json.dumps(gate(pull_request=1)).encode(),
    "unknown key below": spoiled(pull_request=1),
    "missing key": json.dumps({key: value for key, value in gate().items() if key != "alpha"}).encode(),
    "other schema": json.dumps(gate(schema=3)).encode(),
    "schema 1 with a field of schema 2": json.dumps(gate(schema=1)).encode(),
    "red as a text": spoiled(red="yes"),
    "schema 2 without values": json.dumps({key: value for key, value in gate().items() if key != "values"}).encode(),
    "a notice that is no text": json.dumps(gate(notices=[1])).encode(),
    "a value with an infinite side": json.dumps(gate(values=[VALUE])).replace("-1.5", "1e999").encode(),
    "a value with a field too many": json.dumps(gate(values=[VALUE | {"more": 1}])).encode(),
    "a value whose name mentions": json.dumps(gate(values=[VALUE | {"name": "@team"}])).encode(),
    "suspect as a number": spoiled(suspect=1),
    "tolerance below zero": spoiled(tolerance=-1),
    "schema as a fraction": json.dumps(gate(schema=2.0)).encode(),
    "unproven as a text": spoiled(unproven="no"),
    "schema as a boolean": json.dumps(gate(schema=True)).encode(),
    "boolean as a number": spoiled(ratio=True),
    "boolean as a count": spoiled(rounds=False),
    "text as a number": spoiled(ratio="1.0"),
    "negative": spoiled(ratio=-1.0),
    "zero": spoiled(base_seconds=0),
    "negative count": spoiled(rounds=-1),
    "fraction as a count": spoiled(rounds=1.5),
    "unknown verdict": spoiled(verdict="approved"),
    "verdict of another type": spoiled(verdict=["same"]),
    "unknown clock": spoiled(clock="sun"),
    "benchmarks as an object": json.dumps(gate(benchmarks={})).encode(),
    "too many benchmarks": json.dumps(gate(*[finding(f"t::{n}") for n in range(20_001)])).encode(),
    "a name twice": json.dumps(gate(finding(), finding())).encode(),
    "a name with a line break": spoiled(name="a\nb"),
    "a name with a line break at its end": spoiled(name="a\n"),
    "a name that mentions": spoiled(name="t.py::test[@team]"),
    "a name with markup": spoiled(name="<script>alert(1)</script>"),
    "a name with a table": spoiled(name="a|b"),
    "a name with an escape sequence": spoiled(name="a\x1b[31m"),
    "a name in other letters": spoiled(name="t\u0435st"),
    "a long name": spoiled(name="a" * 301),
    "an empty name": spoiled(name=""),
    "a long reason": spoiled(reason="x" * 20_001),
    "a nested side": json.dumps(gate(base={"commit": {"a": 1}})).encode(),
    "a machine with markup": json.dumps(gate(machine={"system": "\n# x"})).encode(),
}  # fmt: skip

ARCHIVES: dict[str, bytes] = {
    "no zip": b"not a zip",
    "empty": b"",
    "cut short": packed({"gate.json": GOOD})[:-30],
    "flipped": bytes(
        [byte ^ 255 if 40 < place < 60 else byte for place, byte in enumerate(packed({"gate.json": GOOD}))]
    ),
    "no member": packed({}),
    "two members": packed({"gate.json": GOOD, "more.json": "{}"}),
    "another name": packed({"GATE.json": GOOD}),
    "zip slip": packed({"../gate.json": GOOD}),
    "absolute": packed({"/etc/gate.json": GOOD}),
    "backslashes": packed({"..\\gate.json": GOOD}),
    "a folder": member("gate.json/"),
    "NUL in the name": member("gate.json").replace(b"gate.json", b"gate.jso\0"),
    "a line break in the name": packed({"gate.json\n": GOOD}),
    "a symbolic link": member("gate.json", stat.S_IFLNK | 0o777, "/etc/passwd"),
    "a device": member("gate.json", stat.S_IFCHR | 0o666),
    "a bomb": packed({"gate.json": b" " * 50_000_000}),
    "a bomb that lies": bomb(),
    "LZMA": member("gate.json", compress_type=zipfile.ZIP_LZMA),
    "encrypted": member("gate.json").replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    ),
    "the same name twice": packed({"gate.json": GOOD, "gate.jsoN": GOOD}).replace(b"gate.jsoN", b"gate.json"),
}


def test_the_document_that_all_are_spoiled_from_is_sound() -> None:
    assert gate_findings.read(GOOD.encode()).findings[0].verdict == "same"
    assert archive.members(packed({"gate.json": GOOD}), "gate.json", 1, 10_000) == {"gate.json": GOOD.encode()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        gate_findings.read(DOCUMENTS[name])
    said = str(caught.value)
    assert len(said) < 500
    assert said.isprintable(), "a refusal repeats nothing that could act on a log"


def test_what_is_quoted_gives_the_runner_no_command() -> None:
    assert "##[" not in quoted("x ##[error]no ##[[group]")


def test_what_is_too_deep_to_print_is_still_quoted() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert quoted(deep) == "a deeply nested value"


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        archive.members(ARCHIVES[name], r"gate\.json", 1 + ("twice" in name), 1_000_000)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["deep", "NaN", "bad UTF-8", "duplicate key", "a name that mentions"])
def test_the_command_refuses_and_posts_nothing(name: str, hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    hub.add_artifact(RUN, "gate", packed({"gate.json": DOCUMENTS[name]}))
    done = script("comment", event=event())
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert hub.of("POST") == []


@pytest.mark.parametrize("name", ["no zip", "zip slip", "a symbolic link", "a bomb that lies", "two members"])
def test_the_command_refuses_archives_too(name: str, hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    hub.add_artifact(RUN, "gate", ARCHIVES[name])
    done = script("comment", event=event())
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert hub.of("POST") == []


M = "linux-x86_64-2c"
FILE = f"{M}/{HEAD[:8]}-a.json"
RECORD = {
    f"{M}/machine.json": json.dumps(machine()).encode(),
    FILE: json.dumps(run()).encode(),
    "benchmarks.json": json.dumps(benchmarks("benchmarks.test_speed.test_a")).encode(),
}


def with_run(**more: Any) -> dict[str, bytes]:
    return {**RECORD, FILE: json.dumps(run(**more)).encode()}


OTHER = b'{"name": "b", "params": [], "param_names": []}'
RECORDS: dict[str, dict[str, bytes]] = {
    "another commit": with_run(commit="3d" * 20),
    "a short commit": with_run(commit=HEAD[:8]),
    "another machine": with_run(machine="other"),
    "NaN": {**RECORD, FILE: RECORD[FILE].replace(b"1.5e-05", b"NaN")},
    "infinite by exponent": {**RECORD, FILE: RECORD[FILE].replace(b"1.5e-05", b"1e999")},
    "infinite": {**RECORD, FILE: RECORD[FILE].replace(b"1.5e-05", b"Infinity")},
    "infinite duration": {**RECORD, FILE: RECORD[FILE].replace(b"0.8", b"-Infinity")},
    "NaN as an end": {**RECORD, FILE: RECORD[FILE].replace(b"1.4e-05", b"NaN")},
    "text as an end": with_run(results={"a": [[1.0], [], "", 1, 1, "1"]}),
    "infinite fact": with_run(paceline={"load": math.inf}),
    "negative": with_run(results={"a": [[-1.0], []]}),
    "text as a value": with_run(results={"a": [["1"], []]}),
    "boolean as a value": with_run(results={"a": [[True], []]}),
    "an empty row": with_run(results={"a": [[]][:0]}),
    "a row that is too long": with_run(results={"a": [[1.0], [], "", 1, 1, None, None, 1]}),
    "infinite deep down": {**RECORD, FILE: RECORD[FILE].replace(b"0.8", b"1e999")},
    "other columns": with_run(result_columns=["params", "result"]),
    "another version": with_run(version=3),
    "an unknown key": with_run(unheard=1),
    "a control character in a name": with_run(results={"a\nb": [[1.0], []]}),
    "deep": {**RECORD, FILE: b"[" * 100_000},
    "nested in a fact": with_run(paceline={"a": [[[[[[[[1]]]]]]]]}),
    "named after another commit": {FILE.replace(HEAD[:8], "0" * 8) if k == FILE else k: v for k, v in RECORD.items()},
    "no machine file": {k: v for k, v in RECORD.items() if not k.endswith("machine.json")},
    "machine file of another": {**RECORD, f"{M}/machine.json": json.dumps(machine("other")).encode()},
    "machine file with a number": {**RECORD, f"{M}/machine.json": json.dumps(machine(ram=8)).encode()},
    "benchmarks without names": {**RECORD, "benchmarks.json": b'{"version": 2, "a": {}}'},
    "benchmarks with a false name": {**RECORD, "benchmarks.json": b'{"version": 2, "a": ' + OTHER + b"}"},
    "no run at all": {k: v for k, v in RECORD.items() if k != FILE},
}  # fmt: skip


def test_the_record_that_all_are_spoiled_from_is_sound() -> None:
    result_files.check(RECORD, HEAD)


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        result_files.check(RECORDS[name], HEAD)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "../x.json",
        "a/../../x.json",
        ".git/config",
        "a/b/c.json",
        "a/.json",
        "x.json",
        "a/machine.json/",
        "a/Machine.json",
    ],
)
def test_no_record_leaves_its_folder(name: str) -> None:
    with pytest.raises(MalformedError):
        archive.members(packed({name: "{}"}), result_files.NAMES, 10, 1_000)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"ratio": 1.21', '"ratio": NaN'),
        lambda text: text.replace('"abcd1234"', '"--> <script>"'),
        lambda text: text.replace('"benchmarks.test_speed.test_speed"', '"a\\nb"'),
        lambda text: text.replace(f'"{HEAD}"', '"HEAD"'),
        lambda text: text.replace('"kind": "slower"', '"kind": "terrible"'),
        lambda text: text.replace('"schema": 2', '"schema": 2, "unheard": 2'),
        lambda text: text.replace('"machines": [', '"machines": [3, '),
        lambda text: text.replace('"accepted": null', '"accepted": "yes"'),
        lambda text: text.replace('"link": "https:', '"link": "javascript:'),
        lambda text: text.replace('"commits": 65', '"commits": -1'),
        lambda text: text.replace('"findings": ["abcd1234"]', '"findings": ["abcd12345"]'),
        lambda text: text.replace('"cause": "unclear"', '"cause": "chance"'),
    ],
)
def test_findings_of_a_check_are_refused_in_one_line(spoil: Callable[[str], str]) -> None:
    from tests.github.documents import change_point, check

    good = json.dumps(check(change_point()))
    assert len(check_findings.read(good.encode())) == 1
    assert spoil(good) != good
    with pytest.raises(MalformedError) as caught:
        check_findings.read(spoil(good).encode())
    assert str(caught.value).isprintable()
