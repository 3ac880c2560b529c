"""The life of a form version: from a manager's file to every tablet, and out of use.

`prepare` reads and converts, `examine` compares with what was published before; both take their time outside the
transaction in which `publish` stores. What is published is stored once and served for ever: a version's bytes, and with
them its MD5 and SHA-256, never change. `approve`, `change_state` and `set_policy` are what people decide afterwards.
"""

from server.services.publish_form.approving import approve, refuse_lone_hand, set_policy
from server.services.publish_form.changing import change_state
from server.services.publish_form.examining import Examined, examine
from server.services.publish_form.preparing import XFORM_BYTES, Prepared, encrypted, prepare
from server.services.publish_form.states import TRANSITIONS, Transition
from server.services.publish_form.storing import PublishedVersion, publish, publish_form

__all__ = [
    "TRANSITIONS",
    "XFORM_BYTES",
    "Examined",
    "Prepared",
    "PublishedVersion",
    "Transition",
    "approve",
    "change_state",
    "encrypted",
    "examine",
    "prepare",
    "publish",
    "publish_form",
    "refuse_lone_hand",
    "set_policy",
]
