"""Signs: mathematics, arrows, Greek letters and other symbols."""

from __future__ import annotations

import re
import unicodedata

from gateway.text.normalize.english.words import NUMBER, SIGN, START, after, any_of, before, integer, number, sign_words
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import DIGITS, spaced

_EQUATION = re.compile(r"^[\s\d.,a-z()+*/×÷^-]{0,40}[=≈≠≤≥<>]")
_AFTER_EQUALS = re.compile(r"[=≈≠≤≥<>]\s*[\s\d.,a-z()+*/×÷^−-]{0,40}$")


def in_equation(match: re.Match[str]) -> bool:
    """Whether an equals sign or an operator is near, so that - and / are operators, too."""
    return bool(_EQUATION.match(after(match, 48)) or _AFTER_EQUALS.search(before(match, 48)))


_POWER = re.compile(
    rf"(?:(?<![\w)\]])(?P<sign>[-−–+±]))?(?:{START}(?P<base>{NUMBER}|[A-Za-zπ])|(?<=[A-Za-z)]))"
    r"(?:\^\(?(?P<exponent>[-−]?(?:\d{1,9}|[a-zA-Z]{1,9}))\)?(?!\w)|(?P<super>[⁻⁺]?[⁰¹²³⁴-⁹ⁿ]{1,9}))"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SCIENTIFIC = re.compile(
    rf"{SIGN}{START}(?P<number>\d{{1,15}}(?:\.\d{{1,15}})?)[eE](?P<exponent>[-+−]?\d{{1,3}})(?!\w|\.\d)"
)


def _exponent(written: str) -> str:
    sign = "-" if written[0] in "-−" else ""
    rest = written.lstrip("-−+")
    return f"{sign_words(sign)}{integer(rest) if rest.isdecimal() else rest}"


def _read_power(match: re.Match[str]) -> str:
    exponent = match["exponent"] or match["super"].translate(_SUPERSCRIPTS)
    base = match["base"] or ""
    read = sign_words(match["sign"]) + (number(base) if base[:1].isdigit() else _LETTERS.get(base, base))
    named = {"2": "squared", "3": "cubed"}.get(exponent)
    return f"{read} {named or f'to the power of {_exponent(exponent)}'}".strip()


def _read_scientific(match: re.Match[str]) -> str:
    read = f"{sign_words(match['sign'])}{number(match['number'])} times ten to the power of"
    return f"{read} {_exponent(match['exponent'])}"


_OPERATORS = {
    "<=>": "is equivalent to",
    "<->": "to and from",
    "<=": "less than or equal to",
    ">=": "greater than or equal to",
    "!=": "not equal to",
    "!==": "not equal to",
    "==": "equals",
    "===": "equals",
    ":=": "equals",
    "+=": "plus equals",
    "+-": "plus or minus",
    "+/-": "plus or minus",
    "&&": "and",
    "||": "or",
    "=": "equals",
    "≠": "not equal to",
    "≤": "less than or equal to",
    "≥": "greater than or equal to",
    "≪": "much less than",
    "≫": "much greater than",
    "≈": "approximately equals",
    "≃": "approximately equals",
    "≅": "is congruent to",
    "≡": "is identical to",
    "∝": "is proportional to",
    "<": "less than",
    ">": "greater than",
    "+": "plus",
    "±": "plus or minus",
    "∓": "minus or plus",
    "×": "times",
    "⋅": "times",
    "∙": "times",
    "÷": "divided by",
    "√": "square root of",
    "∛": "cube root of",
    "∞": "infinity",
    "∑": "the sum of",
    "∏": "the product of",
    "∫": "the integral of",
    "∂": "partial",
    "∇": "nabla",
    "∆": "delta",
    "∈": "in",
    "∉": "not in",
    "⊂": "is a subset of",
    "⊆": "is a subset of",
    "∪": "union",
    "∩": "intersection",
    "∅": "the empty set",
    "∀": "for all",
    "∃": "there exists",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "⊕": "exclusive or",
    "∴": "therefore",
    "∵": "because",
}
_ARROWS = {
    "-->": "to",
    "->": "to",
    "=>": "to",
    "==>": "to",
    "<-": "from",
    "<--": "from",
    "→": "to",
    "⇒": "implies",
    "⟶": "to",
    "➔": "to",
    "➜": "to",
    "➡": "to",
    "⟹": "implies",
    "←": "from",
    "↔": "to and from",
    "⇔": "if and only if",
    "↑": "up",
    "↓": "down",
}
_ARROW = re.compile(rf"(?P<arrow>{any_of(_ARROWS)})\ufe0f?")
_OPERATOR = re.compile(rf"(?P<operator>{any_of(_OPERATORS)})\ufe0f?")
_MINUS = re.compile(r"(?<=[\w)\]])(?P<space>[ \xa0]?)[-−–](?P=space)(?=[\w.(√∞])")
_NEGATIVE = re.compile(r"(?:(?<=[=<>≈≤≥+*×÷(/] )|(?<=[=<>≈≤≥+*×÷(/±]))[-−–](?=[\w.(√∞])|−")
_STAR = re.compile(r"(?<=[\w)\]])(?: \* (?![A-Z]{2})|\*)(?=[\w(])")
_DIVIDE = re.compile(r"(?<=[\w)]) ?/ ?(?=[\w(])")


def _read_operator(match: re.Match[str]) -> str:
    words = _OPERATORS[match["operator"]]
    if match["operator"] == "≈" and not re.search(r"[\w)]\s?$", before(match, 2)):
        return "approximately"
    return words


def _read_minus(match: re.Match[str]) -> str | None:
    if "−" not in match[0] and not in_equation(match):
        return None
    return " minus "


_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi"
    " psi omega"
)
_LETTERS = {chr(0x3B1 + index + (index > 16)): name for index, name in enumerate(_GREEK.split())}
_LETTERS |= {letter.upper(): name for letter, name in _LETTERS.items()}
_LETTERS |= {"µ": "micro", "ϕ": "phi", "ϑ": "theta", "ϵ": "epsilon", "ς": "sigma", "Ω": "ohm"}
_GREEK_LETTER = re.compile(rf"(?<![\u0370-\u03ff\u1f00-\u1fff])[{''.join(_LETTERS)}](?![\u0370-\u03ff\u1f00-\u1fff])")

