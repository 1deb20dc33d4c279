"""Words of two syllables, the second with neutral tone.

The selection is that of PaddleSpeech's front end (Apache-2.0), with which Fish-Speech 0.2 was trained.
"""

from __future__ import annotations

# A second character, followed by the first characters it combines with.
_BY_SECOND = """
头骨上丫前后对念拳指木枕浪甜石码罐老舌苗跟里锄馒 气丧力客小志福秀脾运阔 家东亲人冤娘婆 么什多怎这那 夫丈功大姐工
实壮扎结老踏 巴下哑嘴尾眨 糊含模烂糨迷 事差干故本 人丈大媒爱 快凉勤爽痛 爷大姥少老 腾倒扑折翻 识意知见认
匠木石铁 和暖温软 在不实自 帚扫炊笤 当妥稳行 息休出消 意主大生 方地大比 服佩舒衣 活养忙快 生先学畜 道厚地门
量商思打 个这那 乎在玄 亮月漂 亲母父 伙家小 候时火 发头打 口两牲 号字记 司上官 同合胡 呼招称 唤使叫
嗦哆罗 坊作街 堂名弄 士护道 妇媳寡 害利厉 思心意 性悟记 情事交 才奴秀 火柴红 璃玻琉 疾疟痢 碜寒牙 算打盘
缝眯裁 罕希稀 袋口脑 计伙算 辑编逻 饼月烧
"""
# Complete words, two characters each.
_SINGLE = """
一辈下水不由世故东西买卖云彩亲戚介绍似的位置体面便宜兄弟关系冒失冤枉冷战凑合凤凰分析利索利落别扭刺激刺猬动弹动静匀称包涵
包袱千斤吆喝吉他名字吓唬告示告诉和尚咕噜咖喱咳嗽哈欠唾沫喇叭喇嘛喉咙喜欢喽啰嘀咕嘟囔嘱咐困难外甥多少太阳女婿妖精妯娌姑娘
委屈嫁妆学问对付将就屁股岁数巴掌巴结师傅师父帐篷帮手幸福庄稼应酬开通弟兄张罗得罪念叨怪物情形惦记懒得戒指扁担打听打扮打点
扫把报复抬举拖沓招牌拨弄拾掇指甲挑剔挖苦提防收成收拾新鲜明白朋友机灵枇杷架势栅栏核桃棉花棒槌棺材槟榔欺负正经泥鳅活泼清楚
溜达滑溜灯笼点心烟筒热闹照顾熟悉牌楼牢骚特务状元狐狸玫瑰琢磨琵琶甘蔗疏忽疙瘩白净盘缠相声眉毛眼睛石榴砚台祖宗秧歌窗户窝囊
窟窿笑话笑语答应算盘篱笆簸箕粮食精神糊涂糟蹋累赘老太老婆耳朵耷拉耽搁耽误聪明胡琴胡萝胭脂胳膊能耐脊梁膏药舒坦芝麻苍蝇苗条
荒唐荸荠菩萨萝卜葡萄葫芦薄荷蘑菇蚂蚱蛤蟆蜡烛行李衙门衣裳补丁规矩计划讲究豆腐财主费用趔趄跳蚤转悠过去连累造化邋遢部分里脊
钥匙铃铛铺盖闺女队伍难为风筝馄饨首饰马虎骆驼高粱鸳鸯麻利麻烦
"""


def _words() -> frozenset[str]:
    single = "".join(_SINGLE.split())
    pairs = {first + group[0] for group in _BY_SECOND.split() for first in group[1:]}
    return frozenset(pairs | {single[start : start + 2] for start in range(0, len(single), 2)})


NEUTRAL_WORDS = _words()
"""Words whose second syllable has neutral tone, alone or at the end of longer words."""

STRONG_WORDS = frozenset(("人人", "虎虎", *(char + "子" for char in "男女分原量莲石瓜电")))
"""Exceptions to the rules for 子 and for doubled syllables: words that keep their tones."""
