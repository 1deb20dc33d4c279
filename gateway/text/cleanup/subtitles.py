"""Subtitle files (SubRip and WebVTT): only the text of their cues is spoken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backends.text import CLOSING_MARKS, SENTENCE_MARKS, STRONG_SENTENCE_MARKS
from gateway.text.mapped_text import Edit
from gateway.text.sentences import is_cjk

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMING = re.compile(rf"[ \t]{{0,20}}{_TIME}[ \t]{{0,20}}-->[ \t]{{0,20}}{_TIME}")
_LINE = re.compile(r"([^\n]*)\n?")
_BLOCK = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)\b")
_MARKUP = re.compile(
    r"</?(?:[ibucv]|lang|ruby|rt|font)(?:[ .][^<>\n]{0,200})?>"
    rf"|<{_TIME}>"
    r"|\{\\[^{}\n]{1,80}\}"
    r"|[♪♫]"
    r"|&(?:amp|lt|gt|nbsp|lrm|rlm);",
    re.IGNORECASE,
)
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " "}
_DIALOG = ("-", "–", "—")  # begins what another person says


def subtitle_edits(text: str) -> Iterator[Edit]:
    """Yield edits that reduce a subtitle file to the text of its cues, in order; none for other texts."""
    if "-->" not in text:
        return
    spans = _cue_lines(text)
    if spans is None:
        return
    end, between = 0, ""
    for start, line_end in (*spans, (len(text), len(text))):
        if start == len(text):
            between = ""
        elif end and text[start] in _DIALOG:
            between = "\n"
        if text[end:start] != between:
            yield Edit(end, start, between, "cleanup")
        for markup in _MARKUP.finditer(text, start, line_end):
            yield Edit(*markup.span(), _ENTITIES.get(markup[0].lower(), ""), "cleanup")
        end, between = line_end, _line_end(_MARKUP.sub("", text[start:line_end]))


def _line_end(line: str) -> str:
    """Lines are cut anywhere in a sentence; Chinese and Japanese ones have no punctuation."""
    last = line.rstrip(CLOSING_MARKS + " \t")[-1:]
    return "\n" if last in SENTENCE_MARKS + STRONG_SENTENCE_MARKS or is_cjk(last) else " "


def _cue_lines(text: str) -> list[tuple[int, int]] | None:
    """Spans of the lines to speak, without surrounding blanks; None: the text is not a subtitle file."""
    matches = list(_LINE.finditer(text))
    lines = [match[1].strip("\ufeff \t\r") for match in matches]
    timed = [_TIMING.match(line) is not None for line in lines]
    first = next(number for number, line in enumerate(lines) if line)
    is_webvtt = lines[first].startswith("WEBVTT")
    is_numbered = lines[first].isdecimal() and any(timed[first + 1 : first + 2])
    if sum(timed) < (1 if is_webvtt else 2) or not (is_webvtt or is_numbered or timed[first]):
        return None
    spans = []
    in_block = False  # of a header, a comment or a style sheet
    for line, before, match, is_timing, is_named in zip(
        lines, ["", *lines], matches, timed, [*timed[1:], False], strict=False
    ):
        is_first = line != "" and not before
        in_block = line != "" and not is_timing and (in_block or (is_webvtt and is_first and bool(_BLOCK.match(line))))
        is_name = is_named and (line.isdecimal() or (is_webvtt and is_first))
        if line and not (is_timing or in_block or is_name):
            start = match.start() + match[1].index(line)
            spans.append((start, start + len(line)))
    return spans
