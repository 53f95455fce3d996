"""Two small LTI 1.3 sites, stand-ins for the Academy's platform and for a centre's tool.

Written without anything of the bridge's own LTI code, so that they test whether it works with
others. All their people and courses are samples. ::

    academy, centre = SamplePlatform("Sample Academy"), SampleTool("Sample centre")
    with serve(academy) as academy_address, serve(centre) as centre_address:
        ...
"""

from lms_bridge.devtools.lti.platform_state import (
    PlatformCourse,
    RegisteredTool,
    SampleLink,
    SamplePerson,
    SampleScore,
)
from lms_bridge.devtools.lti.sample_platform import SamplePlatform
from lms_bridge.devtools.lti.sample_tool import SampleTool
from lms_bridge.devtools.lti.signatures import Signer
from lms_bridge.devtools.lti.site import serve, serve_application
from lms_bridge.devtools.lti.tool_state import Landing, RegisteredPlatform

__all__ = [
    "Landing",
    "PlatformCourse",
    "RegisteredPlatform",
    "RegisteredTool",
    "SampleLink",
    "SamplePerson",
    "SamplePlatform",
    "SampleScore",
    "SampleTool",
    "Signer",
    "serve",
    "serve_application",
]
