"""Conversion from Markdown to speakable text."""

from __future__ import annotations

import time

import pytest

from gateway.text.markdown import speakable

PLAIN = [
    "Hello world",
    "The first line.\nThe second line, which goes on\n\nAnother paragraph",
    "Prices: $5, 5€ and £5.50; 5 * 3 = 15, 2 * 3 * 4 = 24.",
    "2*3*4, 5*x*y, x**n and y**m, (a+b)*c*d",
    "f(*args, **kwargs)",
    "snake_case_name, _private, No_1_of_2",
    "a < b and b > c, 1 <2, I <3 you",
    "if x <y and z> 3 then stop",
    "List<String> and vector<int> are types",
    "C# and F#, #1, #hashtag, C♯ minor",
    "1. That's it",
    "1986. A great year.",
    "007. He has a licence.",
    "2) is not a list either",
    "Write to me@example.com today.",
    "[1] and [x], [Alice]: Hello",
    "~5 minutes, ~10 perhaps; ~/folder",
    "~~~ merry christmas ~~~\nand so on",
    "AT&T, Q&A, R&D; 100% & more",
    "a | b | c",
    "C:\\path\\file",
    "{braces} (parentheses) \"quotes\" 'apostrophes' “typographic” ‘ones’ — dashes – and…",
    "©2024 Acme™, all rights ®eserved. A → B. 20°C. ½ cup. №5 §3",
    "10:30–11:00, 3/4, 50%, +49 30 1234, -5 °C",
    "@user: what?! no...",
    "你好，世界！今天天气不错。价格是5元，5*3=15。",
    "第一行\n第二行，没有标点\n\n第三段",
    "好的~~我来了~~，等一下～",
    "他说：“你好。”《书名》【注】（括号）",
    "これはテストです。\n改行もあります、ラーメン～",
    "つのだ・ひろさん「こんにちは」『本』ヴァイオリン○○さん",
    "한국어 문장입니다. 가격은 5원!",
    "क्षेत्र में, می‌خواهم، مرحبا؟ שלום",
    "a\u200db \u200c",
    "¿Qué tal? ¡Bien!",
    "x = [1, 2][0]; y = !z",
]


class TestPlainText:
    @pytest.mark.parametrize("text", PLAIN)
    def test_plain_text_is_not_changed(self, text: str) -> None:
        assert speakable(text) == text

    @pytest.mark.parametrize("text", PLAIN)
    def test_plain_text_between_other_paragraphs_is_not_changed(self, text: str) -> None:
        assert speakable(f"Before.\n\n{text}\n\nAfter.") == f"Before.\n\n{text}\n\nAfter."

    def test_only_white_space_changes(self) -> None:
        assert speakable("  a  b \r\n\tc\n\n\n\n    indented is not code\x07\n") == "a b\nc\n\nindented is not code"

    def test_empty_text(self) -> None:
        assert speakable("") == speakable(" \n ") == ""


