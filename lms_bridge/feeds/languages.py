"""Codes of languages: two letters (ISO 639-1) to three (ISO 639-3)."""

from __future__ import annotations

UNKNOWN = "und"
"""Undetermined, by ISO 639-2."""

_PAIRS = (
    "aa:aar af:afr ak:aka am:amh ar:ara as:asm ay:aym az:aze ba:bak be:bel bg:bul bi:bis "
    "bm:bam bn:ben bo:bod bs:bos ca:cat ch:cha cs:ces cy:cym da:dan de:deu dv:div dz:dzo "
    "ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao "
    "fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj ha:hau he:heb hi:hin ho:hmo hr:hrv "
    "ht:hat hu:hun hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kg:kon ki:kik "
    "kk:kaz kl:kal km:khm kn:kan ko:kor ku:kur ky:kir la:lat lb:ltz lg:lug ln:lin lo:lao "
    "lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt "
    "my:mya na:nau nb:nob nd:nde ne:nep nl:nld nn:nno no:nor nr:nbl ny:nya om:orm or:ori "
    "pa:pan pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin sd:snd sg:sag "
    "si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe "
    "sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso "
    "tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie wo:wol xh:xho yi:yid "
    "yo:yor za:zha zh:zho zu:zul "
)
_THREE = dict(pair.split(":") for pair in _PAIRS.split())


def three_letters(tag: str) -> str:
    """The three letters of a language tag such as ``fr`` or ``pt-BR``; ``und`` where unknown."""
    language = tag.lower().partition("-")[0]
    if language in _THREE:
        return _THREE[language]
    return language if len(language) == 3 and language.isascii() and language.isalpha() else UNKNOWN


def two_letters(code: str) -> str:
    """The inverse of ``three_letters``; a code without two letters stays as it is."""
    return next((short for short, long in _THREE.items() if long == code), code)
