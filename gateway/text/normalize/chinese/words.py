"""Chinese words for units, currencies and signs, and their Traditional spelling."""

from __future__ import annotations

import re

from gateway.text.normalize.cjk import pairs

UNITS = pairs(
    """
    km:公里 m:米 dm:分米 cm:厘米 mm:毫米 μm:微米 µm:微米 nm:纳米 ㎞:公里 ㎝:厘米 ㎜:毫米 ㎛:微米 ㎚:纳米
    mi:英里 ft:英尺 inch:英寸 ″:英寸 kg:千克 KG:千克 Kg:千克 g:克 mg:毫克 μg:微克 µg:微克 t:吨 lb:磅 lbs:磅
    oz:盎司 ㎏:千克 ㎎:毫克 L:升 l:升 mL:毫升 ml:毫升 ML:毫升 dL:分升 μL:微升 cc:毫升 ㎖:毫升 ℓ:升 ㏄:毫升
    m²:平方米 m2:平方米 ㎡:平方米 km²:平方公里 km2:平方公里 ㎢:平方公里 cm²:平方厘米 cm2:平方厘米 m³:立方米
    m3:立方米 ㎥:立方米 cm³:立方厘米 cm3:立方厘米 hm²:公顷 ha:公顷 h:小时 hr:小时 hrs:小时 min:分钟 mins:分钟
    s:秒 sec:秒 ms:毫秒 μs:微秒 ns:纳秒 Hz:赫兹 kHz:千赫兹 KHz:千赫兹 MHz:兆赫兹 GHz:吉赫兹 THz:太赫兹 W:瓦
    kW:千瓦 KW:千瓦 MW:兆瓦 GW:吉瓦 mW:毫瓦 kWh:千瓦时 kW·h:千瓦时 Wh:瓦时 MWh:兆瓦时 V:伏 kV:千伏 mV:毫伏 A:安
    mA:毫安 mAh:毫安时 Ah:安时 Ω:欧姆 kΩ:千欧 MΩ:兆欧 μF:微法 kN:千牛 N·m:牛米 Pa:帕 hPa:百帕 kPa:千帕
    MPa:兆帕 bar:巴 mmHg:毫米汞柱 kJ:千焦 MJ:兆焦 cal:卡 kcal:千卡 dB:分贝 lx:勒克斯 lm:流明 mol:摩尔
    mmol:毫摩尔 px:像素 fps:帧 rpm:转 KB kB:KB MB GB TB PB Mb Gb Kbps kbps:Kbps Mbps Gbps bit:比特 dpi:DPI
    ppm:PPM ppi:PPI ℃:摄氏度 °C:摄氏度 ºC:摄氏度 °c:摄氏度 ℉:华氏度 °F:华氏度 °:度 º:度
    """
)
"""Units after a number. Sizes of files stay letters, as people say them."""

PER = pairs(
    """
    h:小时 hr:小时 H:小时 s:秒 min:分钟 d:天 day:天 m:米 km:公里 kg:千克 g:克 mg:毫克 L:升 l:升 mL:毫升 ml:毫升
    dL:分升 m²:平方米 m2:平方米 ㎡:平方米 m³:立方米 m3:立方米 ㎥:立方米 cm²:平方厘米 cm³:立方厘米 month:月
    year:年 kWh t:吨 月 年 天 日 周 週 人 次 个 個 小时 小時 分钟 分鐘 分 秒 晚 位 斤 公斤 千克 克 吨 噸 件 张
    張 本 瓶 杯 份 盒 箱 袋 套 台 臺 辆 輛 只 間 间 米 公里 平米 平方米 平方公里 升 毫升 度 千瓦时 股 期 季 季度
    学期 學期 节 節 课时 人次 条 條 场 場 页 頁 票 单 單 亩 畝 晚上 颗 顆
    """
)
"""Units after a slash."""

PREFIXES = pairs(
    """
    ¥:元 ￥:元 RMB:元 CNY:元 CN¥:元 人民币¥:元 JP¥:日元 JPY:日元 $:美元 ＄:美元 US$:美元 USD:美元 HK$:港元
    HKD:港元 NT$:新台币 NTD:新台币 TWD:新台币 MOP$:澳门元 A$:澳元 AU$:澳元 AUD:澳元 C$:加元 CA$:加元 CAD:加元
    S$:新加坡元 SGD:新加坡元 NZ$:新西兰元 R$:雷亚尔 €:欧元 EUR:欧元 £:英镑 ￡:英镑 GBP:英镑 ₩:韩元 ￦:韩元
    KRW:韩元 ₽:卢布 RUB:卢布 ₹:卢比 INR:卢比 ฿:泰铢 THB:泰铢 ₫:越南盾 VND:越南盾 ₺:里拉 ₴:格里夫纳 ₪:谢克尔
    ₱:比索 RM:林吉特 CHF:瑞士法郎 ₿:比特币 BTC:比特币 ETH:以太币 ¢:美分
    """
)
"""Currencies before or after an amount."""

