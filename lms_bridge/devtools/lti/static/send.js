// Sends the page's form at once.
"use strict";
document.getElementById("send").submit();
