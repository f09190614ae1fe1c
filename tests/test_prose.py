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

#: A docstring that may begin with a clause; only a file with one is parsed.
_MAY_BE_CLAUSE = re.compile(r'"""\s*(?:What|Who|Where|Which|How|That which)')

_HARD = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): instead for words, instead in HARD_WORDS.items()}
_ANY_HARD = re.compile(rf"\b(?:{'|'.join(HARD_WORDS)})\b", re.IGNORECASE)

_THIS = "tests/test_prose.py"


@cache
def rooms() -> dict[str, list[Path]]:
    """Return every file with prose in it by its room, so that a failure names the room."""
    found = [ROOT / "pyproject.toml", *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for folder in ("aioglacier", "tests", "benchmarks"):
        found += (ROOT / folder).rglob("*.py")
    by_room: dict[str, list[Path]] = {}
    for path in sorted(path.relative_to(ROOT) for path in found):
        if str(path) != _THIS:
            by_room.setdefault("/".join(path.parts[:2]), []).append(path)
    return by_room


def prose_of(path: Path, source: str) -> list[tuple[int, str]]:
    """Return the lines that a person reads as sentences: comments and texts, or all of a document."""
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
    source = (ROOT / path).read_text()
    if not _ANY_HARD.search(source):  # one search, because to read all files as Python takes ten seconds
        return []
    return [
        f"{path}:{line}: {match[0]!r}: write {instead}"
        for line, text in prose_of(path, source)
        for word, instead in _HARD.items()
        for match in word.finditer(text)
    ]


def first_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first line of every docstring of a module, if one may begin with a clause."""
    source = (ROOT / path).read_text()
    found: list[tuple[int, str]] = []
    if not _MAY_BE_CLAUSE.search(source):
        return found
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                found.append((getattr(node, "lineno", 1), text.splitlines()[0]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("room", rooms())
def test_no_hard_words(room: str) -> None:
    """Docstrings, comments, messages and documents use words that a colleague would say aloud."""
    found = [each for path in rooms()[room] for each in hard_words(path)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("room", rooms())
def test_docstrings_name_an_actor_or_a_result(room: str) -> None:
    """The first line of a docstring is "Return ...", "Send ..." or a noun phrase, not a clause."""
    found = [
        f"{path}:{line}: {text}"
        for path in rooms()[room]
        if path.suffix == ".py"
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