GREEK = pairs(
    """
    α:阿尔法 β:贝塔 γ:伽马 δ:德尔塔 ε:艾普西隆 ζ:泽塔 η:伊塔 θ:西塔 ι:约塔 κ:卡帕 λ:兰姆达 μ:缪
    ν:纽 ξ:克西 ο:奥密克戎 π:派 ρ:柔 σ:西格马 τ:陶 υ:宇普西隆 φ:斐 χ:希 ψ:普西 ω:欧米伽
    """
)

MATH = pairs(
    """
    +:加 ＋:加 =:等于 ＝:等于 ×:乘 ÷:除以 ±:正负 ≥:大于等于 ≧:大于等于 ⩾:大于等于 ≤:小于等于 ≦:小于等于
    ⩽:小于等于 ≠:不等于 ≈:约等于 ≒:约等于 ≡:恒等于 >:大于 ＞:大于 <:小于 ＜:小于 √:根号 ∛:立方根 ∞:无穷大
    ∑:求和 ∏:求积 ∫:积分 ∂:偏 ∈:属于 ∉:不属于 ⊂:包含于 ∪:并 ∩:交 ∅:空集 ∝:正比于 ∠:角 ⊥:垂直于
    ∥:平行于 ∵:因为 ∴:所以 ¬:非 ∧:且 ∨:或 ∀:任意 ∃:存在 −:减 －:减 →:到 ⇒:推出 ⟶:到 ➜:到 ➔:到 ∆:德尔塔
    △:三角形 ⋅:乘
    """
)
"""Signs of mathematics."""

SIGNS = (
    MATH
    | pairs(
        """
    %:百分号 ％:百分号 ‰:千分号 &:和 ＆:和 @:艾特 ＠:艾特 #:井号 ＃:井号 $:美元 ＄:美元 ¥:元 ￥:元 €:欧元
    £:英镑 ￡:英镑 ₩:韩元 ₽:卢布 ₹:卢比 ¢:美分 §:节 ¶:段 ©:版权所有 №:编号 ℃:摄氏度 ℉:华氏度 °:度 º:度
    ㎡:平方米 \\:反斜杠 ＼:反斜杠 ○:某 ◯:某 ♯:升 ♭:降 〇:零 Ω:欧姆 µ:微 ²:的平方 ³:的立方 ⁴:的四次方
    ⁵:的五次方 ⁶:的六次方 ⁷:的七次方 ⁸:的八次方 ⁹:的九次方
    """
    )
    | dict.fromkeys("/／|｜", "，")
    | dict.fromkeys("*＊~～^`★☆®™¹", "")
)
"""Signs that no rule claims; an empty word: the sign is not spoken."""

_TO_TRADITIONAL = str.maketrans(
    "个为亚亿兰兹减华单卢号奥学尔属币帧张恒摄无时权条欧泽积约纳纽编缪节谢贝负转达钟铢镑门韩页马两点万于双线东盾话题杠岁对会",
    "個為亞億蘭茲減華單盧號奧學爾屬幣幀張恆攝無時權條歐澤積約納紐編繆節謝貝負轉達鐘銖鎊門韓頁馬兩點萬於雙線東盾話題槓歲對會",
)
_HAN = re.compile("[\u4e00-\u9fff]")
_NEIGHBORHOOD = 40  # characters


def in_script_of(text: str, start: int, end: int, words: str) -> str:
    """Words in the Traditional or Simplified characters of the text around ``text[start:end]``."""
    traditional = words.translate(_TO_TRADITIONAL)
    if traditional == words:
        return words
    return traditional if is_traditional(text[max(0, start - _NEIGHBORHOOD) : end + _NEIGHBORHOOD]) else words


def is_traditional(text: str) -> bool:
    """Whether more characters of a text are in the standard of Traditional Chinese than in that of Simplified."""
    han = "".join(_HAN.findall(text))
    return len(han.encode("gb2312", "ignore")) < len(han.encode("big5", "ignore"))
