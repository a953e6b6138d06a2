// Read the page's boxes and return what a person would see go wrong: {rule, where, text, by}, ``by`` in pixels.
() => {
  const SLACK = 1.5; // boxes lie on fractions of a pixel
  const ROW_PX = 56, DESKTOP_PX = 1024;
  const MEANT_TO_SCROLL = innerWidth >= DESKTOP_PX ? "pre, textarea" : "pre, textarea, .tabs, .table-wrap, .wide, .results";
  const MAY_GROW = "body, #container"; // as high as the window, with nothing below
  const OF_DJANGO = ".actions"; // in admin, as wide as the list, which is wider than its form
  const findings = [];

  const nameOf = (element) => {
    if (element.id && !/\d/.test(element.id)) return `#${element.id}`;
    return [element.localName, ...[...element.classList].slice(0, 2)].join(".");
  };
  const pathOf = (element) => {
    const names = [];
    for (let at = element; at && at !== document.body && names.length < 4; at = at.parentElement) {
      names.unshift(nameOf(at));
      if (names[0].startsWith("#")) break;
    }
    return names.join(" > ");
  };
  const report = (rule, element, by) => {
    const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
    findings.push({ rule, where: pathOf(element), text, by: Math.round(by) });
  };
  const paddingBox = (element) => {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    const [top, right, bottom, left] = ["Top", "Right", "Bottom", "Left"].map((side) => parseFloat(style[`border${side}Width`]));
    return { left: box.left + left, right: box.right - right, top: box.top + top, bottom: box.bottom - bottom };
  };
  const isUnseen = (style) => style.clipPath === "inset(50%)" || style.clip === "rect(0px, 0px, 0px, 0px)";
  const beyond = (box, bounds) => Math.max(bounds.left - box.left, box.right - bounds.right);
  const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
  const clips = (overflow) => overflow === "hidden" || overflow === "clip";

  const textsBeyond = function* (element, bounds) {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (texts.nextNode()) {
      if (!texts.currentNode.data.trim()) continue;
      range.selectNodeContents(texts.currentNode);
      const by = Math.max(...[...range.getClientRects()].map((box) => Math.max(beyond(box, bounds), box.bottom - bounds.bottom)));
      if (by > SLACK) yield [texts.currentNode.parentElement, by];
    }
  };
  const checkItself = (element, style) => {
    const wider = element.scrollWidth - element.clientWidth, taller = element.scrollHeight - element.clientHeight;
    if (scrolls(style.overflowX) && wider > SLACK && !element.matches(MEANT_TO_SCROLL)) report("scrolls sideways", element, wider);
    const isCutAside = clips(style.overflowX) && wider > SLACK, isCutBelow = clips(style.overflowY) && taller > 2 * SLACK;
    if (style.textOverflow !== "ellipsis" && style.webkitLineClamp === "none") {
      if (isCutAside) report("cut without an ellipsis", element, wider);
      if (isCutBelow) report("cut below", element, taller);
    } else if (isCutAside || isCutBelow) {
      for (const [parent, by] of textsBeyond(element, paddingBox(element))) {
        if (!parent.closest("[title]")) report("cut without a title", parent, by);
      }
    }
  };
  const paints = (element, style) =>
    element.matches("svg, img, input, select, textarea, button, iframe") || style.backgroundImage !== "none" ||
    !/^rgba\(.*, 0\)$/.test(style.backgroundColor) || ["Top", "Right", "Bottom", "Left"].some((side) => parseFloat(style[`border${side}Width`]));
  // How far the element sticks out of its parent to the sides, and below.
  const measure = (element, style, parent) => {
    const box = element.getBoundingClientRect(), bounds = paddingBox(parent);
    const boxes = style.display === "inline" ? [...element.getClientRects()] : [box];
    // A negative margin puts a box outside on purpose.
    bounds.right -= Math.min(0, parseFloat(style.marginRight));
    bounds.left += Math.min(0, parseFloat(style.marginLeft));
    const isGrowing = style.display === "inline" || element.localName === "legend" || parent.matches(MAY_GROW);
    return {
      aside: Math.max(...boxes.map((each) => beyond(each, bounds))),
      below: isGrowing ? 0 : Math.max(box.bottom - bounds.bottom, bounds.top - box.top),
    };
  };
  const checkText = (element, block, blockStyle) => {
    if (blockStyle.overflowX !== "visible" || block.scrollWidth - block.clientWidth <= SLACK) return;
    const bounds = paddingBox(block), range = document.createRange();
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.data.trim()) continue;
      range.selectNodeContents(node);
      const by = Math.max(...[...range.getClientRects()].map((each) => beyond(each, bounds)));
      if (by > SLACK) report("text overflows", element, by);
    }
  };
  const checkBars = (svg) => {
    const last = [...svg.querySelectorAll("rect")].at(-1);
    if (!last) return;
    const bar = last.getBoundingClientRect();
    for (const bounds of [svg, svg.closest("td, li, figure, section")].filter(Boolean)) {
      const by = beyond(bar, bounds.getBoundingClientRect());
      if (by > SLACK) report("last bar outside", bounds, by);
    }
  };

  const checkLabels = (labels) => {
    const shown = [...labels.children].filter((label) => label.textContent.trim() && label.checkVisibility({ visibilityProperty: true }));
    const boxes = shown.map((label) => {
      const range = document.createRange();
      range.selectNodeContents(label);
      return range.getBoundingClientRect();
    });
    boxes.slice(1).forEach((box, at) => {
      if (box.left < boxes[at].right) report("labels overlap", labels, boxes[at].right - box.left);
    });
  };

  // ``block`` is the nearest ancestor with a box of its own that ``element`` has to stay in; in what scrolls, only below.
  const walk = (element, block, blockStyle, isScrolled) => {
    const style = getComputedStyle(element);
    let isOut = false;
    const isHidden = style.display !== "contents" && !element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (isHidden || isUnseen(style)) return;
    if (style.display !== "contents") {
      if (element.matches(".chart__axis")) return; // its words stand half above and half below their lines
      const isPlaced = ["absolute", "fixed", "sticky"].includes(style.position) || element.matches(OF_DJANGO);
      const { aside, below } = isPlaced ? { aside: 0, below: 0 } : measure(element, style, block);
      const isAside = !isScrolled && aside > SLACK && blockStyle.overflowX === "visible";
      const isBelow = below > 2 * SLACK && blockStyle.overflowY === "visible";
      // Of a box that cannot be seen, what is in it is held to the box around it.
      isOut = (isAside || isBelow) && !paints(element, style);
      if (isAside && !isOut) report("overflows its parent", element, aside);
      if (isBelow && !isOut) report("overflows its parent below", element, below);
      if (element.localName === "svg") return checkBars(element);
      if (element.matches(".chart__labels")) return checkLabels(element);
      if (element.matches("input, select, textarea, iframe, img")) return;
      if (style.display !== "inline") {
        checkItself(element, style);
        isScrolled ||= scrolls(style.overflowX);
        if (!isOut) [block, blockStyle] = [element, style];
      }
    }
    if (!isScrolled) checkText(element, block, blockStyle);
    for (const child of element.children) walk(child, block, blockStyle, isScrolled);
  };

  for (const child of document.body.children) walk(child, document.body, getComputedStyle(document.body), false);
  const wider = document.documentElement.scrollWidth - innerWidth;
  if (wider > 0) report("the page scrolls sideways", document.body, wider);
  if (innerWidth >= DESKTOP_PX) {
    for (const row of document.querySelectorAll(".key-table > tbody > tr")) {
      const height = row.getBoundingClientRect().height;
      if (height > ROW_PX + SLACK) report("row above 56 px", row, height - ROW_PX);
    }
  }
  return findings;
}
