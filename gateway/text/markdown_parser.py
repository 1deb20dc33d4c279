"""Markdown parser: CommonMark with tables and strike-through, adapted to language models and to plain prose.

- Emphasis works next to CJK characters and punctuation (``**重点：**内容``), unlike in CommonMark.
- Arithmetic is not emphasis: a ``*`` between two letters or digits does not open any (``2*3*4``, ``x**n``).
- ``~~`` next to a letter does not strike text, because it also lengthens words (``好的~~我来了~~``).
- Indented lines are prose, not code. HTML is parsed as single tags, not as blocks.
- ``[Alice]: Hello`` is dialog, not a link definition; ``[^1]: …`` and ``[^1]`` are footnotes.
"""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, fence, reference, table
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

from gateway.text.sentences import is_cjk

FOOTNOTE = "footnote"  # the type of the token that replaces a footnote

_BREAKS_PARAGRAPHS: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
_CELLS = "voxgate_cells"
_MAX_CELLS = 20_000  # per text; further tables are parsed as prose
_MAX_COLUMNS = 50
_FOOTNOTE = re.compile(r"\[\^[\w-]{1,64}\](?!\()")
_TARGET = re.compile(r"[^\]\n]*\]:\s*<?(?:[a-z][a-z0-9+.-]*:|/|#|\.|www\.)", re.IGNORECASE)
_LANGUAGE = re.compile(r"~+[\w+#.-]*[ \t]*", re.ASCII)


@cache
def parser() -> MarkdownIt:
    """The parser, without state between texts. Blocks nested more than 20 deep are dropped."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    markdown.disable(["code", "html_block"])
    markdown.block.ruler.at("fence", _fence, _BREAKS_PARAGRAPHS)
    markdown.block.ruler.at("reference", _reference)
    markdown.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    inline = _Inline()
    inline.ruler, inline.ruler2 = markdown.inline.ruler, markdown.inline.ruler2
    inline.ruler.before("link", FOOTNOTE, _footnote)
    markdown.inline = inline
    return markdown


class _Inline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """As in the superclass, with another state class."""
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 - the superclass's names
        """Whether the run of marks that starts here can open or close emphasis."""
        mark = self.src[start]
        end = start
        while end < self.posMax and self.src[end] == mark:
            end += 1
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        leads, follows = not _is_space(after), not _is_space(before)
        if mark == "~":
            return Scanned(leads and not before.isalnum(), follows and not after.isalnum(), end - start)
        if mark == "_" or end - start == 1:
            leads = leads and (not _is_mark(after) or _is_space(before) or _is_mark(before) or is_cjk(before))
            follows = follows and (not _is_mark(before) or _is_space(after) or _is_mark(after) or is_cjk(after))
        if mark == "_":
            inside_word = leads and follows
            return Scanned(
                leads and (not inside_word or _is_mark(before)),
                follows and (not inside_word or _is_mark(after)),
                end - start,
            )
        is_arithmetic = (
            after.isascii() and after.isalnum() and before.isascii() and (before.isalnum() or before in ")]")
        )
        return Scanned(leads and not is_arithmetic, follows, end - start)


def _is_space(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _is_mark(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)


def _fence(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A fenced code block. A line of tildes followed by anything but a language name is prose."""
    line = _line(state, start_line)
    if line.startswith("~") and not _LANGUAGE.fullmatch(line):
        return False
    return fence(state, start_line, end_line, silent)


def _reference(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A link definition."""
    return bool(_TARGET.match(_line(state, start_line))) and reference(state, start_line, end_line, silent)


def _table(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A table. Cells are limited, because short rows are padded and a small text could become a huge table."""
    if start_line + 1 >= end_line or state.env.get(_CELLS, 0) > _MAX_CELLS:
        return False
    columns = _line(state, start_line + 1).count("|") + 1
    if columns > _MAX_COLUMNS or not table(state, start_line, end_line, silent):
        return False
    if not silent:
        state.env[_CELLS] = state.env.get(_CELLS, 0) + columns * (state.line - start_line)
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _footnote(state: StateInline, silent: bool) -> bool:
    """A reference to a footnote; at the start of a line, the footnote itself up to the end of the line."""
    if state.src[state.pos] != "[":
        return False
    match = _FOOTNOTE.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    begins_line = state.pos == 0 or state.src[state.pos - 1] == "\n"
    if not silent:
        state.push(FOOTNOTE, "", 0)
    state.pos = match.end()
    if begins_line and state.src.startswith(":", match.end()):
        end = state.src.find("\n", match.end(), state.posMax)
        state.pos = end if end >= 0 else state.posMax
    return True
