"""Small forms written out, for one behaviour each."""

from xml.sax.saxutils import quoteattr

HEAD = (
    '<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml" '
    'xmlns:jr="http://openrosa.org/javarosa" xmlns:p="https://passerelle.example/xforms" '
    'xmlns:orx="http://openrosa.org/xforms"><h:head><h:title>Small</h:title><model>'
)


def form(*, instance: str, binds: str = "", body: str = "", more: str = "", form_id: str = "small") -> bytes:
    """Return an XForm with the given children of its main instance."""
    main = f'<instance><data id="{form_id}" version="1">{instance}</data></instance>'
    return f"{HEAD}{main}{more}{binds}</model></h:head><h:body>{body}</h:body></h:html>".encode()


def bind(path: str, kind: str = "string", **rules: str) -> str:
    """Return a bind; rules by name, ``pii`` in its namespace."""
    written = "".join(f" {'p:pii' if name == 'pii' else name}={quoteattr(rule)}" for name, rule in rules.items())
    return f'<bind nodeset="{path}" type="{kind}"{written}/>'


def ask(path: str, label: str = "?") -> str:
    """Return an input."""
    return f'<input ref="{path}"><label>{label}</label></input>'


LIST = (
    '<instance id="l"><root><item><name>a</name><lab>A</lab><n>1</n></item>'
    "<item><name>b</name><lab>B</lab><n>2</n></item></root></instance>"
)
ROWS = "".join(f"<r><v>{v}</v><w>{w}</w><n/><me/></r>" for v, w in ((1, "a"), (2, "b"), (3.5, "c")))
PROBE_INSTANCE = (
    "<s>abc</s><i>7</i><d>2.5</d><big>100000000</big><dt>2026-11-20</dt>"
    "<dtt>2026-11-20T10:30:00.000+00:00</dtt><e/><ei/>"
    "<ed/><m>a b c</m><irr>5</irr><tm>10:30:00.000+00:00</tm><gp>14.6 -17.4 10.0 5.0</gp>"
    f'<r jr:template=""><v/><w/><n/><me/></r>{ROWS}'
)
PROBE_TYPES = {
    "s": "string",
    "i": "int",
    "d": "decimal",
    "big": "decimal",
    "dt": "date",
    "dtt": "dateTime",
    "tm": "time",
    "ei": "int",
    "ed": "date",
    "r/v": "decimal",
}
PROBE_BODY = ask("/data/s") + '<group><repeat nodeset="/data/r">' + ask("/data/r/v") + "</repeat></group>"


def probe(*, expressions: list[str], in_rows: str | None = None, kind: str = "string") -> bytes:
    """Return a form that calculates each expression into /data/x0, /data/x1 …, or one into each row."""
    binds = "".join(bind(f"/data/{name}", its_kind) for name, its_kind in PROBE_TYPES.items())
    binds += bind("/data/irr", "int", relevant="false()")
    binds += "".join(bind(f"/data/x{place}", kind, calculate=text) for place, text in enumerate(expressions))
    if in_rows is not None:
        binds += bind("/data/r/n", kind, calculate=in_rows)
    instance = PROBE_INSTANCE + "".join(f"<x{place}/>" for place in range(len(expressions)))
    return form(instance=instance, binds=binds, body=PROBE_BODY, more=LIST, form_id="t")
