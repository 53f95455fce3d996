"""The parameters of every simulated function, as Moodle 4.5 declares them.

The notation is that of :mod:`.wire.signature`. The contract test holds this table to the recorded
declarations; ``core_group_get_group_members`` isn't among those and is given from memory.
"""

from .wire.signature import Struct, parse

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

SIGNATURES: dict[str, Struct] = {name: parse(text) for name, text in NOTATION.items()}
