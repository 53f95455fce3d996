// Tells the platform that its registration window may close (LTI Dynamic Registration 1.0, 3.7).
// The message says nothing else, so that any origin may read it.
"use strict";
(window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, "*");