class TestBlocks:
    @pytest.mark.parametrize(
        ("markdown", "spoken"),
        [
            ("# Title\n\nText\n\n## Is it? ##\n### 标题\n#### *Sub*:", "Title.\n\nText.\n\nIs it?\n\n标题。\n\nSub:"),
            ("Title\n=====\nSub\n---\nText", "Title.\n\nSub.\n\nText"),
            ("- one\n- two.\n- three!\n* four\n+ five,", "one.\ntwo.\nthree!\n\nfour.\n\nfive,"),
            ("1. First\n2. Second", "1. First.\n2. Second."),
            ("1) First\n2) Second", "1) First.\n2) Second."),
            ("3. c\n2. b\n1. a", "3. c.\n2. b.\n1. a."),
            ("1. a\n1. b\n1. c", "1. a.\n2. b.\n3. c."),
            ("1. 打开应用\n2. 使用 Python\n3. 完成！", "1. 打开应用。\n2. 使用 Python。\n3. 完成！"),
            ("- A\n  - fig\n  - pear\n    1. old\n    2. new\n- B", "A.\nfig.\npear.\n1. old.\n2. new.\nB."),
            ("- a\n\n  more of a\n\n- b", "a.\nmore of a.\nb."),
            ("- [x] done\n- [ ] to do", "done.\nto do."),
            ("Do this:\n\n1. a\n2. b\n\nThen rest", "Do this:\n\n1. a.\n2. b.\n\nThen rest"),
            ("Do this\n\n- a\n- b", "Do this.\n\na.\nb."),
            ("> Quoted\n> text\n>\n> > deeper", "Quoted\ntext.\n\ndeeper"),
            ("before\n\n---\n\nafter\n\n***", "before.\n\nafter."),
            ("**Overview**\nText\n\n__More:__\nmore\n\n**Not** all", "Overview.\nText\n\nMore:\nmore\n\nNot all"),
            ("See:\n\n```python\nprint('never said')\n```\n\nDone.", "See:\n\nDone."),
            ("See\n~~~sh\nnever said\n~~~\nDone.", "See.\n\nDone."),
            ("```\nnever closed", ""),
            ("```markdown\n# Title\n- a\n- b\n```", "Title.\n\na.\nb."),
            ("line  \nbreak\\\nbreak", "line\nbreak\nbreak"),
            ("- \n- a", "a."),
        ],
    )  # fmt: skip
    def test_blocks_become_sentences(self, markdown: str, spoken: str) -> None:
        assert speakable(markdown) == spoken

    def test_code_blocks_can_be_replaced(self) -> None:
        assert speakable("See:\n\n```\nx\n```\n\nDone.", code="Code follows.") == "See:\n\nCode follows.\n\nDone."

    @pytest.mark.parametrize(
        ("table", "spoken"),
        [
            ("| Name | Price |\n|---|--:|\n| Apple | $5 |\n| Pear | |", "Name: Apple, Price: $5.\nName: Pear."),
            ("Name|Price\n-|-\n**Fig**|`2`", "Name: Fig, Price: 2."),
            ("| | 2023 |\n|-|-|\n| Revenue | 5. |", "Revenue, 2023: 5."),
            ("| A: | B |\n|-|-|\n| one. | two! |", "A: one, B: two!"),
            ("| 名称 | 价格 |\n|---|---|\n| 苹果 | 5元 |", "名称：苹果，价格：5元。"),
            ("| A | B |\n|-|-|", "A, B."),
            ("| A | B |\n|-|-|\n| | |\n| [^1] | x |", "B: x."),
            ("| A | B |\n|-|-|\n| x<br>y | a \\| b |", "A: x y, B: a | b."),
        ],
    )
    def test_table_rows_become_sentences(self, table: str, spoken: str) -> None:
        assert speakable(table) == spoken
        assert speakable(f"Look\n\n{table}\n\nEnd") == f"Look.\n\n{spoken}\n\nEnd"

    def test_nested_markdown_documents_are_limited(self) -> None:
        wrapped = "a"
        for fence in ("```", "````", "`````", "``````"):
            wrapped = f"{fence}md\n{wrapped}\n{fence}"
        assert speakable("```md\n# a\n```") == "a."
        assert speakable(wrapped) == ""


class TestInline:
    @pytest.mark.parametrize(
        ("markdown", "spoken"),
        [
            ("**Note:** *this* and ***that***, __so__ _it_ is", "Note: this and that, so it is"),
            ("**Note:**Text and **L**arge **L**anguage **M**odel", "Note:Text and Large Language Model"),
            ("这是**重点：**内容，**「引用」**说明*很*好", "这是重点：内容，「引用」说明很好"),
            ("日本語**強調（かっこ）**文字*斜体*です", "日本語強調（かっこ）文字斜体です"),
            ("한국어**(강조)**입니다", "한국어(강조)입니다"),
            ("Was ~~$50~~ $30, ~~really~~!", "Was $30,!"),
            ("See [the docs](https://a.b/a \"t\") and [these][1].\n\n[1]: https://a.b", "See the docs and these."),
            ("![A cat](cat.png) and [![badge](b.svg)](https://x.y)", "A cat and badge"),
            ("Run `pip install x_y` in `__init__`", "Run pip install x_y in __init__"),
            ("See https://www.example.com/a_b?c=d#e. (https://a.wiki.org/wiki/X_(y))", "See example.com. (a.wiki.org)"),
            ("<https://a.b.c:80/d>, www.Example.org/x! http://u:p@host:1/", "a.b.c, example.org! host"),
            ("[https://example.com/a](https://example.com/a)", "example.com"),
            ("请看https://example.com/a。谢谢", "请看example.com。谢谢"),
            ("http://[::1]:80/x is local", "link is local"),
            ("<me@example.com>", "me@example.com"),
            ("A claim.[^1] Another[^note] one\n\n[^1]: Where from\n[^note]: Whence", "A claim. Another one"),
            ("A claim[^1]\n[^1]: https://example.com", "A claim"),
            ("H<sub>2</sub>O<br>next <b>bold</b> <!-- never --> <answer>yes</answer>", "H2O\nnext bold yes"),
            ("<details>\n<summary>More</summary>\n\nInner\n\n</details>", "More\n\nInner"),
            ("<p align=\"center\">a</p><script>never</script>b", "a\nb"),
            ("&amp; &lt;b&gt; &copy; &#33; \\*stars\\*", "& <b> © ! *stars*"),
            ("$x^2 + y_1$ costs $5", "$x^2 + y_1$ costs $5"),
        ],
    )  # fmt: skip
    def test_inline_marks_are_dropped(self, markdown: str, spoken: str) -> None:
        assert speakable(markdown) == spoken

    @pytest.mark.parametrize(
        ("text", "spoken"),
        [
            ("Great job 🎉! Well 👍🏽 done 👨‍👩‍👧‍👦.", "Great job! Well done."),
            ("Teams 🇩🇪 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿 play", "Teams and play"),
            ("So 1️⃣ one, #️⃣ hash, 1 and # stay", "So one, hash, 1 and # stay"),
            ("I ❤️ it, ⭐⭐⭐ ✔ ✗ ☎️", "I it,"),
            ("❤️‍🔥 ☺ ⏰ ▶️ play", "play."),
            ("Hi😀there 好的👍谢谢", "Hi there 好的谢谢"),
            ("©️ ™️ ® ‼️ ↔️ →", "© ™ ® ‼ →"),
            ("✅ Fast\n✅ Cheap\n🚀 完成", "Fast.\nCheap.\n完成。"),
            ("- ✅ **Fast**\n- ✅ Cheap", "Fast.\nCheap."),
            ("😀 😀\n😀", ""),
            ("🧑🏿‍🚀🫠🪿: new ones", ": new ones."),
        ],
    )
    def test_pictographs_are_dropped(self, text: str, spoken: str) -> None:
        assert speakable(text) == spoken


