"""Print phrases that plain English avoids, so that their number can only go down. Never fails.

Searches docstrings, comments, test names and messages in Python files, and the text of Markdown and YAML files; skips
code between backticks or fences. ``docs/decisions/0001-plain-english.md`` explains the rules.

    python scripts/prose.py [--all]
"""

from __future__ import annotations

import argparse
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("gateway", "backends", "configs", "docs", "tests", "recipes", "benchmarks", "examples", "scripts", ".github")
MODULES = ("gateway/", "backends/")  # the share of Python files is counted here
SKIPPED = ("docs/decisions/0001-", "scripts/prose.py", "tests/test_prose.py", "/golden/", "/node_modules/")
TEST_DATA = ("tests/", "recipes/common/words.py")  # strings here are texts to speak
WORST_FILES = 10

# Name and pattern; a space matches any white space.
PHRASES = {
    "is no": r"(?<!\bthere)(?<=\S) (?:is|are|was|were) no "
    r"(?!(?:longer|more|less|fewer|later|better|worse|larger|faster|slower|doubt)\b)\w+",
    "there is none": r"\bthere (?:is|are|was|were) none\b|\b(?:has|have) to be there\b",
    "what … is": r"\bwhat (?:[\w'-]+ ){0,3}?(?:is|are|was|were)\b(?![^.;]*\?)",
    "whoever, nobody": r"\bwho(?:m)?ever\b|\bnobody\b",
    "strangers": r"\bstrangers?\b",
    "business": r"\bbusiness\b",
    "behind (after)": r"(?<!left\s)\bbehind\b(?! (?:(?:a|an|the|its|one|your|this|that|several) )?(?:[\w-]+ )?"
    r"(?:prox(?:y|ies)|balancers?|locks?|TLS|firewalls?|NAT|APIs?|interfaces?|protocols?|gateways?)\b)",
    "tell": r"\b(?:tells?|told|telling)\b",
    "lie": r"\b(?:lies?|lain)\b",
    "stand for": r"\b(?:stands?|stood|standing) for\b",
    "hear": r"\b(?:hears?|heard)\b",
    "British spelling": r"\b(?:(?:hono|colo|behavio|favo|neighbo|harbo|labo)ur\w*|licence\w*|catalogue\w*|centre[sd]?"
    r"|analys(?:e|ed|ing)|artefacts?|grey|defence|whilst|programmes?|(?:label|model|travel|signal)l(?:ed|ing)"
    r"|(?:normal|initial|serial|optim|recogn|token|quant|vector|general|minim|maxim|real|organ|character|custom|memor"
    r"|penal|summar|util)is(?:e[sdr]?|ers?|ing|ations?)|synthesis(?:e[sd]?|ers?|ing))\b",
}
QUESTION = "docstring: What …"  # its first line starts with a question word
PATTERNS = {name: re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE) for name, pattern in PHRASES.items()}
QUESTION_PATTERN = re.compile(r"\A\s*((?:What|Who|Whose|How|Where|Which|When)\b[^\n]*)")

_CODE = re.compile(r"``[^`]*``|`[^`\n]*`|\{[^{}\n]*\}|:\w+ [\w*]+:|https?://\S+")
_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_YAML_KEY = re.compile(r"^[ -]*[\w.-]+:", re.MULTILINE)
_QUOTES = re.compile(r"\A[a-zA-Z]*(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')\Z")
_TEST_NAME = re.compile(r"\btest_\w+")


class Text(NamedTuple):
    """A piece of prose, and the line on which it starts."""

    line: int
    text: str
    docstring: bool = False


class Hit(NamedTuple):
    """A phrase that was found, under the name of its pattern."""

    line: int
    name: str
    phrase: str


def blank(pattern: re.Pattern[str], text: str) -> str:
    """Replace matches by a mark, keeping line breaks, so that line numbers stay right."""
    return pattern.sub(lambda match: "`" + "\n" * match[0].count("\n"), text)


def python_texts(path: Path, *, strings: bool) -> Iterator[Text]:
    """Yield docstrings, comments, test names and, if asked for, other strings of several words."""
    comment: list[str] = []
    first = 0
    previous = tokenize.NEWLINE
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            own_line = token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
            if comment and not (own_line and token.start[0] == first + len(comment)) and token.type != tokenize.NL:
                yield Text(first, "\n".join(comment))
                comment = []
            if token.type == tokenize.COMMENT:
                comment, first = (comment, first) if comment else ([], token.start[0])
                comment.append(token.string.lstrip("#"))
            elif token.type == tokenize.STRING:
                docstring = previous in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
                if docstring or (strings and len(token.string.split()) > 2):
                    yield Text(token.start[0], _QUOTES.sub("", token.string), docstring)
            elif token.type == tokenize.NAME and _TEST_NAME.fullmatch(token.string):
                yield Text(token.start[0], token.string.replace("_", " "))
            if token.type not in (tokenize.NL, tokenize.COMMENT):
                previous = token.type


def texts(path: Path, name: str) -> Iterator[Text]:
    """Yield the prose of one file."""
    if path.suffix == ".py":
        yield from python_texts(path, strings=not name.startswith(TEST_DATA))
    else:
        text = path.read_text(encoding="utf-8")
        yield Text(1, blank(_FENCE, text) if path.suffix == ".md" else blank(_YAML_KEY, text))


def hits(path: Path, name: str) -> list[Hit]:
    """Find every phrase of the table in one file."""
    found = []
    for line, text, docstring in texts(path, name):
        prose = blank(_CODE, text)
        if docstring and (question := QUESTION_PATTERN.match(prose)):
            found.append(Hit(line, QUESTION, question[1]))
        for kind, pattern in PATTERNS.items():
            for match in pattern.finditer(prose):
                start = match.start() + len(match[0]) - len(match[0].lstrip())
                found.append(Hit(line + prose.count("\n", 0, start), kind, " ".join(match[0].split())))
    return sorted(found)


def files() -> dict[str, Path]:
    """The files to search, by their name relative to the root."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.md"))
    named = {
        path.relative_to(ROOT).as_posix(): path for path in paths if path.suffix in (".py", ".md", ".yaml", ".yml")
    }
    return {name: named[name] for name in sorted(named) if not any(part in f"/{name}" for part in SKIPPED)}


def main() -> None:
    """Print totals and the worst files, or every hit."""
    parser = argparse.ArgumentParser(description="print phrases that plain English avoids")
    parser.add_argument("--all", action="store_true", help="print every hit as FILE:LINE: PHRASE (RULE)")
    show_all = parser.parse_args().all
    found = {name: hits(path, name) for name, path in files().items()}
    if show_all:
        for name, file_hits in found.items():
            for line, kind, phrase in file_hits:
                print(f"{name}:{line}: {phrase} ({kind})")
    for name in sorted(found, key=lambda name: -len(found[name]))[:WORST_FILES]:
        counts = Counter(hit.name for hit in found[name]).most_common()
        if counts:
            print(f"{len(found[name]):4}  {name}: {', '.join(f'{kind} {count}' for kind, count in counts)}")
    totals = Counter(hit.name for file_hits in found.values() for hit in file_hits).most_common()
    print("total:", ", ".join(f"{kind} {count}" for kind, count in totals) or "nothing")
    modules = [bool(found[name]) for name in found if name.startswith(MODULES) and name.endswith(".py")]
    print(
        f"{sum(map(len, found.values()))} phrases in {sum(map(bool, found.values()))} of {len(found)} files;"
        f" {sum(modules)} of {len(modules)} modules of the package ({sum(modules) / len(modules):.0%}) have some"
    )


if __name__ == "__main__":
    main()
