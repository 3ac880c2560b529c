"""The keys to which ODK Collect encrypts, from the command line."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.server.cli.conftest import Shell
from tests.server.opening.doorway import photo_form


def test_a_managed_key_is_made_listed_and_published_with_a_form(shell: Shell, tmp_path: Path) -> None:
    form = tmp_path / "photos.xml"
    form.write_bytes(photo_form())
    assert "passerelle odk-key create" in shell.refuses("form", "publish", str(form), "--encrypt")
    public_key = shell.json("odk-key", "create")["public_key"]
    (listed,) = shell.json("odk-key", "list")
    assert (listed["public_key"], listed["is_managed"]) == (public_key, True)
    assert "managed" in shell.succeeds("odk-key", "list")
    shell.succeeds("form", "publish", str(form), "--encrypt")
    assert "Unchanged" in shell.succeeds("form", "publish", str(form), "--encrypt")
    assert "raise the version" in shell.refuses("form", "publish", str(form))
    assert shell.succeeds("odk-key", "wipe-plaintext", "--yes").startswith("Wiped 0.")


def test_a_key_of_the_office_is_imported_with_its_passphrase(shell: Shell, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "private.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")))
    refused = shell.run("odk-key", "import", str(file), with_input="wrong\n")
    assert refused.exit_code == 1
    assert "passphrase" in refused.output
    assert "wrong" not in refused.stderr
    shell.succeeds("odk-key", "import", str(file), with_input="open sesame\n")
    shell.succeeds("odk-key", "import", str(file), with_input="open sesame\n")
    (listed,) = shell.json("odk-key", "list")
    assert listed["is_managed"] is False


def test_a_form_without_an_instance_id_is_refused(shell: Shell, tmp_path: Path) -> None:
    form = tmp_path / "bare.xml"
    form.write_bytes(photo_form().replace(b"<instanceID/>", b""))
    shell.succeeds("odk-key", "create", "--bits", "3072")
    assert "instanceID" in shell.run("form", "publish", str(form), "--encrypt").output
