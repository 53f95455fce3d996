// The platform's storage (LTI Client Side postMessages 1.0; LTI Platform Storage 1.0): values are
// put into, and got from, a frame of the platform, named by it and addressed by its exact origin.
"use strict";

const WAIT_MILLISECONDS = 4000;

function platformFrame(name) {
  const above = window.parent !== window ? window.parent : window.opener;
  if (!above) throw new Error("no platform window");
  return name === "_parent" ? above : above.frames[name] || above;
}

function ask(place, origin, subject, fields) {
  return new Promise((resolve, reject) => {
    const id = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
    const timer = setTimeout(() => finish(reject, new Error("no answer")), WAIT_MILLISECONDS);
    function finish(how, what) {
      clearTimeout(timer);
      window.removeEventListener("message", listen);
      how(what);
    }
    function listen(event) {
      const said = event.data;
      if (event.origin !== origin || !said || typeof said !== "object") return;
      if (said.message_id !== id || said.subject !== subject + ".response") return;
      if (said.error) finish(reject, new Error("refused"));
      else finish(resolve, said.value);
    }
    window.addEventListener("message", listen);
    place.postMessage({ subject, message_id: id, ...fields }, origin);
  });
}

function keysOf(state) {
  return { secret: "lti_secret_" + state, nonce: "lti_nonce_" + state };
}

async function store(data) {
  const place = platformFrame(data.storage);
  const keys = keysOf(data.state);
  await ask(place, data.platform, "lti.put_data", { key: keys.secret, value: data.secret });
  await ask(place, data.platform, "lti.put_data", { key: keys.nonce, value: data.nonce });
  window.location.replace(data.address);
}

async function fetchBack(data, form) {
  const place = platformFrame(data.storage);
  const keys = keysOf(data.state);
  const secret = await ask(place, data.platform, "lti.get_data", { key: keys.secret });
  const nonce = await ask(place, data.platform, "lti.get_data", { key: keys.nonce });
  if (!secret || !nonce) throw new Error("nothing stored");
  form.elements.stored_secret.value = secret;
  form.elements.stored_nonce.value = nonce;
  form.submit();
}

function otherwise() {
  document.getElementById("waiting").hidden = true;
  document.getElementById("otherwise").hidden = false;
}

const toStore = document.getElementById("store");
const toAsk = document.getElementById("ask");
if (toStore) store(toStore.dataset).catch(otherwise);
if (toAsk) fetchBack(toAsk.dataset, toAsk).catch(otherwise);
