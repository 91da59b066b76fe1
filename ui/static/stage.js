// The canvas of the page: a picture, a before/after slider, a mask to look at or to paint, a box to drag.
// It draws and measures; what a mask or a box is good for is Python's to say.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOVING = 2000; // ms between an old stage and the new one that takes its picture over
const KEYS = {
  brush: "Paint the mask: arrow keys move the brush, space lowers and lifts it",
  box: "Drag a box: arrow keys move it, with shift they size it",
};

/** Pictures of so few pixels a row show them one by one. */
const TINY = 128;

class Stage {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.root = find(".stage");
    this.area = find(".area");
    this.over = find(".over");
    this.window = find(".window");
    this.divider = find(".divider");
    this.cursor = find(".cursor");
    this.frame = find(".box");
    this.bar = find(".bar");
    this.note = find(".note");
    this.lost = find(".lost");
    this.size = find("input");
    this.whole = find(".zoom");
    this.labels = [find("#left"), find("#right")];
    this.buttons = Object.fromEntries([...root.querySelectorAll("[data-do]")].map((b) => [b.dataset.do, b]));
    this.after = new Layers(find(".after"));
    this.before = new Layers(find(".before > .zoomed"));
    this.mask = new Mask(find("canvas"));
    this.glass = new Glass(this.area, this.window, () => this.magnified());
    this.pointers = new Map();
    this.listen();
    this.slideTo(0.5);
  }

  listen() {
    const on = (type, handler, options) => this.area.addEventListener(type, handler.bind(this), options);
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("pointerleave", () => this.cursor.classList.remove("inside"));
    on("dblclick", () => this.scene.mode === "slide" && this.slideTo(0.5));
    on("wheel", this.wheel, { passive: false });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("keyup", (event) => event.key.toLowerCase() === "m" && this.peek(false));
    this.whole.addEventListener("click", () => this.glass.reset());
    for (const [name, button] of Object.entries(this.buttons)) {
      button.addEventListener("click", () => this.act(name));
    }
  }

  async update(scene, send, keep) {
    const old = this.scene ?? {};
    Object.assign(this, { scene, send, keep });
    this.root.dataset.mode = scene.mode;
    this.root.style.setProperty("--ratio", scene.width / scene.height);
    this.describe(scene);
    if (["mode", "mask", "after"].some((part) => scene[part] !== old[part])) this.begin(scene);
    else this.redraw(); // the theme may have changed
    if (scene.width * old.height !== scene.height * old.width) this.glass.reset();
    if (scene.before !== old.before || scene.after !== old.after) this.labels.forEach((label) => (label.textContent = ""));
    if (scene.before !== old.before) this.before.show(null); // no pair that never was
    const loading = [this.after.show(scene.after, scene.alt)];
    if (scene.mode === "slide") loading.push(this.before.show(scene.before, scene.labels[0]));
    const loaded = await Promise.all(loading);
    if (this.scene !== scene) return;
    this.labels.forEach((label, i) => (label.textContent = scene.labels[i]));
    this.lost.textContent = loaded.every(Boolean) ? "" : "The picture could not be loaded. What you see is the last one.";
    this.magnified();
  }

  describe(scene) {
    this.area.setAttribute("aria-label", KEYS[scene.mode] ?? scene.alt);
    this.area.tabIndex = scene.mode === "slide" ? -1 : 0; // there the divider is what has the focus
    this.buttons.use.textContent = scene.mode === "box" ? "Use this box" : "Use this mask";
    this.bar.classList.toggle("busy", scene.busy !== null);
    this.bar.style.setProperty("--done", scene.busy ?? 0);
    this.bar.setAttribute("aria-valuenow", Math.round(100 * (scene.busy ?? 0)));
  }

  // Afresh: another picture, another mask, another thing to do.
  async begin(scene) {
    this.mask.start(scene.width, scene.height);
    this.box = null;
    this.erasing = false;
    this.pen = null;
    this.showBox();
    this.redraw();
    if (drafted) this.keepDraft(null);
    this.tell(scene.mode === "box" ? "Drag a box over the picture." : "");
    if (!scene.mask) return;
    const base = await decoded(scene.mask).catch(() => null);
    if (this.scene.mask !== scene.mask || this.scene.mode !== scene.mode) return;
    this.mask.base = base;
    this.redraw();
    if (!base) this.tell("The mask could not be loaded.");
  }

  redraw() {
    const accent = getComputedStyle(this.root).getPropertyValue("--mask").trim();
    if (this.scene.mode === "mask") this.mask.present(accent);
    if (this.scene.mode === "brush") this.mask.redraw(accent);
  }

  tell(note) {
    this.note.textContent = note;
    this.buttons.paint.setAttribute("aria-pressed", !this.erasing);
    this.buttons.erase.setAttribute("aria-pressed", this.erasing);
    this.buttons.undo.disabled = !this.mask.strokes.length;
    this.buttons.use.disabled = this.scene.mode === "box" && !this.box;
  }

  // Pointers. One drags what the mode says, two pinch.

  down(event) {
    if (event.target.closest("button") || event.button > 1) return;
    this.area.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size > 1) this.gesture?.cancel?.();
    this.gesture = this.pointers.size > 1 ? this.glass.pinching(this.pointers) : this.gestureAt(event);
  }

  move(event) {
    if (this.scene.mode === "brush") this.moveCursor(event);
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event);
    this.gesture?.move(event);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.type === "pointercancel") this.gesture?.cancel?.();
    else this.gesture?.end?.();
    this.gesture = null;
  }

  // What a drag from here does: a `move`, perhaps an `end` and a `cancel`; or nothing.
  gestureAt(event) {
    const { mode } = this.scene;
    const fromDivider = Math.abs(event.clientX - this.divider.getBoundingClientRect().left);
    const working = mode === "brush" || mode === "box" || (mode === "slide" && fromDivider < 24);
    if (event.button === 1 || (this.glass.zoom > 1 && !working)) return this.glass.panning(event);
    const gestures = { slide: this.sliding, mask: this.peeking, brush: this.painting, box: this.boxing };
    return gestures[mode]?.call(this, event);
  }

  sliding(event) {
    const move = (e) => this.slideTo(this.fraction(this.window, e)[0]);
    event.preventDefault();
    this.divider.focus({ preventScroll: true });
    move(event);
    return { move };
  }

  peeking() {
    const end = () => this.peek(false);
    this.peek(true);
    return { move() {}, end, cancel: end };
  }

  painting(event) {
    const stroke = this.startStroke(event);
    const move = (e) => {
      const passed = e.getCoalescedEvents?.() ?? [];
      this.mask.extend(stroke, (passed.length ? passed : [e]).map((p) => this.spot(p)));
    };
    return { move, end: () => this.tellDraft(), cancel: () => this.act("undo") };
  }

  boxing(event) {
    const [x, y] = this.fraction(this.over, event);
    const move = (e) => {
      const [u, v] = this.fraction(this.over, e);
      this.showBox([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)]);
    };
    const end = () => {
      const [x0, y0, x1, y1] = this.box ?? [0, 0, 0, 0];
      if (Math.min(x1 - x0, y1 - y0) < 0.005) this.showBox(null);
      this.tell(this.box ? "" : "Drag a box over the picture.");
      this.tellDraft();
    };
    return { move, end, cancel: end };
  }

  wheel(event) {
    const pinch = event.ctrlKey || event.metaKey;
    const working = this.glass.zoom > 1 || this.scene.mode === "brush" || this.scene.mode === "box";
    if (!pinch && !working) return; // a plain wheel scrolls the page, except where one is at work on the picture
    event.preventDefault();
    this.glass.at(event, Math.exp(-event.deltaY * (pinch ? 0.01 : 0.002)));
  }

  // Where a pointer is on an element, in fractions of it.
  fraction(element, { clientX, clientY }) {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [clamp((clientX - left) / width, 0, 1), clamp((clientY - top) / height, 0, 1)];
  }

  // Where a pointer is in pixels of the mask; outside of the picture too, so that a stroke may leave it.
  spot({ clientX, clientY }) {
    const { left, top, width } = this.over.getBoundingClientRect();
    const scale = this.mask.canvas.width / width;
    return [(clientX - left) * scale, (clientY - top) * scale];
  }

  // The brush keeps its size on the screen: the closer one looks, the finer it paints.
  startStroke(at) {
    const size = ((this.size.value / 100) * this.mask.side) / this.glass.zoom;
    const stroke = this.mask.stroke(size, this.erasing, this.spot(at));
    this.tell("");
    return stroke;
  }

  moveCursor({ clientX, clientY }) {
    const area = this.area.getBoundingClientRect();
    const { width, height } = this.window.getBoundingClientRect();
    const side = `${(this.size.value / 100) * Math.max(width, height)}px`;
    const place = { left: `${clientX - area.left}px`, top: `${clientY - area.top}px`, width: side, height: side };
    Object.assign(this.cursor.style, place);
    this.cursor.classList.add("inside");
    this.at = { clientX, clientY };
  }

  slideTo(split) {
    this.split = clamp(split, 0, 1);
    this.root.style.setProperty("--split", `${100 * this.split}%`);
    this.divider.setAttribute("aria-valuenow", Math.round(100 * this.split));
  }

  peek(on) {
    this.root.classList.toggle("peeking", on);
  }

  showBox(box = this.box) {
    this.box = box;
    this.frame.classList.toggle("drawn", Boolean(box));
    const [left, top, right, bottom] = (box ?? [0, 0, 0, 0]).map((v) => 100 * v);
    const place = { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` };
    Object.assign(this.frame.style, place);
  }

  // Above two screen pixels to a pixel of the picture, pixels are shown as what they are.
  magnified() {
    const { zoom } = this.glass;
    const shown = this.window.getBoundingClientRect().width * zoom * devicePixelRatio;
    this.root.classList.toggle("deep", zoom > 1);
    const width = this.after.top?.naturalWidth ?? Infinity;
    this.root.classList.toggle("crisp", (zoom > 1 || width <= TINY) && shown > 2 * width);
    this.whole.textContent = `${zoom.toFixed(1)}×`;
  }

  // Keys. A table a mode; what is not in it is the page's.

  key(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const typed = event.ctrlKey || event.metaKey ? `Ctrl+${key}` : key;
    const onControl = event.target.closest("button, input");
    if (onControl && (key in ARROWS || ["Enter", " ", "Home", "End"].includes(key))) return;
    const action = { ...this.looking(), ...this[`${this.scene.mode}Keys`]?.(event) }[typed];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  looking() {
    const closer = () => this.glass.step(1.5);
    return { 0: () => this.glass.reset(), "+": closer, "=": closer, "-": () => this.glass.step(1 / 1.5) };
  }

  slideKeys() {
    const by = (amount) => () => this.slideTo(this.split + amount);
    const ends = { Home: () => this.slideTo(0), End: () => this.slideTo(1), PageUp: by(0.2), PageDown: by(-0.2) };
    return { ArrowLeft: by(-0.05), ArrowDown: by(-0.05), ArrowRight: by(0.05), ArrowUp: by(0.05), ...ends };
  }

  maskKeys() {
    return { m: () => this.peek(true) };
  }

  brushKeys() {
    const size = (factor) => () => {
      this.size.value *= factor;
      if (this.at) this.moveCursor(this.at);
    };
    const steps = Object.fromEntries(Object.keys(ARROWS).map((key) => [key, () => this.moveBrush(ARROWS[key])]));
    const pen = () => {
      this.moveBrush([0, 0]);
      this.pen = this.pen ? null : this.startStroke(this.at);
      this.tell(this.pen ? "The brush is down." : "The brush is up.");
      if (!this.pen) this.tellDraft();
    };
    const over = () => this.act(this.erasing ? "paint" : "erase");
    const ends = { "Ctrl+z": () => this.act("undo"), Enter: () => this.act("use"), Escape: () => this.act("cancel") };
    return { "[": size(0.8), "]": size(1.25), x: over, " ": pen, ...steps, ...ends };
  }

  moveBrush([dx, dy]) {
    const { left, top, width, height } = this.window.getBoundingClientRect();
    const { clientX, clientY } = this.at ?? { clientX: left + width / 2, clientY: top + height / 2 };
    const [x, y] = [clientX + (dx * width) / 64, clientY + (dy * width) / 64];
    this.moveCursor({ clientX: clamp(x, left, left + width), clientY: clamp(y, top, top + height) });
    if (this.pen) this.mask.extend(this.pen, [this.spot(this.at)]);
  }

  boxKeys(event) {
    const steps = Object.keys(ARROWS).map((key) => [key, () => this.moveBox(ARROWS[key], event.shiftKey)]);
    return { ...Object.fromEntries(steps), Enter: () => this.act("use"), Escape: () => this.act("cancel") };
  }

  moveBox([dx, dy], sizing) {
    const [x0, y0, x1, y1] = this.box ?? [0.25, 0.25, 0.75, 0.75];
    const [u, v] = [clamp(dx / 50, sizing ? x0 - x1 + 0.02 : -x0, 1 - x1), clamp(dy / 50, sizing ? y0 - y1 + 0.02 : -y0, 1 - y1)];
    this.showBox(sizing ? [x0, y0, x1 + u, y1 + v] : [x0 + u, y0 + v, x1 + u, y1 + v]);
    this.tell("");
    this.tellDraft();
  }

  // Buttons, and the keys that stand for them.

  act(name) {
    this.pen = null;
    if (name === "paint" || name === "erase") this.erasing = name === "erase";
    if (name === "undo") this.mask.strokes.pop();
    if (name === "clear") this.mask.strokes.push({ clear: true });
    if (name === "undo" || name === "clear") this.redraw(), this.tellDraft();
    this.tell("");
    if (name === "cancel") this.send({ cancelled: true });
    if (name === "use" && this.scene.mode === "box") this.useBox();
    if (name === "use" && this.scene.mode === "brush") this.useMask();
  }

  useBox() {
    if (this.box) this.send({ box: this.box });
  }

  useMask() {
    if (this.mask.empty) return this.tell("Nothing is painted yet.");
    this.send({ mask: this.mask.png() });
  }

  // What is drawn so far. As a state, not an event, so that it comes with whatever is said next, however soon.
  tellDraft() {
    const { mode, after } = this.scene;
    if (mode === "box") this.keepDraft(this.box && { on: after, box: this.box });
    else this.keepDraft(this.mask.empty ? null : { on: after, mask: this.mask.png() });
  }

  keepDraft(draft) {
    drafted = Boolean(draft);
    this.keep(draft);
  }
}

const stages = new WeakMap();
let last = { stage: null, left: 0 };
let drafted = false; // whether the page holds a draft of ours
const folder = (url) => url.split("/").filter(Boolean).slice(0, 2).join("/"); // a session's pictures are in one

// Streamlit may take the stage away and put it elsewhere in its tree, in either order: the new one goes on from the
// picture of the one before.
export default function ({ parentElement, data, setTriggerValue, setStateValue }) {
  const root = parentElement.querySelector(".stage");
  if (!stages.has(root)) {
    stages.set(root, new Stage(parentElement));
    const picture = last.stage?.after.top;
    const close = picture && (performance.now() - last.left < MOVING || folder(picture.shows) === folder(data.after));
    if (close) stages.get(root).after.swap(picture);
  }
  const stage = stages.get(root);
  last = { stage, left: Infinity };
  stage.update(data, (value) => setTriggerValue("painted", value), (draft) => setStateValue("draft", draft));
  return () => last.stage === stage && (last.left = performance.now());
}
