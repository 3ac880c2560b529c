"""A small survey design as frame files: two strata, three drawn units, six drawn households."""

from server.services.import_frame import FrameDocument
from server.services.import_frame.check_digits import with_check_digits
from server.services.import_frame.columns import HEADERS, Kind

FRAME = (
    ",".join(HEADERS["frame"].names)
    + """
011001,011,01,1,100,400,1,2,,,1
011002,011,01,1,120,400,1,2,,,2
011003,011,01,1,180,400,0,,,,
012001,012,01,2,50,50,1,1,,3,
"""
)
LISTING = """psu,listing_class,listed,drawn
011001,1,10,1
011001,2,60,1
011002,1,12,1
011002,2,70,1
012001,2,40,2
"""
KEYS = tuple(
    with_check_digits(number)
    for number in ("011001001", "011001002", "011002001", "011002002", "012001001", "012001002")
)
PLACES = (("011001", 1), ("011001", 2), ("011002", 1), ("011002", 2), ("012001", 2), ("012001", 2))
ENUMERATORS = ("0001", "0002", "0001", "0002", "0001", "0001")
DRAW = "household_key,psu,listing_class,enumerator,head,latitude,longitude,persons\n" + "".join(
    f"{key},{psu},{listing_class},{enumerator},Head {key},-1.5,30.25,4\n"
    for key, (psu, listing_class), enumerator in zip(KEYS, PLACES, ENUMERATORS, strict=True)
)
RATES = "currency;month;lcu_per_unit\nUSD;2026-10;125.0\nUSD;2026-11;125.5\n"
TOTALS = "province,area,households\n01,1,420\n01,2,55\n"
FILES: dict[Kind, str] = {"frame": FRAME, "listing": LISTING, "draw": DRAW, "rates": RATES, "totals": TOTALS}


def documents(**changed: str) -> list[FrameDocument]:
    """Return all five files, some of them changed."""
    texts = FILES | changed
    return [FrameDocument(kind=kind, name=f"{kind}.csv", content=texts[kind].encode()) for kind in FILES]


def document(kind: Kind, text: str) -> FrameDocument:
    """Return one file."""
    return FrameDocument(kind=kind, name=f"{kind}.csv", content=text.encode())
