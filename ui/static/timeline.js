// The history tree: thumbnails in lanes, a card on what made each, and what one can do with one of them or with two.
// It draws what Python laid out; nodes are kept from one drawing to the next, so that nothing flickers.

const COLUMN = 80; // px from one column to the next; the style sheet has the thumbnail's size
const ROW = 88;
const THUMB = 56;
const SVG = "http://www.w3.org/2000/svg";
const STEP_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

// An SVG path along right-angled points, with its corners rounded.
function rounded(points, radius = 8) {
  const [start, ...rest] = points;
  const path = [`M${start}`];
  rest.forEach((corner, i) => {
    const before = points[i];
    const after = rest[i + 1];
    if (!after) return path.push(`L${corner}`);
    path.push(`L${towards(corner, before, radius)}`, `Q${corner} ${towards(corner, after, radius)}`);
  });
  return path.join("");
}

function towards([x, y], [u, v], distance) {
  const length = Math.hypot(u - x, v - y) || 1;
  const t = Math.min(distance, length / 2) / length;
  return [x + (u - x) * t, y + (v - y) * t];
}

// From a parent to its child: through the gaps between columns and between rows, never across a thumbnail.
function edge(parent, child) {
  const [x0, y0] = [parent.column * COLUMN + THUMB, parent.row * ROW + THUMB / 2];
  const [x1, y1] = [child.column * COLUMN, child.row * ROW + THUMB / 2];
  if (y0 === y1) return rounded([[x0, y0], [x1, y1]]);
  const [near, far] = [x0 + (COLUMN - THUMB) / 2, x1 - (COLUMN - THUMB) / 2];
  if (near === far) return rounded([[x0, y0], [near, y0], [near, y1], [x1, y1]]);
  const gap = child.row * ROW + (y0 > y1 ? ROW - 6 : -6);
  return rounded([[x0, y0], [near, y0], [near, gap], [far, gap], [far, y1], [x1, y1]], 6);
}

