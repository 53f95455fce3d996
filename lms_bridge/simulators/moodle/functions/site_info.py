"""What a site says of itself."""

from typing import Any

from lms_bridge.simulators.moodle import facts
from lms_bridge.simulators.moodle.signatures import SIGNATURES
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call


def get_site_info(call: Call, params: Params) -> dict[str, Any]:
    """The site, the caller and the functions that the token may call."""
    site, user, admin = call.site, call.user, call.account.site_admin
    service = call.token.functions
    names = sorted(SIGNATURES.keys() if service is None else service)
    return {
        "sitename": call.name(site.name),
        "username": user.username,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "fullname": user.fullname,
        "lang": user.lang,
        "userid": user.id,
        "siteurl": site.wwwroot,
        "userpictureurl": f"{site.wwwroot}/theme/image.php/boost/core/{site.theme_revision}/u/f1",
        "functions": [{"name": name, "version": facts.VERSION} for name in names],
        "downloadfiles": 1,
        "uploadfiles": 0,
        "release": facts.RELEASE,
        "version": facts.VERSION,
        "mobilecssurl": "",
        "advancedfeatures": [
            {"name": name, "value": value} for name, value in facts.ADVANCED_FEATURES.items()
        ],
        "usercanmanageownfiles": True,
        "userquota": 0 if admin else 104857600,
        "usermaxuploadfilesize": -1 if admin else 2097152,
        "userhomepage": 1,
        "userprivateaccesskey": "simulated",
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": admin,
        "theme": "boost",
        "limitconcurrentlogins": 0,
        "policyagreed": 0,
    }
