// Copies values, and shows anew what is connected when the LMS's tab was visited. Without scripts
// the values are copied by hand, and the page is loaded anew by hand.
"use strict";

const SHOWN_MILLISECONDS = 2000;

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button, button.dataset.copied);
  } catch {
    getSelection().selectAllChildren(source);
    say(button, button.dataset.selected);
  }
}

function say(button, text) {
  const before = button.dataset.before ??= button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, SHOWN_MILLISECONDS);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

for (const form of document.querySelectorAll("form[data-returns]")) {
  form.addEventListener("submit", () => {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") location.replace(location.pathname);
    });
  });
}
