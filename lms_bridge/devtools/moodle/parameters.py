"""The parameters of every simulated function, as Moodle 4.5 declares them, and checks of forms.

The notation: ``name:type`` is required, ``name:type?`` optional, ``name:type=1`` has a default
(JSON). ``[int]`` is a list of integers, ``[userid:int courseid:int]`` a list of structures,
``{userid:int}`` a structure. A contract test holds the table to the recorded declarations;
``core_course_create_categories`` and ``core_group_get_group_members`` aren't among those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lms_bridge.devtools.moodle.facts import invalid_parameter

# PHP's strip_tags takes "<" for a tag unless white space follows, so "a <3 b" is refused.
_TAG = re.compile(r"<(?!\s)")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
Params = dict[str, Any]
MARK = re.compile(r'\s*([\w]+:|[\w]+|[\[\]{}]|\?|=(?:"[^"]*"|\[\]|\{\}|[\w.-]+))')
_PAIRS = "[name:alphanumext value:raw]"
_COURSE_FIELDS = "[shortname:alphanumext value:raw]"
_USER_EXTRAS = "customfields:[type:alphanumext value:raw]? preferences:[type:raw value:raw]?"
_PHONETIC = (
    "firstnamephonetic:notags? lastnamephonetic:notags? middlename:notags? alternatename:notags?"
)
_ADDRESS = "institution:text? department:text? phone1:notags? phone2:notags? address:text?"
_ROLE = "[roleid:int userid:int contextid:int? contextlevel:alpha? instanceid:int?]"
_MEMBERS = "members:[groupid:int userid:int]"
NOTATION: dict[str, str] = {
    "core_webservice_get_site_info": "serviceshortnames:[alphanumext]=[]",
    "core_course_get_categories": "criteria:[key:alpha value:raw]=[] addsubcategories:bool=1",
    "core_course_create_categories": """categories:[name:text parent:int=0 idnumber:raw?
        description:raw? descriptionformat:int="1" theme:theme?]""",
    "core_course_get_courses": "options:{ids:[int]?}=[]",
    "core_course_get_courses_by_field": 'field:alpha="" value:raw=""',
    "core_course_create_courses": f"""courses:[
        fullname:text shortname:text categoryid:int idnumber:raw? summary:raw?
        summaryformat:int="1" format:plugin="topics" showgrades:int="1" newsitems:int="5"
        startdate:int? enddate:int? numsections:int? maxbytes:int="0" showreports:int="0"
        visible:int? hiddensections:int? groupmode:int="0" groupmodeforce:int="0"
        defaultgroupingid:int=0 enablecompletion:int? completionnotify:int? lang:safedir?
        forcetheme:plugin? courseformatoptions:{_PAIRS}? customfields:{_COURSE_FIELDS}?]""",
    "core_course_update_courses": f"""courses:[
        id:int fullname:text? shortname:text? categoryid:int? idnumber:raw? summary:raw?
        summaryformat:int? format:plugin? showgrades:int? newsitems:int? startdate:int?
        enddate:int? numsections:int? maxbytes:int? showreports:int? visible:int?
        hiddensections:int? groupmode:int? groupmodeforce:int? defaultgroupingid:int?
        enablecompletion:int? completionnotify:int? lang:safedir? forcetheme:plugin?
        courseformatoptions:{_PAIRS}? customfields:{_COURSE_FIELDS}?]""",
    "core_enrol_get_enrolled_users": f"courseid:int options:{_PAIRS}=[]",
    "core_enrol_get_course_enrolment_methods": "courseid:int",
    "core_enrol_get_users_courses": "userid:int returnusercount:bool=true",
    "enrol_manual_enrol_users": """enrolments:[
        roleid:int userid:int courseid:int timestart:int? timeend:int? suspend:int?]""",
    "enrol_manual_unenrol_users": "enrolments:[userid:int courseid:int roleid:int?]",
    "core_user_get_users_by_field": "field:alpha values:[raw]",
    "core_user_get_users": "criteria:[key:alpha value:raw]",
    "core_user_create_users": f"""users:[
        createpassword:bool? username:username auth:auth="manual" password:raw? firstname:notags
        lastname:notags email:raw_trimmed maildisplay:int? city:text? country:alpha?
        timezone:timezone? description:raw? {_PHONETIC} interests:text? idnumber:raw=""
        {_ADDRESS} lang:lang="en" calendartype:plugin="gregorian" theme:theme? mailformat:int?
        {_USER_EXTRAS}]""",
    "core_user_update_users": f"""users:[
        id:int username:username? auth:auth? suspended:bool? password:raw? firstname:notags?
        lastname:notags? email:raw_trimmed? maildisplay:int? city:text? country:alpha?
        timezone:timezone? description:raw? userpicture:int? {_PHONETIC} interests:text?
        idnumber:raw? {_ADDRESS} lang:lang? calendartype:plugin? theme:theme? mailformat:int?
        {_USER_EXTRAS}]""",
    "core_group_get_course_groups": "courseid:int",
    "core_group_create_groups": f"""groups:[
        courseid:int name:text description:raw descriptionformat:int="1" enrolmentkey:raw?
        idnumber:raw? visibility:int=0 participation:bool=true customfields:{_COURSE_FIELDS}?]""",
    "core_group_add_group_members": _MEMBERS,
    "core_group_delete_group_members": _MEMBERS,
    "core_group_get_group_members": "groupids:[int]",
    "core_completion_get_course_completion_status": "courseid:int userid:int",
    "gradereport_user_get_grade_items": "courseid:int userid:int=0 groupid:int=0",
    "tool_mobile_call_external_functions": """requests:[
        function:alphanumext arguments:raw="{}" settingraw:bool=false settingfilter:bool=false
        settingfileurl:bool=true settinglang:lang=""]""",
    "core_role_assign_roles": f"assignments:{_ROLE}",
    "core_role_unassign_roles": f"unassignments:{_ROLE}",
}


def _pattern(expression: str) -> Callable[[str], bool]:
    match = re.compile(expression).fullmatch
    return lambda text: match(text) is not None


def _no_tags(text: str) -> bool:
    return _TAG.search(text) is None


TEXT_TYPES: dict[str, Callable[[str], bool]] = {
    "raw": lambda text: True,
    "raw_trimmed": lambda text: text == text.strip(),
    "text": _no_tags,
    "notags": _no_tags,
    "alpha": _pattern(r"[a-zA-Z]*"),
    "alphanum": _pattern(r"[a-zA-Z0-9]*"),
    "alphanumext": _pattern(r"[a-zA-Z0-9_-]*"),
    "safedir": _pattern(r"[a-zA-Z0-9_-]*"),
    "plugin": _pattern(r"([a-z][a-z0-9_]*)?"),
    "theme": _pattern(r"([a-z][a-z0-9_]*)?"),
    "auth": _pattern(r"[a-z][a-z0-9_]*"),
    "username": _pattern(r"[-.@_a-z0-9]*"),
    "lang": _pattern(r"([a-z]{2,3}(_[a-z0-9_]+)?)?"),
    "timezone": _pattern(r"(99|-?\d+(\.\d+)?|[A-Za-z_]+(/[A-Za-z_+-]+)*|)"),
}


def clean(type_name: str, value: Any) -> Any:
    """The value as that type: int, bool or str. Raises the answer ``invalidparameter``.

    ``value`` is text from a form, or any JSON scalar from a batch of calls.
    """
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise invalid_parameter()
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if type_name == "int":
        if not _INTEGER.fullmatch(text):
            raise invalid_parameter()
        return int(text)
    if type_name == "bool":
        if text not in ("0", "1"):
            raise invalid_parameter()
        return text == "1"
    if not TEXT_TYPES[type_name](text):
        raise invalid_parameter()
    return text


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of a Moodle type: ``int``, ``raw``, …"""

    type: str

    def check(self, value: Any) -> Any:
        """The value as int, bool or str."""
        return clean(self.type, value)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind of thing."""

    item: Kind

    def check(self, value: Any) -> list[Any]:
        """The list; forms bring it as a dict with numbers for keys, in the order sent."""
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list):
            raise invalid_parameter()
        check = self.item.check
        return [check(item) for item in value]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named part of a structure. ``need`` is required, optional or default."""

    kind: Kind
    need: str = "required"
    default: Any = None


