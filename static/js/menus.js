// details[data-menu]: one open at a time; a click or the focus elsewhere, Esc or a choice closes it. It opens upwards at the window's end.
// a[data-menu-without="resume"]: the menu #row-menu, but for these actions, opens where the link stands.
// A field beside a menu is part of it: on phones the filters' panel has the status.
const open = () => document.querySelectorAll("details[data-menu][open]");
const holds = (menu, target) => menu.contains(target) || target.closest(".field")?.parentElement === menu.parentElement;

document.addEventListener("click", ({ target }) => {
  open().forEach((menu) => { menu.open = holds(menu, target) && !target.closest(".menu__list a, [data-closes]"); });
});
document.addEventListener("focusin", ({ target }) => {
  open().forEach((menu) => { menu.open = holds(menu, target); });
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
