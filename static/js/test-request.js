// [data-test-key]: asks what the key in the named element may do, and shows the answer. The key goes into a header of
// that one request, and nowhere else.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-test-key]");
  if (!button) return;
  const secret = document.getElementById(button.dataset.testKey)?.textContent.trim();
  const box = document.getElementById(button.dataset.testInto);
  if (!secret || !box) return;
  button.disabled = true;
  let text;
  try {
    const answer = await fetch(button.dataset.testUrl, { headers: { Authorization: `Bearer ${secret}` }, credentials: "omit", cache: "no-store" });
    text = `${answer.status} ${answer.statusText}\n${JSON.stringify(await answer.json(), null, 2)}`;
  } catch {
    text = "We could not reach the server. Check your connection and try again.";
  }
  box.querySelector("code").textContent = text;
  box.hidden = false;
  button.disabled = false;
  box.querySelector("pre").focus();
});
