"""``passerelle entity``: what a manager does with lists at the command line."""

from pathlib import Path

from server.db.engine import Database
from server.db.queries import audit
from tests.server.cli.conftest import Shell


def test_a_list_is_made_filled_changed_and_written_out(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "villages.csv"
    file.write_text("label;district\nTiel;North\nGor;South\n", encoding="utf-8")
    shell.succeeds("entity", "create-list", "villages", "--property", "district")
    assert shell.json("entity", "import", "villages", str(file))["created"] == 2
    assert shell.json("entity", "import", "villages", str(file)) == {
        "created": 0, "updated": 0, "unchanged": 2, "decisions": 0,
    }  # fmt: skip
    found = {one["label"]: one["id"] for one in shell.json("entity", "show", "villages")}
    shell.succeeds("entity", "update", "villages", found["Gor"], "--set", "district=East", "--label", "Gor II")
    shell.succeeds("entity", "delete", "villages", found["Tiel"])
    assert shell.json("entity", "show", "villages", found["Gor"])["properties"] == {"district": "East"}
    (listed,) = shell.json("entity", "list")
    assert (listed["entities"]["live"], listed["entities"]["deleted"]) == (1, 1)
    shell.succeeds("entity", "delete", "villages", found["Tiel"], "--restore")
    shell.succeeds("entity", "set-list", "villages", "--needs-approval", "--assign", "district", "--to", "team")
    out = tmp_path / "out.csv"
    shell.succeeds("entity", "export", "villages", str(out))
    assert out.stat().st_mode & 0o777 == 0o600
    head, *rows = out.read_text(encoding="utf-8").splitlines()
    assert head == "name,label,__version,district"
    assert {row.split(",")[1] for row in rows} == {"Gor II", "Tiel"}
    assert "Gor II" in shell.succeeds("entity", "show", "villages")
    assert "villages" in shell.succeeds("entity", "list")


def test_who_looks_at_entities_is_written_down(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "villages.csv"
    file.write_text("label\nTiel\n", encoding="utf-8")
    shell.succeeds("entity", "create-list", "villages")
    shell.succeeds("entity", "import", "villages", str(file))
    (tiel,) = shell.json("entity", "show", "villages")
    shell.succeeds("entity", "show", "villages", tiel["id"])
    shell.succeeds("entity", "export", "villages", str(tmp_path / "out.csv"))
    with Database(f"sqlite:///{shell.data / 'passerelle.db'}").read() as session:
        looks = [one for one in audit.latest(session) if one.action == "read-entities"]
    assert [(one.subject, one.detail) for one in reversed(looks)] == [
        ("1/villages", ""), ("1/villages", tiel["id"]), ("1/villages", "export"),
    ]  # fmt: skip


def test_what_is_wrong_is_said_with_its_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "villages.csv"
    shell.succeeds("entity", "create-list", "villages")
    for content, said in (
        ("label\nTiel,x\n", "more cells than columns"),
        ("district\nNorth\n", "no column label"),
        ("label,label\na,b\n", "is there twice"),
        ("label,name\nTiel,17\n", "line 2: the id is no version 4 UUID"),
        ("label,a b\nTiel,1\n", "no property can be called a b"),
    ):
        file.write_text(content, encoding="utf-8")
        result = shell.run("entity", "import", "villages", str(file))
        assert result.exit_code == 1
        assert said in result.output + result.stderr, content
    assert "no entity list towns" in shell.refuses("entity", "show", "towns")
    assert "version 4 UUID" in shell.refuses("entity", "delete", "villages", "17")
