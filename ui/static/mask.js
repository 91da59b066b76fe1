// A mask that is looked at or painted, on a canvas of its own. Knows no pointers: strokes come as points in its pixels.
// Joined in front of stage.js, not a module of its own.

const MASK_SIDE = 1024; // its longer side, in pixels

// A mask as it is being painted: a base (the mask to correct) and strokes, so that undo is drawing one stroke less.
class Mask {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.start(1, 1);
  }

  // An empty one, for a picture of this size.
  start(width, height) {
    const scale = Math.min(1, MASK_SIDE / Math.max(width, height));
    this.canvas.width = Math.max(1, Math.round(width * scale));
    this.canvas.height = Math.max(1, Math.round(height * scale));
    this.strokes = [];
    this.base = null;
  }

  get side() {
    return Math.max(this.canvas.width, this.canvas.height);
  }

  get empty() {
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    for (let i = 3; i < data.length; i += 4) if (data[i] > 127) return false;
    return true;
  }

  // The base in one colour, as large as the canvas.
  tinted(color) {
    const shape = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const context = shape.getContext("2d");
    if (this.base) context.drawImage(this.base, 0, 0, shape.width, shape.height);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = color;
    context.fillRect(0, 0, shape.width, shape.height);
    return shape;
  }

  // To look at: translucent, with a white outline that can be seen on every picture.
  present(color) {
    const { canvas, context } = this;
    const outline = this.tinted("#fff");
    const step = Math.max(1, this.side / 500);
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let angle = 0; angle < 2 * Math.PI; angle += Math.PI / 4) {
      context.drawImage(outline, step * Math.cos(angle), step * Math.sin(angle));
    }
    context.globalCompositeOperation = "destination-out";
    context.drawImage(outline, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 0.45;
    context.drawImage(this.tinted(color), 0, 0);
    context.globalAlpha = 1;
  }

  // To paint on: opaque; the page makes it translucent.
  redraw(color) {
    this.color = color;
    this.context.globalCompositeOperation = "source-over";
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.context.drawImage(this.tinted(color), 0, 0);
    for (const stroke of this.strokes) this.draw(stroke, 0);
  }

  stroke(size, erase, point) {
    const stroke = { size, erase, points: [point] };
    this.strokes.push(stroke);
    this.draw(stroke, 0);
    return stroke;
  }

  extend(stroke, points) {
    const from = stroke.points.length;
    stroke.points.push(...points);
    this.draw(stroke, from);
  }

  // A stroke from its point number `from` on: soft round dabs, close together.
  draw(stroke, from) {
    const { context, canvas } = this;
    if (stroke.clear) return context.clearRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
    const radius = stroke.size / 2;
    const dab = this.dab(radius);
    for (let i = from; i < stroke.points.length; i++) {
      const [x1, y1] = stroke.points[i];
      const [x0, y0] = stroke.points[Math.max(i - 1, 0)];
      const count = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(1, radius / 4)));
      for (let k = 1; k <= count; k++) {
        const [x, y] = [x0 + ((x1 - x0) * k) / count, y0 + ((y1 - y0) * k) / count];
        context.drawImage(dab, x - dab.width / 2, y - dab.height / 2);
      }
    }
  }

  // Its edge falls off around the radius, so that a stroke is as wide as the brush says.
  dab(radius) {
    const side = Math.ceil(radius * 2.2) + 2;
    const dab = new OffscreenCanvas(side, side);
    const context = dab.getContext("2d");
    const middle = side / 2;
    const gradient = context.createRadialGradient(middle, middle, radius * 0.85, middle, middle, radius * 1.08);
    gradient.addColorStop(0, "#000f");
    gradient.addColorStop(1, "#0000");
    context.fillStyle = gradient;
    context.fillRect(0, 0, side, side);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = this.color;
    context.fillRect(0, 0, side, side);
    return dab;
  }

  // The mask as base64 PNG; its alpha is what counts.
  png() {
    return this.canvas.toDataURL("image/png").split(",")[1];
  }
}
