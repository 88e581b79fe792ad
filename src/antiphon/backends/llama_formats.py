"""Grammar rules for the formats of JSON Schema strings."""

_TWO_DIGITS_TO_59 = "[0-5] [0-9]"
_DATE = (
    '("19" | "20") [0-9] [0-9] "-" ('
    '("01" | "03" | "05" | "07" | "08" | "10" | "12") "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("04" | "06" | "09" | "11") "-" ("0" [1-9] | [12] [0-9] | "30")'
    ' | "02" "-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
_TIME = f'([01] [0-9] | "2" [0-3]) ":" {_TWO_DIGITS_TO_59} ":" {_TWO_DIGITS_TO_59} "Z"'
_BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])'
_LABEL = "[a-z0-9] [a-z0-9]{0,20}"
_HOST = f'({_LABEL} "."){{1,3}} [a-z]{{2,6}}'
_FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "uuid": '[0-9a-f]{8} ("-" [0-9a-f]{4}){3} "-" [0-9a-f]{12}',
    "email": f'[A-Za-z0-9] [A-Za-z0-9_]{{0,20}} ("." [A-Za-z0-9]{{1,20}}){{0,2}} "@" {_HOST}',
    "hostname": _HOST,
    "ipv4": f'{_BYTE} ("." {_BYTE}){{3}}',
    "uri": f'"http" "s"? "://" {_HOST} ("/" [A-Za-z0-9_.-]{{0,40}}){{0,4}}',
}


def format_rule(name: object) -> str | None:
    """Return what a string's inside must be; None for a format that only annotates."""
    return _FORMATS.get(name) if isinstance(name, str) else None
