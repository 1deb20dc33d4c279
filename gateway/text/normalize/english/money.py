"""Money: a currency's sign or code before or after an amount."""

from __future__ import annotations

import re

from gateway.text.normalize.english.unit_names import PER
from gateway.text.normalize.english.words import SCALES, SPACE, any_of, is_adjective, number, sign_words
from gateway.text.normalize.shared import DIGITS, spaced

_DOLLAR = ("dollar", "dollars", "cent", "cents")
_POUND = ("pound", "pounds", "penny", "pence")
_NAMES = {
    "$": _DOLLAR,
    "€": ("euro", "euros", "cent", "cents"),
    "£": _POUND,
    "¥": ("yen", "yen", "", ""),
    "￥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
    "₿": ("bitcoin", "bitcoin", "", ""),
    "₺": ("lira", "lira", "", ""),
    "₫": ("dong", "dong", "", ""),
    "₴": ("hryvnia", "hryvnia", "", ""),
    "₪": ("shekel", "shekels", "", ""),
    "₱": ("peso", "pesos", "", ""),
    "฿": ("baht", "baht", "", ""),
    "₦": ("naira", "naira", "", ""),
    "¢": ("cent", "cents", "", ""),
    "CNY": ("yuan", "yuan", "", ""),
    "CHF": ("Swiss franc", "Swiss francs", "", ""),
    "SEK": ("Swedish krona", "Swedish kronor", "", ""),
    "NOK": ("Norwegian krone", "Norwegian kroner", "", ""),
    "DKK": ("Danish krone", "Danish kroner", "", ""),
    "PLN": ("zloty", "zloty", "", ""),
    "CZK": ("Czech koruna", "Czech koruna", "", ""),
    "HUF": ("forint", "forint", "", ""),
    "ZAR": ("rand", "rand", "", ""),
    "AED": ("dirham", "dirhams", "", ""),
    "SAR": ("riyal", "riyals", "", ""),
    "ETH": ("ether", "ether", "", ""),
    "R$": ("Brazilian real", "Brazilian reais", "", ""),
    "MXN": ("Mexican peso", "Mexican pesos", "", ""),
}
_SAME = {
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "Rs": "₹",
    "Rs.": "₹",
    "KRW": "₩",
    "RUB": "₽",
    "BTC": "₿",
    "RMB": "CNY",
    "CN¥": "CNY",
    "BRL": "R$",
    "PHP": "₱",
    "THB": "฿",
    "ILS": "₪",
    "UAH": "₴",
    "VND": "₫",
}
_DOLLARS = {
    "US": ("US$", "USD"),
    "Canadian": ("C$", "CA$", "CAD"),
    "Australian": ("A$", "AU$", "AUD"),
    "New Zealand": ("NZ$", "NZD"),
    "Hong Kong": ("HK$", "HKD"),
    "Singapore": ("S$", "SGD"),
    "Taiwan": ("NT$", "TWD"),
}
_NAMES |= {written: _NAMES[same] for written, same in _SAME.items()}
_NAMES |= {
    written: (f"{country} dollar", f"{country} dollars", "cent", "cents")
    for country, names in _DOLLARS.items()
    for written in names
}

_THOUSANDS = r"[,'’\xa0\u202f\u2009]"
_AMOUNT = (
    rf"(?:\d{{1,3}}(?:{_THOUSANDS}\d{{3}}(?!\d))+(?:\.\d+)?|\d{{1,3}}(?:\.\d{{3}}(?!\d))+,\d{{2}}(?!\d)"
    r"|\d{1,3}(?:\.\d{3}(?!\d)){2,}|\d+,\d{2}(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
)
_SCALE = (
    rf"(?:(?:[-\s]?(?P<word>thousand|lakh|crore|[mb]illion|trillion)\b|{SPACE}?(?P<letters>[bm]n|tn)\b"
    r"|(?P<letter>[kKmMbBtT]))(?![A-Za-z]))"
)
_SECOND = rf"{SPACE}?[-–—]{SPACE}?"
_SIGN = r"(?:(?<![\w)\]¢€£%°])(?P<sign>[-−–+~≈±]))?"


