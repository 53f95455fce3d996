"""Two small LTI 1.3 sites, stand-ins for the Academy's platform and for a centre's tool.

Written without anything of the bridge's own LTI code, so that they test whether it works with
others. All their people and courses are samples. ::

    academy, centre = SamplePlatform("Sample Academy"), SampleTool("Sample centre")
    with serve(academy) as academy_address, serve(centre) as centre_address:
        ...
"""

from lms_bridge.simulators.lti.platform import SamplePlatform
from lms_bridge.simulators.lti.platform.state import Course, Link, Person, Score, Tool
from lms_bridge.simulators.lti.serving import serve, serving
from lms_bridge.simulators.lti.signing import Signer
from lms_bridge.simulators.lti.tool import SampleTool
from lms_bridge.simulators.lti.tool.state import Landing, Platform

__all__ = [
    "Course",
    "Landing",
    "Link",
    "Person",
    "Platform",
    "SamplePlatform",
    "SampleTool",
    "Score",
    "Signer",
    "Tool",
    "serve",
    "serving",
]
