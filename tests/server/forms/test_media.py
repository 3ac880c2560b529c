"""The files of a form: part of its version, named by hash, given to tablets by both doors."""

import hashlib
import io
import zipfile

import pytest
from flask.testing import FlaskClient
from lxml import etree
from sqlalchemy import func, select

from forms.package import Medium
from server.context import Context
from server.db.tables import FormMediumContent, FormVersion
from server.errors import FormVersionExists, WorkbookInvalid
from server.services import publish_form
from sync_protocol import signatures
from tests.office import MULTIPART, NOW, Tablet, bearer, multipart

MANIFEST = "{http://openrosa.org/xforms/xformsManifest}"
LIST = "{http://openrosa.org/xforms/xformsList}"
VILLAGES = "name,label\n1,Bàmako & Kati\n".encode()
PICTURE = b"\x89PNG\r\n\x1a\nnot much of a picture"


def workbook(version: str = "1", form_id: str = "visit") -> bytes:
    return f"""
| survey |
| | type | name | label | media::image |
| | select_one_from_file villages.csv | village | Which village? | ici là.png |
| | text | who | Who? | |
| settings |
| | form_id | version | form_title |
| | {form_id} | {version} | Visit |
""".encode()


MEDIA = (Medium(name="villages.csv", content=VILLAGES), Medium(name="ici là.png", content=PICTURE))


def publish(
    context: Context, *, form_id: str = "visit", media: tuple[Medium, ...] = MEDIA
) -> publish_form.PublishedVersion:
    prepared = publish_form.prepare(workbook(form_id=form_id), "visit.md", media=media)
    with context.database.transaction() as session:
        return publish_form.publish(session, prepared, note="", user="amina", now=NOW)


def codes(refused: pytest.ExceptionInfo[WorkbookInvalid]) -> set[str]:
    return {finding["code"] for finding in refused.value.members["findings"] if finding["severity"] == "error"}


def test_the_manifest_names_every_file_and_the_package_by_hash(client: FlaskClient, context: Context) -> None:
    published = publish(context)
    headers = bearer(context, "manager")
    response = client.get("/api/v1/forms/visit/versions/1/manifest", headers=headers)
    told = response.get_json()
    assert [(medium["name"], medium["bytes"], medium["media_type"]) for medium in told["media"]] == [
        ("ici là.png", len(PICTURE), "image/png"),
        ("villages.csv", len(VILLAGES), "text/csv"),
    ]
    assert told["media"][1]["sha256"] == hashlib.sha256(VILLAGES).hexdigest()
    assert told["package_hash"] == published.package_hash.hex()
    assert told["xform"]["sha256"] == published.hash.hex()
    again = client.get(
        "/api/v1/forms/visit/versions/1/manifest", headers={**headers, "If-None-Match": response.headers["ETag"]}
    )
    assert again.status_code == 304
    download = client.get("/api/v1/forms/visit/versions/1/media/ici là.png", headers=headers)
    assert (download.data, download.mimetype) == (PICTURE, "image/png")
    assert download.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert download.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/api/v1/forms/visit/versions/1/media/other.png", headers=headers).status_code == 404


def test_the_same_bytes_are_stored_once(context: Context) -> None:
    publish(context)
    publish(context, form_id="another")
    with context.database.read() as session:
        contents = select(func.count()).select_from(FormMediumContent)
        dictionaries = select(FormVersion.dictionary_hash)
        assert session.scalar(contents.where(FormMediumContent.sha256.not_in(dictionaries))) == len(MEDIA)


def test_another_file_under_the_same_version_is_another_content(context: Context) -> None:
    publish(context)
    assert not publish(context).is_new
    with pytest.raises(FormVersionExists, match="raise the version"):
        publish(context, media=(MEDIA[0], Medium(name="ici là.png", content=b"another picture")))