class Timeline {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.root = root;
    this.scroller = find(".scroller");
    this.lanes = find(".lanes");
    this.tree = find(".tree");
    this.svg = find("svg");
    this.card = find(".card");
    this.menu = find(".menu");
    this.ghost = find(".ghost");
    this.buttons = new Map();
    this.closing = (event) => event.composedPath().includes(this.menu) || this.closeMenu();
    this.listen();
  }

  listen() {
    const on = (type, handler) => this.tree.addEventListener(type, (e) => handler.call(this, e, this.nodeAt(e.target)));
    on("click", (e, node) => this.click(node));
    on("contextmenu", this.contextMenu);
    on("keydown", this.key);
    on("pointerover", (e, node) => e.pointerType === "mouse" && this.hover(node));
    on("pointerout", () => this.hover(null));
    on("focusin", (e, node) => e.target.matches(":focus-visible") && this.hover(node, 0));
    on("focusout", () => this.hover(null));
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.drop);
    on("pointercancel", this.endDrag);
    this.menu.addEventListener("keydown", (event) => this.menuKey(event));
    this.scroller.addEventListener("scroll", () => this.hover(null), { passive: true });
    this.observer = new ResizeObserver(() => this.reveal("instant"));
    this.observer.observe(this.scroller);
  }

  nodeAt(target) {
    return this.byId.get(target?.closest?.(".node")?.dataset.id);
  }

  leave() {
    this.observer.disconnect();
    this.closeMenu();
    this.hover(null);
  }

  // Drawing.

  update(data, send) {
    const moved = this.data && this.data.here !== data.here;
    this.data = data;
    this.send = send;
    this.byId = new Map(data.nodes.map((node) => [node.id, node]));
    this.drawNodes();
    this.drawEdges();
    this.drawLanes();
    this.focusable(this.byId.get(this.focused) ?? this.byId.get(data.here) ?? data.nodes[0]);
    if (moved) this.reveal(calm() ? "instant" : "smooth");
  }

  drawNodes() {
    for (const [id, button] of this.buttons) {
      if (!this.byId.has(id)) button.remove(), this.buttons.delete(id);
    }
    for (const node of this.data.nodes) this.drawNode(node);
    const size = (part, pitch) => `${pitch * Math.max(0, ...this.data.nodes.map((n) => n[part] + 1))}px`;
    this.root.style.setProperty("--width", size("column", COLUMN));
    this.root.style.setProperty("--tall", size("row", ROW));
  }

  drawNode(node) {
    const button = this.buttons.get(node.id) ?? this.newNode(node);
    const here = node.id === this.data.here;
    button.style.left = `${node.column * COLUMN}px`;
    button.style.top = `${node.row * ROW}px`;
    button.classList.toggle("here", here);
    button.classList.toggle("undone", !node.live);
    button.classList.toggle("line", node.line);
    button.setAttribute("aria-label", [node.title, node.words, node.live ? "" : "undone"].filter(Boolean).join(", "));
    button.setAttribute("aria-level", node.column + 1);
    button.toggleAttribute("aria-current", here);
    const [image, number, flags] = button.children;
    if (image.getAttribute("src") !== node.thumb) image.src = node.thumb;
    number.textContent = here ? `#${node.seq} here` : `#${node.seq}`;
    flags.replaceChildren(...node.flags.map((name) => element("span", { className: "flag", textContent: name })));
  }

  newNode(node) {
    const button = element("button", { className: "node", type: "button", tabIndex: -1 });
    button.dataset.id = node.id;
    button.setAttribute("role", "treeitem");
    const image = element("img", { className: "thumb", loading: "lazy", draggable: false, alt: "" });
    button.append(image, element("span", { className: "number" }), element("span", { className: "flags" }));
    this.buttons.set(node.id, button);
    this.tree.append(button);
    return button;
  }

  drawEdges() {
    const paths = this.data.nodes.flatMap((node) =>
      node.parents.map((id, i) => {
        const parent = this.byId.get(id);
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("d", edge(parent, node));
        path.classList.toggle("line", node.line && parent.line && i === 0);
        path.classList.toggle("undone", !node.live);
        path.classList.toggle("merge", i > 0);
        return path;
      }),
    );
    this.svg.replaceChildren(...paths);
  }

  drawLanes() {
    const firstUndone = this.data.lanes.findIndex((lane) => !lane.tip);
    this.lanes.replaceChildren(
      ...this.data.lanes.map((lane, row) => {
        const names = lane.names.join(", ");
        const label = names || (lane.tip ? "merged" : row === firstUndone ? "undone" : "");
        const button = element("button", { className: "lane", type: "button", textContent: label });
        Object.assign(button, { title: names ? `Continue from ${names}` : "", disabled: !lane.tip });
        button.classList.toggle("named", Boolean(names));
        button.classList.toggle("current", lane.current);
        button.style.top = `${row * ROW}px`;
        button.addEventListener("click", () => this.send("picked", lane.tip));
        return button;
      }),
    );
  }

  // Scroll our own box, not the page, until `here` is in its middle.
  reveal(behavior) {
    const button = this.buttons.get(this.data?.here);
    if (!button) return;
    const box = this.scroller.getBoundingClientRect();
    const at = button.getBoundingClientRect();
    const left = at.left + at.width / 2 - box.left - box.width / 2;
    const top = at.top + at.height / 2 - box.top - box.height / 2;
    this.scroller.scrollBy({ left, top, behavior });
  }

  focusable(node) {
    if (!node) return;
    this.focused = node.id;
    for (const [id, button] of this.buttons) button.tabIndex = id === node.id ? 0 : -1;
  }

  // The card.

  hover(node, delay = 200) {
    clearTimeout(this.waiting);
    if (!node) return this.card.matches(":popover-open") && this.card.hidePopover();
    if (!this.drag && !this.menu.matches(":popover-open")) this.waiting = setTimeout(() => this.showCard(node), delay);
  }

  showCard(node) {
    const [image, heading, words, hint] = this.card.children;
    image.src = node.thumb;
    image.style.aspectRatio = `${node.width} / ${node.height}`;
    heading.textContent = node.title;
    words.textContent = node.words && `“${node.words}”`;
    hint.textContent = node.id === this.data.here ? "You are here." : "Click: continue from here. C: compare with here.";
    this.card.showPopover();
    this.place(this.card, this.buttons.get(node.id).getBoundingClientRect());
  }

  // Above a rectangle of the screen, or below where there is no room.
  place(popover, { left, right, top, bottom }) {
    const { width, height } = popover.getBoundingClientRect();
    const x = clamp((left + right - width) / 2, 8, Math.max(8, innerWidth - width - 8));
    const y = top - height - 8 > 8 ? top - height - 8 : Math.min(bottom + 8, innerHeight - height - 8);
    Object.assign(popover.style, { left: `${x}px`, top: `${y}px` });
  }

  // Picking, pairing.

  click(node) {
    if (this.pressed) return (this.pressed = false); // the end of a drag or of a long press
    if (node) this.pick(node);
  }

  pick(node) {
    this.focusable(node);
    this.send("picked", node.id);
  }

  pair(a, b, what) {
    this.send("paired", { a: a.id, b: b.id, what });
  }

  pairing(a, b) {
    const compare = [`Compare #${a.seq} with #${b.seq}`, () => this.pair(a, b, "compare")];
    return [compare, [`Merge #${a.seq} into #${b.seq}`, () => this.pair(a, b, "merge")]];
  }

  contextMenu(event, node) {
    if (!node) return;
    event.preventDefault();
    const here = this.byId.get(this.data.here);
    const go = [`Continue from #${node.seq}`, () => this.pick(node)];
    this.openMenu(node, here && here !== node ? [go, ...this.pairing(node, here)] : [go]);
  }

  openMenu(node, items) {
    this.hover(null);
    this.menu.replaceChildren(
      ...items.map(([text, action]) => {
        const item = element("button", { type: "button", textContent: text });
        item.setAttribute("role", "menuitem");
        item.addEventListener("click", () => {
          this.closeMenu();
          action();
        });
        return item;
      }),
    );
    const button = this.buttons.get(node.id);
    this.menu.showPopover();
    this.place(this.menu, button.getBoundingClientRect());
    this.menu.firstElementChild.focus();
    this.left = button; // where the focus goes back to
    addEventListener("pointerdown", this.closing, { capture: true });
  }

  closeMenu() {
    removeEventListener("pointerdown", this.closing, { capture: true });
    if (this.menu.matches(":popover-open")) this.menu.hidePopover();
  }

  menuKey(event) {
    const items = [...this.menu.children];
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) items.at((items.indexOf(event.target) + by) % items.length).focus();
    else if (event.key === "Escape" || event.key === "Tab") this.closeMenu(), this.left.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Keys.

  key(event, node) {
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const here = this.byId.get(this.data.here);
    if (STEP_KEYS.includes(event.key)) this.go(this.next(node, event.key));
    else if (event.key.toLowerCase() === "c" && here && here !== node) this.pair(node, here, "compare");
    else if (event.key === "Escape") this.endDrag();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  next(node, key) {
    const seen = this.data.nodes.filter((n) => this.buttons.get(n.id).offsetParent !== null);
    const row = seen.filter((n) => n.row === node.row).sort((a, b) => a.column - b.column);
    if (key === "Home") return row[0];
    if (key === "End") return row.at(-1);
    if (key === "ArrowLeft") return seen.find((n) => n.id === node.parents[0]);
    const children = seen.filter((n) => n.parents[0] === node.id);
    if (key === "ArrowRight") return children.find((n) => n.row === node.row || n.line) ?? children[0];
    const way = key === "ArrowUp" ? -1 : 1;
    const distance = (n) => (n.row - node.row) * way * 1000 + Math.abs(n.column - node.column);
    return seen.filter((n) => (n.row - node.row) * way > 0).sort((a, b) => distance(a) - distance(b))[0];
  }

  go(node) {
    if (!node) return;
    this.focusable(node);
    const button = this.buttons.get(node.id);
    button.focus();
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.hover(node, 0);
  }

  // Dragging one onto another; on a touch screen, which scrolls then, a long press opens the menu instead.

  down(event, node) {
    this.pressed = false;
    if (!node || event.button !== 0) return;
    if (event.pointerType === "touch") this.holding = setTimeout(() => this.hold(event, node), 500);
    else this.drag = { node, x: event.clientX, y: event.clientY, button: this.buttons.get(node.id) };
  }

  hold(event, node) {
    this.pressed = true;
    this.contextMenu(event, node);
  }

  move(event) {
    if (event.pointerType === "touch") return;
    const { drag } = this;
    if (!drag || (!drag.moving && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 6)) return;
    if (!drag.moving) this.lift(event);
    Object.assign(this.ghost.style, { left: `${event.clientX}px`, top: `${event.clientY}px` });
    const box = this.scroller.getBoundingClientRect();
    const pull = (at, low, high) => (at < low + 32 ? -12 : at > high - 32 ? 12 : 0);
    this.scroller.scrollBy(pull(event.clientX, box.left, box.right), pull(event.clientY, box.top, box.bottom));
    const under = this.nodeAt(this.root.getRootNode().elementFromPoint(event.clientX, event.clientY));
    this.aim(under === drag.node ? undefined : under);
  }

  lift(event) {
    this.hover(null);
    this.drag.moving = true;
    this.drag.button.setPointerCapture(event.pointerId);
    this.drag.button.classList.add("lifted");
    this.ghost.replaceChildren(element("img", { className: "thumb", src: this.drag.node.thumb, alt: "" }));
    this.ghost.showPopover();
  }

  aim(target) {
    this.buttons.get(this.drag.target?.id)?.classList.remove("target");
    this.buttons.get(target?.id)?.classList.add("target");
    this.drag.target = target;
  }

  drop() {
    clearTimeout(this.holding);
    const { node, target, moving } = this.drag ?? {};
    this.endDrag();
    this.pressed ||= Boolean(moving);
    setTimeout(() => {
      this.pressed = false; // the click that may end a drag is over
      if (target) this.openMenu(target, this.pairing(node, target));
    });
  }

  endDrag() {
    clearTimeout(this.holding);
    if (!this.drag) return;
    if (this.drag.moving) this.ghost.hidePopover();
    this.aim(undefined);
    this.drag.button.classList.remove("lifted");
    this.drag = null;
  }
}

const timelines = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".timeline");
  if (!timelines.has(root)) timelines.set(root, new Timeline(root));
  const timeline = timelines.get(root);
  timeline.update(data, setTriggerValue);
  return () => timeline.leave();
}