_BEFORE = re.compile(
    rf"{_SIGN}(?<!\w)(?P<unit>{any_of(set(_NAMES) - {'¢'})})(?P<inner>[-−])?{SPACE}?(?P<amount>{_AMOUNT}){_SCALE}?"
    rf"(?:{_SECOND}(?:[$€£¥₹])?(?P<to>{_AMOUNT})(?P<to_scale>[kKmMbB](?:n\b)?|{SPACE}(?:[mb]illion|trillion))?(?!\w))?"
    rf"(?:{SPACE}?(?P<code>{any_of(name for name in _NAMES if len(name) == 3 and name.isalpha())})\b)?"
    rf"(?P<per>/(?:[A-Za-z]{{1,12}}\b)?)?(?!\w)"
)
_PENCE = re.compile(r"(?<![\w.,/-])(?P<amount>[1-9]\d?)p(?!\w|[-.])")
_AFTER = re.compile(
    rf"{_SIGN}(?<!\w)(?<!\d[.,])(?P<amount>{_AMOUNT})(?:{_SECOND}(?P<to>{_AMOUNT}))?{_SCALE}?"
    rf"{SPACE}?(?P<unit>{any_of(_NAMES)})(?P<per>/(?:[A-Za-z]{{1,12}}\b)?)?(?!\w|[.,]?\d)"
)


def _read(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    names = _NAMES[groups.get("code") or groups["unit"]]
    scale = SCALES.get((groups["word"] or groups["letters"] or groups["letter"] or "").lower(), "")
    read = sign_words(groups["sign"] or groups.get("inner"))
    to = groups["to"]
    if to:
        to_scale = SCALES.get((groups.get("to_scale") or "").strip().lower(), "")
        scales = (scale, to_scale) if "to_scale" in groups else ("", scale)
        if "." in _plain(groups["amount"]) + _plain(to) and not any(scales):
            first, second = (_amount(_plain(amount), "", names, False) for amount in (groups["amount"], to))
            return f"{read}{first} to {second}"
        first, second = (
            f"{number(_plain(amount))} {words}".strip()
            for amount, words in zip((groups["amount"], to), scales, strict=True)
        )
        read += f"{first} to {second} {names[1]}"
    else:
        read += _amount(_plain(groups["amount"]), scale, names, is_adjective(match))
    if per := groups["per"]:
        read += f" per {PER.get(per[1:], per[1:])}".rstrip()
    return read


def _plain(amount: str) -> str:
    """The amount with a decimal point and no separators of thousands."""
    amount = re.sub(r"[^\d.,]", "", amount.replace("'", ""))
    comma, point = amount.rfind(","), amount.rfind(".")
    if comma > point and (point >= 0 or len(amount) - comma != 4):  # 1.234,56 and 5,99
        return amount.replace(".", "").replace(",", ".")
    if amount.count(".") > 1:
        return amount.replace(".", "")
    return amount.replace(",", "")


def _amount(amount: str, scale: str, names: tuple[str, str, str, str], adjective: bool) -> str:
    one, many, minor, minors = names
    whole, _, fraction = amount.partition(".")
    if scale:
        return f"{number(amount)} {scale} {one if adjective else many}"
    if fraction.strip("0") == "":
        return f"{number(whole)} {one if adjective or whole == '1' else many}"
    if len(fraction) != 2 or not minor:
        return f"{number(amount)} {one if adjective else many}"
    rest = f"{number(fraction.lstrip('0'))} {minor if adjective or fraction == '01' else minors}"
    if not whole.strip("0"):
        return rest
    return f"{number(whole)} {one if adjective or whole == '1' else many} and {rest}"


def _read_pence(match: re.Match[str]) -> str:
    return f"{number(match['amount'])} {'penny' if match['amount'] == '1' else 'pence'}"


RULES = (
    spaced("currency", _PENCE, _read_pence, DIGITS),
    spaced("currency", _BEFORE, _read, DIGITS),
    spaced("currency", _AFTER, _read, DIGITS),
)
