// A form with [data-passkey="create" or "get"] asks the browser for a passkey before it is sent. The options stand in
// [data-passkey-options], or are fetched from the form's address. [data-passkey-autofill] also offers passkeys in the
// e-mail field. What needs passkeys is drawn only where the browser has them.
const supported = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON && window.PublicKeyCredential?.parseRequestOptionsFromJSON);
const offering = new AbortController(); // the offer in the e-mail field ends before another question is asked

function draw() {
  document.querySelectorAll("[data-needs-passkeys]").forEach((part) => { part.hidden = !supported; });
  document.querySelectorAll("[data-lacks-passkeys]").forEach((part) => { part.hidden = supported; });
}

async function options(form) {
  if (form.dataset.passkeyOptions) return JSON.parse(form.dataset.passkeyOptions);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  return (await answer.json()).request_options.publicKey;
}

async function ask(form, more = {}) {
  const json = await options(form);
  const credential = form.dataset.passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json), ...more })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json), ...more });
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  form.submit(); // raises no further event
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-passkey]");
  if (!form) return;
  event.preventDefault();
  offering.abort();
  await offered; // the newest challenge is the one that counts, and only one question may be open
  const said = form.querySelector("[data-passkey-failed]");
  said.hidden = true;
  try {
    await ask(form);
  } catch {
    said.hidden = false;
    said.focus();
  }
});

async function offer() {
  const form = document.querySelector("[data-passkey-autofill]");
  if (!supported || !form || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  await ask(form, { mediation: "conditional", signal: offering.signal });
}

draw();
const offered = offer().catch(() => {}); // nobody was asked, nobody is told
