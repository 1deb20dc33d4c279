"""Markdown as text that can be spoken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from gateway.text.markdown_parser import FOOTNOTE, parser
from gateway.text.sentences import GAP, named_cells, sentence, tidy, without_addresses, without_pictographs

_BOLD, _END_OF_BOLD = "\x02", "\x03"  # in a line, until it is known whether the whole line is bold
_CONTROLS = {code: " " for code in range(32) if chr(code) not in "\t\n\r"}
_TASK = re.compile(r"\[[ xX]\]\s+")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)([^>]*)>", re.DOTALL)
_CLOSING_TAG = re.compile(r"</([A-Za-z][A-Za-z0-9-]*)")
_STARTS_LINE = frozenset(
    {"br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "summary"}
)
_EMPTY = frozenset({"img", "wbr", "input"})
_UNSPOKEN = frozenset({"script", "style"})
_MAX_DOCUMENTS = 3  # one in another's code block, and so on


def speakable(markdown: str, code: str = "") -> str:
    """What a reader would say of a text in Markdown; plain text stays as it is, apart from white space.

    Headings, items of lists and lines in bold become sentences; items keep their numbers, links their texts, images
    their descriptions; tables become a sentence for each row, with the columns' names. Struck text, footnotes, rules,
    HTML tags and pictographs vanish, and of a web address the host's name stays. Formulas are left as they are written.

    Takes time linear in the text. The result is empty when nothing is left to say.

    :param code: what to say in place of a block of code.
    """
    return _Speaker(code).document(markdown.translate(_CONTROLS))


class _Speaker:
    def __init__(self, code: str):
        self._code = code
        self._documents = 0

    def document(self, markdown: str) -> str:
        self._documents += 1
        tokens = parser().parse(markdown)
        for token in tokens:
            if token.type == "inline":
                token.content, token.children = _inline(token), []
        return self._blocks(SyntaxTreeNode(tokens).children, "\n\n")

    def _blocks(self, nodes: Sequence[SyntaxTreeNode], between: str, sentences: bool = False) -> str:
        """Blocks one after the other.

        :param sentences: whether each paragraph ends like a sentence, not only those before something else than text.
        """
        said = []
        for node, following in zip_longest(nodes, nodes[1:]):
            text = self._block(node)
            is_announced = following is not None and following.type != "paragraph"
            said.append(sentence(text) if node.type == "paragraph" and (sentences or is_announced) else text)
        return between.join(filter(None, said))

    def _block(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "paragraph":
                return node.children[0].content
            case "heading":
                return sentence(node.children[0].content.replace("\n", " "))
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
        # "1986. A great year." is no list, whatever CommonMark says.
        sentences = node.type == "bullet_list" or len(node.children) > 1
        said = []
        number, written = 0, ""
        for item in node.children:
            text = self._item(item, sentences)
            if node.type == "ordered_list":
                # Numbers are said as they are written, unless all items are numbered alike for Markdown to count them.
                number = number + 1 if item.info == written else int(item.info)
                shown = item.info if item.info != written else str(number)
                written = item.info
                text = f"{shown}{item.markup} {text}".rstrip()
            said.append(text)
        return "\n".join(filter(None, said))

    def _item(self, item: SyntaxTreeNode, sentences: bool) -> str:
        text = self._blocks(item.children, "\n", sentences)
        task = _TASK.match(text)
        return text[task.end() :] if task else text

    def _fence(self, node: SyntaxTreeNode) -> str:
        if node.info.strip().lower() in ("markdown", "md") and self._documents < _MAX_DOCUMENTS:
            return self.document(node.content)  # some models wrap their whole answer
        return self._code


def _rows(table: SyntaxTreeNode) -> Iterable[str]:
    head, *body = table.children
    names = [_cell(cell) for cell in head.children[0].children]
    rows = [row for part in body for row in part.children]
    if not rows:
        return [named_cells([], names)]
    return [named_cells(names, [_cell(cell) for cell in row.children]) for row in rows]


def _cell(cell: SyntaxTreeNode) -> str:
    return cell.children[0].content.replace("\n", " ") if cell.children else ""


def _inline(token: Token) -> str:
    """The text of a paragraph, a heading or a cell."""
    text = without_addresses("".join(_spoken(token.children or (), token.content)))
    return "\n".join(filter(None, map(_spoken_line, text.split("\n"))))


def _spoken_line(line: str) -> str:
    spoken = without_pictographs(line)
    has_bullet = spoken.lstrip().startswith(GAP) and not line.lstrip().startswith(GAP)
    marked = spoken.strip(f" \t{GAP}")
    is_bold = marked[:1] == _BOLD and marked.find(_END_OF_BOLD) == len(marked) - 1
    spoken = tidy(spoken.replace(_BOLD, "").replace(_END_OF_BOLD, ""))
    return sentence(spoken) if has_bullet or is_bold else spoken


def _spoken(tokens: Iterable[Token], source: str) -> Iterable[str]:
    closed = frozenset(name.lower() for name in _CLOSING_TAG.findall(source))
    struck = 0
    unspoken = ""
    behind = ""
    for token in tokens:
        text = ""
        match token.type:
            case "text" | "code_inline" | "text_special":
                text = token.content
            case "softbreak" | "hardbreak":
                text = "\n"
            case "image":
                text = "".join(_spoken(token.children or (), token.content))
            case "html_inline":
                unspoken = _unspoken(token.content, unspoken)
                text = _tag(token.content, behind, closed)
            case "strong_open":
                text = _BOLD
            case "strong_close":
                text = _END_OF_BOLD
            case "s_open":
                struck += 1
            case "s_close":
                struck -= 1
                text = GAP
            case _ if token.type == FOOTNOTE:
                text = GAP
        if text and not struck and not unspoken:
            behind = text[-1]
            yield text


def _unspoken(tag: str, current: str) -> str:
    """The element without a spoken content that a tag begins or leaves open."""
    match = _TAG.match(tag)
    name = match[2].lower() if match else ""
    if current:
        return "" if match and match[1] and name == current else current
    return name if match and not match[1] and name in _UNSPOKEN else ""


def _tag(tag: str, behind: str, closed: frozenset[str]) -> str:
    """What to say of an HTML tag: mostly nothing.

    :param behind: the character it stands behind.
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
    if not match[1] and behind.isalnum() and name not in _EMPTY and name not in closed:
        return tag  # a type: List<String>
    return ""