_SLASHES = {
    "and/or": "and or",
    "he/she": "he or she",
    "she/he": "she or he",
    "him/her": "him or her",
    "his/her": "his or her",
    "his/hers": "his or hers",
    "s/he": "she or he",
    "yes/no": "yes or no",
    "either/or": "either or",
}
_SLASH_WORD = re.compile(
    rf"(?<![\w/])(?:{any_of(_SLASHES)}|[A-Z]{{1,4}}/[A-Z]{{1,4}}(?:/[A-Z]{{1,4}})?)(?![\w/])", re.IGNORECASE
)


def _read_slash_word(match: re.Match[str]) -> str | None:
    written = match[0]
    if words := _SLASHES.get(written.lower()):
        return words[0].upper() + words[1:] if written[0].isupper() else words
    return written.replace("/", " ") if written.isupper() else None


SIGN_WORDS = {
    "&": "and",
    "©": "copyright",
    "®": "registered",
    "™": "trademark",
    "℠": "service mark",
    "§§": "sections",
    "§": "section",
    "¶": "paragraph",
    "†": "dagger",
    "‡": "double dagger",
    "№": "number",
    "℃": "degrees Celsius",
    "℉": "degrees Fahrenheit",
    "@": "at",
    "#": "hash",
    "%": "percent",
    "‰": "per mille",
    "°": "degrees",
    "*": "asterisk",
    "/": "slash",
    "\\": "backslash",
    "^": "caret",
    "~": "tilde",
    "|": "vertical bar",
    "`": "backtick",
    "$": "dollar",
    "€": "euro",
    "£": "pound",
    "¥": "yen",
    "¢": "cent",
    "♯": "sharp",
    "♭": "flat",
    "♮": "natural",
    "¦": "vertical bar",
    "ª": "a",
    "º": "o",
}
_ABOUT = re.compile(r"[~∼](?=\s?[$€£¥]?\.?[\d½¼¾])")
_SIGN = re.compile(rf"(?:{any_of(SIGN_WORDS)})")
_BLANK = re.compile(r"_{2,}")
_UNDERSCORE = re.compile(r"_")


def sign_name(char: str) -> str:
    """The name of a sign, from this module or else from Unicode; empty: it has none."""
    return (
        SIGN_WORDS.get(char)
        or _OPERATORS.get(char)
        or _ARROWS.get(char)
        or unicodedata.name(char, "").lower().replace("-", " ")
    )


POWER_RULES = (
    spaced("math", _SCIENTIFIC, _read_scientific, DIGITS),
    spaced("math", _POWER, _read_power, "^⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ"),
)
RULES = (
    spaced("sign", _SLASH_WORD, _read_slash_word, "/"),
    Rule("math", _STAR, lambda _: " times ", frozenset("*")),
    Rule("math", _DIVIDE, lambda match: " divided by " if in_equation(match) else None, frozenset("/")),
    Rule("math", _MINUS, _read_minus, frozenset("-−–")),
    spaced("math", _NEGATIVE, lambda match: "minus" if in_equation(match) or match[0] == "−" else None, "-−–"),
    spaced("sign", _ARROW, lambda match: _ARROWS[match["arrow"]], "".join(_ARROWS)),
    spaced("math", _OPERATOR, _read_operator, "".join(_OPERATORS)),
    spaced("math", _GREEK_LETTER, lambda match: _LETTERS[match[0]], "".join(_LETTERS)),
    spaced("math", _ABOUT, lambda _: "about", "~∼"),
    spaced("sign", _BLANK, lambda _: "blank", "_"),
    spaced("sign", _UNDERSCORE, lambda _: "underscore", "_"),
    spaced("sign", _SIGN, lambda match: SIGN_WORDS[match[0]], "".join(SIGN_WORDS)),
)
