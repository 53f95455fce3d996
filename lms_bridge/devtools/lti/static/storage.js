// Platform storage for the tool, whose pages are inside this one or were opened by it (LTI Client
// Side postMessages 1.0; LTI Platform Storage 1.0). Values live as long as this page.
"use strict";

const tool = document.currentScript.dataset.tool;
const kept = new Map();

function answerTo(said) {
  if (said.subject === "lti.capabilities") {
    return { supported_messages: [{ subject: "lti.put_data" }, { subject: "lti.get_data" }] };
  }
  if (said.subject === "lti.put_data" && typeof said.key === "string") {
    kept.set(said.key, said.value);
    return { key: said.key, value: said.value };
  }
  if (said.subject === "lti.get_data" && typeof said.key === "string") {
    return { key: said.key, value: kept.get(said.key) };
  }
  return { error: { code: "unsupported_subject", message: "This subject is not known here." } };
}

window.addEventListener("message", (event) => {
  const said = event.data;
  if (event.origin !== tool || !said || typeof said !== "object") return;
  const answer = { subject: `${said.subject}.response`, message_id: said.message_id };
  event.source.postMessage({ ...answer, ...answerTo(said) }, event.origin);
});
