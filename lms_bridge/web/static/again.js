// Sends the form once more after the seconds that it names; its button does so at once.
"use strict";
const form = document.querySelector("form[data-again]");
const seconds = Number(form.dataset.again);
if (seconds) {
  setTimeout(() => form.submit(), seconds * 1000);
}
