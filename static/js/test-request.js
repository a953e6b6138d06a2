// [data-test-key]: asks what the key in the named element may do, and shows the verdict, and the answer folded. The key
// goes into a header of that one request, and nowhere else.
const TOKENS = /("[^"]*")(?=:)|("(?:\\.|[^"\\])*")|-?\d[\d.]*|true|false|null/g;

function highlighted(json) {
  const parts = [];
  let end = 0;
  for (const { 0: text, 1: name, 2: string, index } of json.matchAll(TOKENS)) {
    const token = document.createElement("span");
    token.className = name ? "nt" : string ? "s2" : "kc";
    token.textContent = text;
    parts.push(json.slice(end, index), token);
    end = index + text.length;
  }
  return [...parts, json.slice(end)];
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
    const took = Math.max(1, Math.round(performance.now() - sent));
    const answer = await response.json();
    verdict.className = `badge badge--dot tone-${answer.valid ? "ok" : "bad"}`;
    verdict.textContent = `${answer.code ?? response.status} · ${took} ms`;
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
