"""The words of XLSForm: types, columns, settings, parameters, appearances; https://xlsform.org/en/ref-table/.

What the converter takes, spelled as it takes it; a test compares these tables with the converter's own.
"""

from typing import Final

CONTROLS: Final = {
    "group": "group",
    "lgroup": "repeat",
    "repeat": "repeat",
    "loop": "loop",
    "looped group": "repeat",
}
SELECT_ONE: Final = ("add select one prompt using", "select one from", "select1", "select_one", "select one")
SELECT_MULTIPLE: Final = (
    "add select multiple prompt using",
    "select all that apply from",
    "select_multiple",
    "select all that apply",
)
FROM_FILE_ONE: Final = ("select_one_from_file", "select one from file")
FROM_FILE_MULTIPLE: Final = ("select_multiple_from_file", "select multiple from file")
SELECTS: Final = {
    **dict.fromkeys(SELECT_ONE, "select_one"),
    **dict.fromkeys(SELECT_MULTIPLE, "select_multiple"),
    **dict.fromkeys(FROM_FILE_ONE, "select_one_from_file"),
    **dict.fromkeys(FROM_FILE_MULTIPLE, "select_multiple_from_file"),
    "select_one_external": "select_one_external",
    "rank": "rank",
}
TYPE_ALIASES: Final = {
    "imei": "deviceid",
    "image": "photo",
    "add image prompt": "photo",
    "add photo prompt": "photo",
    "add audio prompt": "audio",
    "add video prompt": "video",
    "add file prompt": "file",
}
SETTINGS_AS_TYPES: Final = frozenset({"form_title", "set_form_title", "form_id", "set_form_id", "prefix"})
FILE_TYPES: Final = frozenset({"csv-external", "xml-external"})
LIST_FILE_SUFFIXES: Final = (".csv", ".xml", ".geojson")

NUMBERS: Final = frozenset(
    {
        "integer",
        "int",
        "decimal",
        "range",
        "percentage",
        "add integer prompt",
        "add decimal prompt",
        "q int",
        "q decimal",
    }
)
WHOLE_NUMBERS: Final = frozenset({"integer", "int", "add integer prompt", "q int", "percentage"})
DATES: Final = frozenset({"date", "add date prompt", "q date", "today", "get today"})
TEXTS: Final = frozenset({"text", "string", "add text prompt", "q string"})
NOTES: Final = frozenset({"note", "add note prompt", "q note"})
CALCULATES: Final = frozenset({"calculate", "add calculate prompt", "q calculate", "hidden"})
POINTS: Final = frozenset(
    {"geopoint", "geotrace", "geoshape", "location", "gps", "q geopoint", "q geotrace", "q geoshape", "q location"}
    | {"add location prompt", "start-geopoint", "background-geopoint"}
)
FILES: Final = frozenset({"photo", "audio", "video", "file", "background-audio", "barcode"})
PHONES: Final = frozenset({"phonenumber", "phone number", "get phone number", "email", "username"})
SILENT: Final = frozenset(
    {"start", "end", "today", "deviceid", "audit", "start-geopoint", "background-geopoint", "background-audio"}
    | {"username", "email", "phonenumber", "phone number", "simserial", "subscriberid", "device id", "sim id"}
    | {"subscriber id", "start time", "end time", "hidden", "calculate", "csv-external", "xml-external", "osm"}
    | {"get device id", "get end time", "get phone number", "get sim id", "get start time", "get subscriber id"}
    | {"get today", "add calculate prompt", "q calculate", "imei", "uri:deviceid", "uri:email", "uri:phonenumber"}
    | {"uri:simserial", "uri:subscriberid", "uri:username"}
)
"""What is never shown and so needs no label."""

TYPES: Final = frozenset(
    SILENT
    | NUMBERS
    | DATES
    | TEXTS
    | NOTES
    | CALCULATES
    | POINTS
    | FILES
    | PHONES
    | {"acknowledge", "add acknowledge prompt", "add audio prompt", "add barcode prompt", "add date time prompt"}
    | {"add dateTime prompt", "add file prompt", "add image prompt", "add select multiple prompt using"}
    | {"add select one prompt using", "add video prompt", "date time", "dateTime", "datetime", "image"}
    | {"number of days in last month", "number of days in last six months", "number of days in last year"}
    | {"q acknowledge", "q audio", "q barcode", "q date time", "q dateTime", "q image", "q picture", "q select"}
    | {"q select1", "q video", "rank", "select all that apply", "select all that apply from", "select multiple from"}
    | {"select multiple using", "select one", "select one external", "select one using", "time", "trigger"}
)
USUAL_TYPES: Final = frozenset(
    {"text", "integer", "decimal", "date", "time", "dateTime", "select_one", "select_multiple", "rank"}
    | {"note", "range", "calculate", "geopoint", "geotrace", "geoshape", "image", "audio", "video", "file"}
    | {"barcode", "acknowledge", "start", "end", "today", "deviceid", "phonenumber", "username", "email"}
    | {"audit", "hidden", "xml-external", "csv-external", "begin_group", "end_group", "begin_repeat"}
    | {"end_repeat", "select_one_from_file", "select_multiple_from_file", "select_one_external"}
    | {"start-geopoint", "background-geopoint", "background-audio"}
)
"""Those that a wrong type is compared with."""

