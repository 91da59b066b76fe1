// Showing pictures: without a flash when they change, and as close as one likes.
// Joined in front of stage.js, not a module of its own.

const MAX_ZOOM = 8;
const FADE = 200; // ms

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// Pictures on top of each other: a new one is decoded before it fades in over the old one, which goes only then.
class Layers {
  constructor(box) {
    this.box = box;
    this.url = null;
  }

  get top() {
    return this.box.lastElementChild;
  }

  // True once this picture is what is shown; false where a newer one overtook it or it cannot be loaded.
  async show(url, alt) {
    if (url === this.url) {
      if (this.top) this.top.alt = alt;
      return Boolean(this.top) && this.top.shows === url;
    }
    this.url = url;
    if (!url) return this.box.replaceChildren() ?? true;
    let image;
    try {
      image = await decoded(url);
    } catch {
      if (this.url === url) this.url = null; // so that the next run of the script tries again
      return false;
    }
    if (this.url !== url) return false;
    this.swap(Object.assign(image, { alt, className: "picture", draggable: false, shows: url }));
    return true;
  }

  swap(image) {
    const old = [...this.box.children];
    const ratio = image.naturalWidth / image.naturalHeight;
    image.style.setProperty("--ratio", ratio);
    this.box.append(image);
    const timing = { duration: old.length && !calm() ? FADE : 0, fill: "forwards" };
    const otherShape = (layer) => Math.abs(layer.naturalWidth / layer.naturalHeight / ratio - 1) > 0.01;
    for (const layer of old.filter(otherShape)) layer.animate([{ opacity: 1 }, { opacity: 0 }], timing);
    const entry = image.animate([{ opacity: 0 }, { opacity: 1 }], timing);
    entry.finished.then(() => old.forEach((layer) => layer.remove()), () => {});
  }
}

// The magnifying glass: which part of the area's picture is shown, and how large. `window` is the picture unmagnified.
class Glass {
  constructor(area, window, changed) {
    Object.assign(this, { area, window, changed, zoom: 1, x: 0, y: 0 });
  }

  show(zoom, x, y) {
    const area = this.area.getBoundingClientRect();
    const { width, height } = this.window.getBoundingClientRect();
    const right = Math.max(0, (width * zoom - area.width) / 2);
    const down = Math.max(0, (height * zoom - area.height) / 2);
    Object.assign(this, { zoom, x: clamp(x, -right, right), y: clamp(y, -down, down) });
    this.area.style.setProperty("--zoom", zoom);
    this.area.style.setProperty("--x", `${this.x}px`);
    this.area.style.setProperty("--y", `${this.y}px`);
    this.changed();
  }

  reset() {
    this.show(1, 0, 0);
  }

  // Magnify around a point of the screen, which stays where it is.
  at({ clientX, clientY }, factor) {
    const { left, top, width, height } = this.area.getBoundingClientRect();
    const zoom = clamp(this.zoom * factor, 1, MAX_ZOOM);
    const k = zoom / this.zoom;
    const [px, py] = [clientX - left - width / 2, clientY - top - height / 2];
    this.show(zoom, px - (px - this.x) * k, py - (py - this.y) * k);
  }

  step(factor) {
    this.show(clamp(this.zoom * factor, 1, MAX_ZOOM), this.x * factor, this.y * factor);
  }

  // Drags: by one pointer, or by two that also move apart.
  panning(event) {
    const { x, y } = this;
    event.preventDefault();
    return { move: (e) => this.show(this.zoom, x + e.clientX - event.clientX, y + e.clientY - event.clientY) };
  }

  pinching(pointers) {
    const measure = () => {
      const [a, b] = [...pointers.values()];
      const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
      return { ...middle, apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1 };
    };
    let old = measure();
    const move = () => {
      if (pointers.size < 2) return;
      const now = measure();
      this.show(this.zoom, this.x + now.clientX - old.clientX, this.y + now.clientY - old.clientY);
      this.at(now, now.apart / old.apart);
      old = now;
    };
    return { move };
  }
}