def test_collect_gets_a_manifest_whose_hashes_are_those_of_the_downloads(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    listed = client.get(f"/key/{app_token}/formList?deviceID=x")
    url = etree.fromstring(listed.data).findtext(f"{LIST}xform/{LIST}manifestUrl")
    assert url is not None
    response = client.get(f"{url}?deviceID=x")
    assert (response.status_code, response.headers["X-OpenRosa-Version"]) == (200, "1.0")
    assert "text/xml" in response.headers["Content-Type"]
    assert client.get(url, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    files = [
        {child.tag.removeprefix(MANIFEST): child.text or "" for child in file}
        for file in etree.fromstring(response.data)
    ]
    assert [file["filename"] for file in files] == ["ici là.png", "villages.csv"]
    for file in files:
        assert f"/key/{app_token}/" in file["downloadUrl"]
        download = client.get(f"{file['downloadUrl']}?deviceID=x")
        assert "md5:" + hashlib.md5(download.data, usedforsecurity=False).hexdigest() == file["hash"]
        again = client.get(file["downloadUrl"], headers={"If-None-Match": download.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_a_form_without_files_has_no_manifest_to_ask_for(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context, media=())
    assert b"manifestUrl" not in client.get(f"/key/{app_token}/formList").data


def test_a_device_fetches_a_file_by_its_hash(context: Context, client: FlaskClient) -> None:
    publish(context)
    tablet = Tablet(context, client).enrol()
    path = f"/sync/v1/blobs/{hashlib.sha256(VILLAGES).hexdigest()}"
    headers = signatures.sign_request("GET", path, b"", device_id=tablet.device_id, key=tablet.key)
    assert client.get(path, headers=headers).data == VILLAGES
    other = f"/sync/v1/blobs/{'0' * 64}"
    headers = signatures.sign_request("GET", other, b"", device_id=tablet.device_id, key=tablet.key)
    assert client.get(other, headers=headers).status_code == 404


def test_a_file_that_is_missing_is_a_warning_and_one_that_nobody_asks_for_a_note() -> None:
    media = (MEDIA[0], Medium(name="map.png", content=PICTURE))
    findings = publish_form.prepare(workbook(), "visit.md", media=media).findings
    assert [(one.code, one.severity) for one in findings if one.code.startswith("media-")] == [
        ("media-missing", "warning"),
        ("media-unused", "note"),
    ]
    assert "ici là.png" in findings[0].message("fr")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("../a.png",), "media-name"),
        (("a/b.png",), "media-name"),
        (("a\\b.png",), "media-name"),
        (("a\n.png",), "media-name"),
        (("",), "media-name"),
        (("x" * 300 + ".png",), "media-name"),
        (("a.exe",), "media-type"),
        (("a.png", "A.PNG"), "media-name-twice"),
        (("é.png", "e\u0301.png"), "media-name-twice"),
    ],
)
def test_names_that_no_tablet_could_store_are_refused(names: tuple[str, ...], code: str) -> None:
    media = [Medium(name=name, content=b"x") for name in names]
    with pytest.raises(WorkbookInvalid) as refused:
        publish_form.prepare(workbook(), "visit.md", media=media)
    assert codes(refused) == {code}


def test_a_file_or_a_package_that_is_too_large_is_refused_with_what_is_wrong_with_the_workbook() -> None:
    media = [Medium(name="a.png", content=bytes((10 << 20) + 1))]
    with pytest.raises(WorkbookInvalid) as refused:
        publish_form.prepare(workbook().replace(b"text", b"tixt"), "visit.md", media=media)
    assert "media-too-large" in codes(refused)
    assert len(codes(refused)) > 1
    media = [Medium(name=f"{number}.png", content=bytes(10 << 20)) for number in range(6)]
    with pytest.raises(WorkbookInvalid) as refused:
        publish_form.prepare(workbook(), "visit.md", media=media)
    assert "package-too-large" in codes(refused)


def packed(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def test_a_package_is_the_same_as_its_files_given_one_by_one() -> None:
    content = packed(
        {"visit.md": workbook(), "media/villages.csv": VILLAGES, "media/ici là.png": PICTURE, "__MACOSX/._x": b"x"}
    )
    prepared = publish_form.prepare(content, "visit.zip")
    assert prepared.filename == "visit.md"
    assert prepared.package_hash == publish_form.prepare(workbook(), "visit.md", media=MEDIA).package_hash


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04 torn", "not-a-package"),
        (packed({"a.png": b"x"}), "package-workbooks"),
        (packed({"a.md": b"x", "b.md": b"x"}), "package-workbooks"),
        (packed({"a.md": b"x", "b.png": bytes(70 << 20)}), "package-too-large"),
    ],
)
def test_a_package_that_is_none_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(WorkbookInvalid) as refused:
        publish_form.prepare(content, "visit.zip")
    assert code in codes(refused)


def test_files_come_with_the_workbook_in_one_request(client: FlaskClient, context: Context) -> None:
    parts = [('name="workbook"; filename="visit.md"', workbook())]
    parts += [(f'name="media"; filename="{medium.name}"', medium.content) for medium in MEDIA]
    headers = {**bearer(context, "manager"), "Content-Type": MULTIPART}
    response = client.post("/api/v1/forms/visit/versions", data=multipart(parts), headers=headers)
    assert response.status_code == 201, response.get_data()
    prepared = publish_form.prepare(workbook(), "visit.md", media=MEDIA)
    assert response.get_json()["package_hash"] == prepared.package_hash.hex()
