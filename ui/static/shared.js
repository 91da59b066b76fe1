// What the scripts of the page's components share. Joined in front of them, not a module of its own.

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
