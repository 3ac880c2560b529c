"""ODK Collect's encryption, by the Java writer beside Collect's engine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyxform.validators.odk_validate as odk_validate

from forms.instance import Instance
from server.demo.collect import Finalised, TabletFile


def encrypt(folder: Path, clear: Finalised, instance: Instance, xform: bytes) -> Finalised:
    """Return what the app sends of an interview of an encrypted form: a manifest, and every file as ciphertext."""
    (key,) = re.findall(rb'base64RsaPublicKey="([^"]*)"', xform)
    given, made = folder / "given", folder / "made"
    given.mkdir(parents=True)
    for name, content in (("instance.xml", clear.xml), *((file.name, file.content) for file in clear.files)):
        (given / name).write_bytes(content)
    classes = sys.modules["collect_engine"].classes()
    path = f"{odk_validate.ODK_VALIDATE_PATH}{os.pathsep}{classes}"
    command = ("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", path, "CollectEncrypt", key.decode())
    identity = (instance.form_id, instance.version, str(instance.instance_id))
    files = [str(given / file.name) for file in clear.files]
    subprocess.run([*command, *identity, str(given / "instance.xml"), str(made), *files], check=True, timeout=60)
    sealed = [TabletFile(file.name, file.read_bytes()) for file in made.iterdir() if file.name != "submission.xml"]
    return Finalised("submission.xml", (made / "submission.xml").read_bytes(), tuple(sealed))
