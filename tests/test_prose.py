"""The project reads as plain technical English, without words and shapes that make sentences hard to read."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Words that need a second reading, and what to write instead.
HARD_WORDS = {
    r"whoever|whosoever": "the actor: 'the caller', 'the process that ...'",
    r"nobody|no one|no-one": "'no ...' with a noun",
    r"anew": "'again'",
    r"likewise": "'also'",
    r"untold": "a number",
    r"mend|mends|mended|mending": "'repair' or 'fix'",
    r"dear": "'expensive'",
    r"be had": "'available'",
    r"whom": "the actor",
    r"shall": "'must' or 'will'",
    r"in vain|in earnest": "plain words",
    r"(?:is|are|was|were|be|been|being) told": "the actor and 'tell', 'report' or 'know'",
    r"who has none|who have none": "the actor",
    r"beforehand": "'before'",
    r"hitherto|thereof|whereupon|hereafter": "plain words",
}

#: A first line names the actor or the result; it does not begin with a clause.
CLAUSE_AS_SUBJECT = re.compile(r"^(?:What|Who|Whoever|Whose|Whatever|Where|Which|How|That which)\b(?!.*\?)")

#: A noun phrase or a sentence; more is a second sentence.
MAX_FIRST_LINE = 120


_HARD = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): instead for words, instead in HARD_WORDS.items()}

_THIS = "tests/test_prose.py"


@cache
def files() -> list[Path]:
    """Return every file with prose in it."""
    found = [ROOT / "pyproject.toml", *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for folder in ("aioglacier", "tests", "benchmarks"):
        found += (ROOT / folder).rglob("*.py")
    return sorted(path for path in found if str(path.relative_to(ROOT)) != _THIS)


def prose_of(path: Path) -> list[tuple[int, str]]:
    """Return the lines that a person reads as sentences: comments and texts, or all of a document."""
    source = path.read_text()
    if path.suffix != ".py":
        return list(enumerate(source.splitlines(), start=1))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} or token.type == getattr(
            tokenize, "FSTRING_MIDDLE", -1
        ):
            found += [(token.start[0] + at, line) for at, line in enumerate(token.string.splitlines())]
    return found


def hard_words(path: Path) -> list[str]:
    """Return each hard word of a file, where it stands, and what to write instead."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}: write {instead}"
        for line, text in prose_of(path)
        for word, instead in _HARD.items()
        for match in word.finditer(text)
    ]


def first_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first line of every docstring of a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                found.append((getattr(node, "lineno", 1), text.splitlines()[0]))
    return found


def rooms() -> list[str]:
    """Return the folders that are judged one by one, so that a failure names its room."""
    return sorted({"/".join(path.relative_to(ROOT).parts[:2]) for path in files()})


@pytest.mark.parametrize("room", rooms())
def test_no_hard_words(room: str) -> None:
    """Docstrings, comments, messages and documents use words that a colleague would say aloud."""
    found = [
        each
        for path in files()
        if "/".join(path.relative_to(ROOT).parts[:2]) == room
        for each in hard_words(path)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("room", rooms())
def test_docstrings_name_an_actor_or_a_result(room: str) -> None:
    """The first line of a docstring is "Return ...", "Send ..." or a noun phrase, not a clause."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in files()
        if path.suffix == ".py" and "/".join(path.relative_to(ROOT).parts[:2]) == room
        for line, text in first_lines(path)
        if CLAUSE_AS_SUBJECT.search(text)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "is_hard"),
    [
        ("Nobody can be asked without a terminal.", True),
        ("The caller is told of it.", True),
        ("An upload that is begun anew.", True),
        ("Hash the part again.", False),
        ("The amended file keeps its recommended size.", False),
    ],
)
def test_the_words_are_found(text: str, is_hard: bool) -> None:
    """A hard word is found as a whole word, in any case."""
    assert any(word.search(text) for word in _HARD) is is_hard