HOSTILE = {
    "brackets": "[",
    "images": "![",
    "links": "[a](",
    "balanced": "[a](b)",
    "stars": "*",
    "emphasis": "*a **b ",
    "underscores": "_a_",
    "quotes": ">",
    "quoted lines": "> " * 18 + "a\nlazy\nlazy\n",
    "backticks": "`a``",
    "tags": "a<b1>",
    "open tags": "<a b=",
    "comments": "<!--",
    "struck": "~~a ",
    "footnotes": "[^a",
    "definitions": "[a]: b\n",
    "items": "- a\n",
    "nested items": "- " * 15 + "a\n",
    "numbers": "1. a\n",
    "emoji": "😀 ",
    "addresses": "http://a.b/(",
    "bold lines": "**a**\n",
    "filled up table": "|" + "a|" * 40 + "\n|" + "-|" * 40 + "\n" + "x\n" * 200 + "\n",
    "wide table": "|" + "a|" * 250 + "\n|" + "-|" * 250 + "\n" + "x\n" * 250 + "\n",
    "blanks": " ",
    "fences": "```md\n",
}


class TestAdversarialText:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_adversarial_text_takes_bounded_time(self, name: str) -> None:
        text = (HOSTILE[name] * 50_000)[:50_000]
        began = time.perf_counter()
        speakable(text)
        assert time.perf_counter() - began < 15

    def test_long_table_takes_bounded_time(self) -> None:
        spoken = speakable("|a|b|\n|-|-|\n" + "|1|2|\n" * 1000)
        assert spoken == "\n".join(["a: 1, b: 2."] * 1000)

    def test_long_response_takes_bounded_time(self) -> None:
        table = "| a | b |\n|--|--|\n| 1 | 2 |"
        part = f"## Title\n\nText with **bold** and a [link](https://a.b).\n\n1. x\n2. y\n\n{table}\n\n"
        spoken = speakable(part * 400)
        assert spoken.count("Text with bold and a link.") == spoken.count("a: 1, b: 2.") == 400

    @pytest.mark.parametrize("nested", ["> ", "- ", "1. ", "> - "])
    def test_deeply_nested_blocks_are_dropped(self, nested: str) -> None:
        assert speakable(nested * 2 + "a").endswith(("a", "a."))
        assert "a" not in speakable(nested * 5000 + "a")

    @pytest.mark.parametrize("opening", ["![", "[", "*a ", "**a "])
    @pytest.mark.parametrize("depth", [50, 300, 3000])
    def test_deeply_nested_inline_marks(self, opening: str, depth: int) -> None:
        closing = "](b)" if "[" in opening else opening.split("a")[0]
        assert "x" in speakable(opening * depth + "x" + closing * depth)
