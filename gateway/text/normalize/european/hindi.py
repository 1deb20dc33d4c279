"""Hindi: numbers, which ``num2words`` does not have, and words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर")

_BELOW_100 = listed(
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस "
    "इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस "
    "छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस बयालीस तैंतालीस चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस "
    "उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ "
    "छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर "
    "उन्यासी अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे "
    "तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे"
)
_SCALE = ((10**11, "खरब"), (10**9, "अरब"), (10**7, "करोड़"), (10**5, "लाख"), (1000, "हज़ार"), (100, "सौ"))


def cardinal(number: int) -> str:
    """A cardinal number, in hundreds, thousands, lakhs and crores."""
    words = []
    for size, name in _SCALE:
        count, number = divmod(number, size)
        if count:
            words += [cardinal(count), name]
    if number or not words:
        words.append(_BELOW_100[number])
    return " ".join(words)


def _year(year: int) -> str:
    if not 1100 <= year < 2000:
        return cardinal(year)
    rest = f" {cardinal(year % 100)}" if year % 100 else ""
    return f"{cardinal(year // 100)} सौ{rest}"


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{cardinal(day)} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {_year(year)}"


def _clock(hour: int, minute: int, before: str) -> str:
    return f"{cardinal(hour)} बजकर {cardinal(minute)} मिनट" if minute else f"{cardinal(hour)} बजे"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    return (
        spaced(
            "ordinal",
            re.compile(r"(?<![\w.,])(?P<number>\d{1,4})-?(?P<ending>वाँ|वां|वें|वीं|वी)"),
            lambda match: numerals.integer(int(match["number"])) + match["ending"],
        ),
    )


WORDS = Words(
    numbers=cardinal,
    decimal="दशमलव",
    decimal_mark=".",
    point="दशमलव",
    minus="माइनस",
    decimals_as_number=False,
    months=MONTHS,
    month_abbreviations={"फरवरी": 2, "अक्तूबर": 10, "सितम्बर": 9, "नवम्बर": 11, "दिसम्बर": 12},
    date=_date,
    clock=_clock,
    clock_signs="बजे",
    year=_year,
    cents="{cents} {name}",
    currencies=nouns({"₹": "|रुपया|रुपये", "रु.": "|रुपया|रुपये", "$": "|डॉलर", "€": "|यूरो", "£": "|पाउंड", "¥": "|येन"}),
    cent_names=nouns({"₹": "|पैसा|पैसे", "रु.": "|पैसा|पैसे", "$": "|सेंट", "€": "|सेंट", "£": "|पेंस"}),
    magnitudes=nouns({"लाख": "|लाख", "करोड़": "|करोड़", "अरब": "|अरब", "हज़ार": "|हज़ार", "हजार": "|हज़ार"}),
    units=nouns(
        {
            "%": "|प्रतिशत",
            "°": "|डिग्री",
            "°C": "|डिग्री सेल्सियस",
            "m": "|मीटर",
            "g": "|ग्राम",
            "l": "|लीटर",
            "B": "|बाइट",
            "W": "|वाट",
            "Hz": "|हर्ट्ज़",
            "किमी": "|किलोमीटर",
            "कि.मी.": "|किलोमीटर",
            "सेमी": "|सेंटीमीटर",
            "किग्रा": "|किलोग्राम",
            "मि.ली.": "|मिलीलीटर",
        }
    ),
    prefixes={"k": "किलो", "M": "मेगा", "G": "गीगा", "T": "टेरा", "c": "सेंटी", "m": "मिली"},
    square=("वर्ग {}",),
    cube=("घन {}",),
    per={"h": "प्रति घंटा", "घंटा": "प्रति घंटा", "s": "प्रति सेकंड"},
    per_word="प्रति",
    over="बटा",
    fractions={(1, 2): "आधा", (1, 3): "एक तिहाई", (2, 3): "दो तिहाई", (1, 4): "एक चौथाई", (3, 4): "तीन चौथाई"},
    half="सही एक बटा दो",
    mixed="सही",
    squared="का वर्ग",
    cubed="का घन",
    power="की घात",
    times="गुणा",
    times_after="गुना",
    divided="भागा",
    range="से",
    ratio="अनुपात",
    number_sign="नंबर",
    address={
        "dot": "डॉट",
        "slash": "स्लैश",
        "backslash": "बैकस्लैश",
        "colon": "कोलन",
        "at": "एट",
        "dash": "डैश",
        "underscore": "अंडरस्कोर",
        "plus": "प्लस",
        "tilde": "टिल्ड",
        "hashtag": "हैशटैग",
        "point": "पॉइंट",
        "version": "वर्शन",
    },
    abbreviations={"डॉ.": "डॉक्टर", "प्रो.": "प्रोफ़ेसर"},
    signs={
        "+": "प्लस",
        "−": "माइनस",
        "=": "बराबर",
        "×": "गुणा",
        "÷": "भागा",
        "<": "से कम",
        ">": "से ज़्यादा",
        "≤": "से कम या बराबर",
        "≥": "से ज़्यादा या बराबर",
        "±": "प्लस माइनस",
        "≈": "लगभग",
        "≠": "बराबर नहीं",
        "~": "लगभग",
        "∞": "अनंत",
        "√": "वर्गमूल",
        "→": "तीर",
        "&": "और",
        "§": "धारा",
        "©": "कॉपीराइट",
        "®": "पंजीकृत",
        "™": "ट्रेडमार्क",
        "°": "डिग्री",
        "%": "प्रतिशत",
        "‰": "प्रति हज़ार",
        "/": "स्लैश",
        "\\": "बैकस्लैश",
        "@": "एट",
        "#": "हैश",
        "_": "अंडरस्कोर",
        "^": "की घात",
        "µ": "माइक्रो",
    },
    rules=_rules,
)
