// Sends the form of the page at once; the button is for browsers without scripts.
"use strict";
document.getElementById("send").submit();
