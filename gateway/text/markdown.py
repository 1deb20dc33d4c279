"""Conversion from Markdown to speakable text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from gateway.text.markdown_parser import FOOTNOTE, parser
from gateway.text.sentences import GAP, as_sentence, table_row, tidy, without_addresses, without_pictographs

_BOLD, _END_OF_BOLD = "\x02", "\x03"  # kept until it is known whether the whole line is bold
_CONTROLS = {code: " " for code in range(32) if chr(code) not in "\t\n\r"}
_TASK = re.compile(r"\[[ xX]\]\s+")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)([^>]*)>", re.DOTALL)
_CLOSING_TAG = re.compile(r"</([A-Za-z][A-Za-z0-9-]*)")
_STARTS_LINE = frozenset(
    {"br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "summary"}
)
_VOID = frozenset({"img", "wbr", "input"})
_SILENT = frozenset({"script", "style"})
_MAX_DOCUMENTS = 3  # nested in code blocks


def speakable(markdown: str, code: str = "") -> str:
    """Convert Markdown to the text that a reader would speak; plain text changes in white space only.

    Headings, list items and bold lines become sentences. Each table row becomes a sentence with the columns' names.
    Item numbers, link texts and image descriptions are kept; a web address is reduced to its host. Struck text,
    footnotes, rules, HTML tags and pictographs are dropped. Formulas are not changed.

    Takes time linear in the text. The result may be empty.

    :param code: replaces every code block.
    """
    return _Renderer(code).document(markdown.translate(_CONTROLS))


class _Renderer:
    def __init__(self, code: str):
        self._code = code
        self._documents = 0

    def document(self, markdown: str) -> str:
        self._documents += 1
        tokens = parser().parse(markdown)
        for token in tokens:
            if token.type == "inline":
                token.content, token.children = _inline_block(token), []
        return self._blocks(SyntaxTreeNode(tokens).children, "\n\n")

    def _blocks(self, nodes: Sequence[SyntaxTreeNode], between: str, sentences: bool = False) -> str:
        """Render blocks in order.

        :param sentences: end every paragraph as a sentence, not only a paragraph before a block of another type.
        """
        parts = []
        for node, following in zip_longest(nodes, nodes[1:]):
            text = self._block(node)
            is_announced = following is not None and following.type != "paragraph"
            parts.append(as_sentence(text) if node.type == "paragraph" and (sentences or is_announced) else text)
        return between.join(filter(None, parts))

    def _block(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "paragraph":
                return node.children[0].content
            case "heading":
                return as_sentence(node.children[0].content.replace("\n", " "))
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "blockquote":
                return self._blocks(node.children, "\n\n")
            case "fence":
                return self._fence(node)
            case "table":
                return "\n".join(filter(None, _rows(node)))
        return ""  # rules

    def _list(self, node: SyntaxTreeNode) -> str:
        # To CommonMark "1986. A great year." is a list, but it is more likely a sentence.
        sentences = node.type == "bullet_list" or len(node.children) > 1
        parts = []
        number, written = 0, ""
        for item in node.children:
            text = self._item(item, sentences)
            if node.type == "ordered_list":
                # Keep the numbers as written, unless all are equal, which leaves the counting to Markdown.
                number = number + 1 if item.info == written else int(item.info)
                shown = item.info if item.info != written else str(number)
                written = item.info
                text = f"{shown}{item.markup} {text}".rstrip()
            parts.append(text)
        return "\n".join(filter(None, parts))

    def _item(self, item: SyntaxTreeNode, sentences: bool) -> str:
        text = self._blocks(item.children, "\n", sentences)
        task = _TASK.match(text)
        return text[task.end() :] if task else text

    def _fence(self, node: SyntaxTreeNode) -> str:
        if node.info.strip().lower() in ("markdown", "md") and self._documents < _MAX_DOCUMENTS:
            return self.document(node.content)  # some models wrap their whole response
        return self._code


def _rows(table: SyntaxTreeNode) -> Iterable[str]:
    head, *body = table.children
    names = [_cell(cell) for cell in head.children[0].children]
    rows = [row for part in body for row in part.children]
    if not rows:
        return [table_row([], names)]
    return [table_row(names, [_cell(cell) for cell in row.children]) for row in rows]


def _cell(cell: SyntaxTreeNode) -> str:
    return cell.children[0].content.replace("\n", " ") if cell.children else ""


def _inline_block(token: Token) -> str:
    """The text of a paragraph, heading or cell."""
    text = without_addresses("".join(_inline_text(token.children or (), token.content)))
    return "\n".join(filter(None, map(_line_text, text.split("\n"))))


def _line_text(line: str) -> str:
    spoken = without_pictographs(line)
    has_bullet = spoken.lstrip().startswith(GAP) and not line.lstrip().startswith(GAP)
    marked = spoken.strip(f" \t{GAP}")
    is_bold = marked[:1] == _BOLD and marked.find(_END_OF_BOLD) == len(marked) - 1
    spoken = tidy(spoken.replace(_BOLD, "").replace(_END_OF_BOLD, ""))
    return as_sentence(spoken) if has_bullet or is_bold else spoken


def _inline_text(tokens: Iterable[Token], source: str) -> Iterable[str]:
    closed = frozenset(name.lower() for name in _CLOSING_TAG.findall(source))
    struck_depth = 0
    silent = ""
    previous = ""
    for token in tokens:
        text = ""
        match token.type:
            case "text" | "code_inline" | "text_special":
                text = token.content
            case "softbreak" | "hardbreak":
                text = "\n"
            case "image":
                text = "".join(_inline_text(token.children or (), token.content))
            case "html_inline":
                silent = _silent_element(token.content, silent)
                text = _tag(token.content, previous, closed)
            case "strong_open":
                text = _BOLD
            case "strong_close":
                text = _END_OF_BOLD
            case "s_open":
                struck_depth += 1
            case "s_close":
                struck_depth -= 1
                text = GAP
            case _ if token.type == FOOTNOTE:
                text = GAP
        if text and not struck_depth and not silent:
            previous = text[-1]
            yield text


def _silent_element(tag: str, current: str) -> str:
    """The silent element, such as ``script``, that is open after a tag, or empty."""
    match = _TAG.match(tag)
    name = match[2].lower() if match else ""
    if current:
        return "" if match and match[1] and name == current else current
    return name if match and not match[1] and name in _SILENT else ""


def _tag(tag: str, previous: str, closed: frozenset[str]) -> str:
    """The text for an HTML tag, mostly empty.

    :param previous: the character before the tag.
    :param closed: the elements that are closed somewhere in the same paragraph.
    """
    match = _TAG.match(tag)
    if match is None:
        return GAP  # a comment
    name = match[2].lower()
    if name in _STARTS_LINE:
        return "\n"
    attributes = match[3].strip(" /\t\n")
    if not match[1] and attributes and "=" not in attributes:
        return tag  # a comparison: x <y and z> 1
    if not match[1] and previous.isalnum() and name not in _VOID and name not in closed:
        return tag  # a type: List<String>
    return ""
