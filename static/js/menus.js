// details[data-menu]: one open at a time; a click outside, Esc or a choice closes it. It opens upwards at the window's end.
// a[data-menu-without="resume"]: the menu #row-menu, but for these actions, opens where the link stands.
const open = () => document.querySelectorAll("details[data-menu][open]");

document.addEventListener("click", (event) => {
  open().forEach((menu) => {
    if (!menu.contains(event.target) || event.target.closest(".menu__list a, [data-closes]")) menu.open = false;
  });
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-menu-without]");
  const drawn = document.getElementById("row-menu")?.content.firstElementChild.cloneNode(true);
  if (!link || !drawn || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  drawn.querySelectorAll("[data-action]").forEach((item) => {
    if (link.dataset.menuWithout.split(" ").includes(item.dataset.action)) return item.remove();
    ["href", "formaction", "hx-get", "hx-post"].forEach((name) => {
      if (item.hasAttribute(name)) item.setAttribute(name, `${link.href}${item.dataset.action}/`);
    });
  });
  drawn.querySelector("summary").ariaLabel = link.ariaLabel;
  drawn.open = true;
  link.replaceWith(drawn);
  htmx.process(drawn);
  drawn.querySelector("summary").focus();
});
document.addEventListener("toggle", ({ target: menu }) => {
  if (!menu.open || !menu.matches("[data-menu]")) return;
  menu.removeAttribute("data-up");
  const list = menu.lastElementChild.getBoundingClientRect();
  menu.toggleAttribute("data-up", list.bottom > innerHeight && menu.getBoundingClientRect().top > list.height);
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  open().forEach((menu) => {
    const held = menu.contains(document.activeElement);
    menu.open = false;
    if (held) menu.querySelector("summary").focus();
  });
});
