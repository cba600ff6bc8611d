"""The country codes of ISO 3166-1 alpha-2, as officially assigned (249 of them, unchanged since 2011)."""

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_CODES.split())
OFTEN_MEANT = {"UK": "GB", "EN": "GB", "EL": "GR", "SU": "RU", "JA": "JP", "KO": "KR", "CS": "CZ", "DA": "DK"}
"""What people write, and the code that they mean."""


def check_country(code: str) -> str:
    """Give a code in upper case, or raise ValueError."""
    upper = code.strip().upper()
    if upper in COUNTRIES:
        return upper
    meant = OFTEN_MEANT.get(upper)
    hint = f"; did you mean {meant}?" if meant else ""
    msg = f"{code[:20]!r} is no country code of ISO 3166-1 (two letters, such as US, GB or JP){hint}"
    raise ValueError(msg)
