// [data-test-key]: asks what the key in the named element may do, and shows the verdict, and the answer folded. The key
// goes into a header of that one request, and nowhere else.
function highlighted(json) {
  return json.split(/("(?:\\.|[^"\\])*":?|\b(?:true|false|null|[\d.]+)\b)/).map((part, place) => {
    if (place % 2 === 0) return part;
    const token = document.createElement("span");
    token.className = part.endsWith(":") ? "nt" : part.startsWith('"') ? "s2" : "kc";
    token.textContent = part;
    return token;
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-test-key]");
  if (!button) return;
  const secret = document.getElementById(button.dataset.testKey)?.textContent.trim();
  const box = document.getElementById(button.dataset.testInto);
  if (!secret || !box) return;
  const verdict = document.createElement("span");
  const whole = box.querySelector("details");
  const sent = performance.now();
  button.disabled = true;
  try {
    const response = await fetch(button.dataset.testUrl, { headers: { Authorization: `Bearer ${secret}` }, credentials: "omit", cache: "no-store" });
    const answer = await response.json();
    verdict.className = `badge badge--dot tone-${answer.valid ? "ok" : "bad"}`;
    verdict.textContent = `${answer.code ?? response.status} · ${Math.ceil(performance.now() - sent)} ms`;
    whole.querySelector("code").replaceChildren(...highlighted(JSON.stringify(answer, null, 2)));
    whole.hidden = false;
  } catch {
    verdict.textContent = "We could not reach the server. Check your connection and try again.";
    whole.hidden = true;
  }
  box.hidden = false;
  box.querySelector("[role=status]").replaceChildren(verdict);
  button.disabled = false;
  button.focus();
});
