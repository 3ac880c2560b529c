"""A scripted ODK Collect: what the app sends to an OpenRosa server, request by request, as its v2026.3 does.

Form list, manifests, forms and their files; for each finalised form one HEAD and as many multipart POSTs as its files
need. Like the app it takes 201 and 202 alone for success, puts ``deviceID`` on every request, writes its Date header
with a clock of twelve hours, answers a challenge with Digest, and with Basic over TLS only. Where the app looks less
closely than a test should, this one looks: the MD5 of every download is compared with the server's word.
"""

from server.demo.collect.app import ScriptedCollect
from server.demo.collect.connection import CollectError
from server.demo.collect.faults import AppKilled, Fault
from server.demo.collect.reading import ListedForm, ListedMedium
from server.demo.collect.settings import Settings
from server.demo.collect.tablet import Finalised, Status, Tablet, TabletFile

__all__ = [
    "AppKilled",
    "CollectError",
    "Fault",
    "Finalised",
    "ListedForm",
    "ListedMedium",
    "ScriptedCollect",
    "Settings",
    "Status",
    "Tablet",
    "TabletFile",
]