SURVEY_ALIASES: Final[dict[str, str]] = {
    "read_only": "readonly",
    "relevance": "relevant",
    "caption": "label",
    "constraining_message": "constraint_message",
    "calculate": "calculation",
    "command": "type",
    "tag": "name",
    "value": "name",
    "count": "repeat_count",
    "jr:count": "repeat_count",
    "requiredmsg": "required_message",
    "no_app_error_string": "noapperrorstring",
}
BIND_COLUMNS: Final = {
    "relevant": "relevant",
    "required": "required",
    "constraint": "constraint",
    "calculate": "calculation",
    "readonly": "readonly",
    "jr:constraintmsg": "constraint_message",
    "jr:requiredmsg": "required_message",
    "jr:noapperrorstring": "noapperrorstring",
    "passerelle:pii": "pii",
}
TRANSLATED: Final = (
    "label",
    "hint",
    "guidance_hint",
    "constraint_message",
    "required_message",
    "noapperrorstring",
    "image",
    "big-image",
    "audio",
    "video",
)
MEDIA: Final = ("image", "big-image", "audio", "video")
EXPRESSIONS: Final = ("relevant", "required", "constraint", "calculation", "readonly", "choice_filter", "repeat_count")
SURVEY_COLUMNS: Final = frozenset(
    {*TRANSLATED, *EXPRESSIONS, "type", "name", "appearance", "default", "parameters", "trigger", "autoplay", "rows"}
    | {"save_to", "disabled", "query", "intent", "list_name", "sms_field", "sms_option", "sms_separator"}
    | {"sms_allow_media", "sms_date_format", "sms_datetime_format", "sms_response", "compact_tag", "pii", "itemset"}
    | {"actions", "choices"}
)
GROUPED: Final = frozenset({"bind", "instance", "control", "body", "media"})
LIST_ALIASES: Final[dict[str, str]] = {
    "caption": "label",
    "list name": "list_name",
    "value": "name",
}
LIST_COLUMNS: Final = frozenset({"list_name", "name", "label", "image", "big-image", "audio", "video", "sms_option"})
SETTINGS: Final = frozenset(
    {"form_title", "form_id", "version", "default_language", "instance_name", "public_key", "submission_url", "style"}
    | {
        "auto_send",
        "auto_delete",
        "allow_choice_duplicates",
        "namespaces",
        "name",
        "clean_text_values",
        "client_editable",
    }
    | {"add_none_option", "sms_keyword", "sms_separator", "sms_allow_media", "sms_date_format", "sms_datetime_format"}
    | {"sms_response", "prefix", "delimiter", "omit_instanceid", "instance_xmlns", "instance_id", "flat", "attribute"}
    | {"set_form_title", "set_form_id", "title", "id_string", "entity_version"}
)
NAMESPACES: Final = frozenset({"h", "ev", "xsd", "jr", "orx", "odk", "entities", "xml"})

YES: Final = frozenset({"yes", "Yes", "YES", "true", "True", "TRUE", "true()"})
NO: Final = frozenset({"no", "No", "NO", "false", "False", "FALSE", "false()"})

_SELECT: Final = ("randomize", "seed")
_AREA: Final = ("allow-mock-accuracy", "incremental", "reference-geometry")
PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "audit": (
        (
            "identify-user",
            "location-max-age",
            "location-min-interval",
            "location-priority",
            "track-changes",
            "track-changes-reasons",
        )
    ),
    "text": ("rows",),
    "photo": ("app", "max-pixels"),
    "audio": ("quality",),
    "background-audio": ("quality",),
    "geopoint": ("allow-mock-accuracy", "capture-accuracy", "reference-geometry", "warning-accuracy"),
    "geoshape": _AREA,
    "geotrace": _AREA,
    "range": ("end", "placeholder", "start", "step", "tick_interval", "tick_labelset"),
    "select_one": _SELECT,
    "select_multiple": _SELECT,
    "select_one_external": _SELECT,
    "rank": _SELECT,
    "select_one_from_file": ("label", *_SELECT, "value"),
    "select_multiple_from_file": ("label", *_SELECT, "value"),
}
"""Parameters by type; of other types the converter reads none."""

APPEARANCES: Final = frozenset(
    {"minimal", "quick", "quickcompact", "compact", "columns", "columns-pack", "no-buttons", "likert"}
    | {"autocomplete", "search", "label", "list-nolabel", "list", "image-map", "map", "quickmap"}
    | {"field-list", "table-list", "numbers", "multiline", "url", "thousands-sep", "bearing", "vertical"}
    | {"no-ticks", "rating", "picker", "month-year", "year", "no-calendar", "coptic", "ethiopian", "islamic"}
    | {"bikram-sambat", "myanmar", "persian", "buddhist", "placement-map", "hide-input", "new", "new-front"}
    | {"new-rear", "annotate", "draw", "signature", "selfie", "hidden-answer", "masked", "counter", "printer"}
    | {"horizontal", "horizontal-compact", "distress", "my5", "inherited"}
)
PII_CLASSES: Final = frozenset({"direct", "location", "text", "key", "sensitive", "none"})
