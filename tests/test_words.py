"""What people read uses the words of docs/glossary.md, in short sentences.

Vale could do this, but its package downloads a program without a hash when it first runs. This needs no network.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
CHANGELOG = ROOT / "CHANGELOG.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "paceline/README.md")),
    CHANGELOG,
    *sorted((ROOT / "docs").rglob("*.md")),
]
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
MODULES = [
    ROOT / "conftest.py",
    *sorted((ROOT / "paceline").glob("*.py")),
    *(
        path
        for name in (".github/scripts", "benchmarks", "impl", "paceline/src")
        for path in sorted((ROOT / name).rglob("*.py"))
    ),
]

LONGEST_MEAN = 15  # words in a sentence, over a page

#: Words of the glossary's last column that are right in another meaning.
ALLOWED = {
    "case": "a row of a table: what happens when",
    "class": "Python's",
    "finding": "a field of the JSON files, and what a gate or a check found in general",
    "item": "pytest's own word",
    "known": "vulnerabilities are",
    "line": "of a file, and of output",
    "name": "what anything is called",
    "shift": "of a level, where the method is explained",
    "split": "what a reader or a program does to text",
    "step": "of a tutorial, of a workflow, and asv's",
    "track": "git tracks files",
    "tree": "files on disk, as git says it",
    "trial": "the method, where it is explained",
}


def columns(text: str, place: int) -> Iterator[str]:
    """Yield the entries of one column of the tables; several in a cell have commas between them."""
    for row in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        for entry in row.split("|")[place].split(","):
            if (word := entry.strip()) and not word.startswith("-"):
                yield word


TERMS, _, OTHERS = GLOSSARY.read_text(encoding="utf-8").partition("## Words to avoid")
LISTED = {*columns(TERMS, 2), *columns(OTHERS, 0)} - {"not", "avoid"}
#: "There is no file" and "it is no longer" are right; "it is no file" is not.
PHRASES = "|".join(sorted(LISTED - ALLOWED.keys())).replace(" ", r"\s+")
WORDS = re.compile(rf"(?<!there )\b(?:{PHRASES})(?:s|ed|ing)?\b(?! longer)", re.IGNORECASE)


def prose(page: Path) -> str:
    """Return a page without code and addresses, line by line; of the changelog, the top section."""
    text = page.read_text(encoding="utf-8")
    if page == CHANGELOG:
        text = "## ".join(text.split("\n## ")[:2])
    for code in (r"```.*?```", r"<!--.*?-->", r"(?<=\n\n)(?:    .*\n|\n)+"):
        text = re.sub(code, lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL if "?" in code else 0)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "X", text))


def sentences(text: str) -> list[str]:
    """Return the sentences of paragraphs and lists; tables and headings have none."""
    lines = [
        "" if re.match(r"\||#", line) else re.sub(r"^\s*(?:[-*>]|\d+\.) ", "\n\n", line) for line in text.splitlines()
    ]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return [found for part in paragraphs for found in re.split(r"(?<=[.!?])\s+", part.strip()) if " " in found]


def shown(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the first lines of docstrings and the texts of a module, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value.partition("\n")[0] if id(node) in alone else node.value


def found(path: Path, text: str, line: int = 1) -> list[str]:
    """Return where a text has a word that is to be avoided."""
    where = path.relative_to(ROOT)
    return [f"{where}:{line + text.count(chr(10), 0, word.start())}: {word[0]!r}" for word in WORDS.finditer(text)]


def test_exceptions_are_words_of_the_glossary() -> None:
    assert ALLOWED.keys() <= LISTED


def test_pages_have_the_glossarys_words() -> None:
    assert [each for page in PAGES if page != GLOSSARY for each in found(page, prose(page))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_short_sentences(page: Path) -> None:
    lengths = {sentence: len(sentence.split()) for sentence in sentences(prose(page))}
    mean = sum(lengths.values()) / max(1, len(lengths))
    assert mean <= LONGEST_MEAN, f"{mean:.1f} words on average; the longest: {max(lengths, key=lengths.__getitem__)}"


def test_workflows_have_the_glossarys_words() -> None:
    assert [each for path in WORKFLOWS for each in found(path, path.read_text(encoding="utf-8"))] == []


def test_modules_have_the_glossarys_words() -> None:
    """In the first lines of docstrings, and in texts that are shown."""
    assert [each for path in MODULES for line, text in shown(path) for each in found(path, text, line)] == []


def test_a_wrong_word_and_a_long_sentence_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Due\n\nIt is `due` anew, for\never. It is no\nfile. It is no longer told.\n\n    mend it\n", "utf-8"
    )
    assert [word[0] for word in WORDS.finditer(prose(page))] == ["Due", "anew", "for\never", "is no", "told"]
    assert sentences(prose(page)) == ["It is X anew, for\never.", "It is no\nfile.", "It is no longer told."]