@dataclass(frozen=True, slots=True)
class Struct:
    """Named parts; an unexpected name is refused, as Moodle does."""

    fields: dict[str, Parameter]

    def check(self, value: Any) -> Params:
        """The parts that were sent, and defaults; optional ones stay away."""
        if value == []:
            value = {}
        if not isinstance(value, dict) or not value.keys() <= self.fields.keys():
            raise invalid_parameter()
        result: Params = {}
        for name, field in self.fields.items():
            if name in value:
                result[name] = field.kind.check(value[name])
            elif field.need == "required":
                raise invalid_parameter()
            elif field.need == "default":
                result[name] = field.kind.check(field.default)
        return result


Kind = Scalar | ListOf | Struct


def parse(notation: str) -> Struct:
    """Read the parameters of one function. Raises ValueError on a slip in the notation."""
    marks = MARK.findall(notation)
    if "".join(marks) != "".join(notation.split()):
        raise ValueError(f"not understood: {notation}")
    return _struct(iter([*marks, ""]), end="")


def _struct(marks: Iterator[str], end: str, first: str | None = None) -> Struct:
    fields: dict[str, Parameter] = {}
    mark = first or next(marks)
    while mark != end:
        name, kind = mark.removesuffix(":"), _kind(marks)
        mark = next(marks)
        if mark == "?":
            fields[name], mark = Parameter(kind, "optional"), next(marks)
        elif mark.startswith("="):
            fields[name] = Parameter(kind, "default", json.loads(mark[1:]))
            mark = next(marks)
        else:
            fields[name] = Parameter(kind)
    return Struct(fields)


def _kind(marks: Iterator[str]) -> Kind:
    mark = next(marks)
    if mark == "{":
        return _struct(marks, "}")
    if mark != "[":
        return Scalar(mark)
    first = next(marks)
    if first.endswith(":"):
        return ListOf(_struct(marks, "]", first))
    if next(marks) != "]":
        raise ValueError("a list of scalars has one type")
    return ListOf(Scalar(first))


SIGNATURES: dict[str, Struct] = {name: parse(text) for name, text in NOTATION.items()}
