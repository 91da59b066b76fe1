// The plan as a form: one row a step, its amounts to change, to be dropped or moved, and one button that decides.
// Knows nothing of tools; values are checked where the plan is.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const list = parentElement.querySelector("ol");
  const actions = parentElement.querySelector(".actions");
  const form = parentElement.querySelector("form");
  const told = JSON.stringify(data);
  if (list.dataset.told === told) return; // a rerun of the script must not take back what is being typed
  list.dataset.told = told;

  list.replaceChildren(...data.steps.map((step, number) => row(step, number, data.fixed)));
  const decide = element("button", { type: "submit", className: "first", textContent: data.label });
  const again = element("button", { type: "button", textContent: "Back to the first plan" });
  actions.replaceChildren(decide, again);
  again.onclick = () => {
    list.replaceChildren(...data.steps.map((step, number) => row(step, number, data.fixed)));
    refresh();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    setTriggerValue("decided", [...list.children].map(read));
  };
  list.onclick = (event) => {
    const wanted = event.target.dataset.do;
    const item = event.target.closest("li");
    if (wanted === "drop") item.remove();
    if (wanted === "up") item.previousElementSibling?.before(item);
    if (wanted === "down") item.nextElementSibling?.after(item);
    if (wanted) refresh();
  };
  refresh();

  function refresh() {
    const items = [...list.children];
    items.forEach((item, place) => {
      const [up, down, drop] = ["up", "down", "drop"].map((name) => item.querySelector(`[data-do=${name}]`));
      if (up) up.disabled = place === 0;
      if (down) down.disabled = place === items.length - 1;
      drop.disabled = items.length === 1;
    });
  }
}

function row(step, number, fixed) {
  const item = element("li");
  item.dataset.step = number;
  item.append(element("span", { className: "title", textContent: step.title }));
  const images = (step.pictures || []).map((src) => element("img", { src, alt: "" }));
  const sounds = (step.sounds || []).map(sound);
  const start = element("span", { className: "start" });
  start.append(...images, ...sounds, step.why || "");
  for (const field of step.fields) item.append(labelled(field));
  const moves = fixed ? [] : [["up", "↑", "Earlier"], ["down", "↓", "Later"]];
  for (const [name, sign, title] of [...moves, ["drop", "×", "Leave this step out"]]) {
    const button = element("button", { type: "button", textContent: sign, title });
    button.setAttribute("aria-label", `${title}: ${step.title}`);
    button.dataset.do = name;
    item.append(button);
  }
  if (images.length || sounds.length || step.why) item.append(start);
  return item;
}

// A sound that a step works with, as `ui/waveform.py` shows one elsewhere.
function sound(one) {
  const said = element("span", { textContent: [one.label, one.trouble || one.heard].filter(Boolean).join(" · ") });
  const made = element("span", { className: "sound" });
  if (one.trouble) return made.append(said), made;
  const wave = element("span", { className: "wave", role: "img", ariaLabel: one.label });
  wave.style.maskImage = `url(${JSON.stringify(one.wave)})`;
  const player = element("audio", { controls: true, preload: "none", src: one.file, ariaLabel: `Play ${one.label}` });
  made.append(wave, player, said);
  return made;
}

function labelled(field) {
  const label = element("label", { textContent: field.name });
  label.append(field.kind === "choice" ? choice(field) : input(field));
  return label;
}

function input(field) {
  const made = element("input", { type: field.kind, name: field.name, value: field.value, required: field.kind !== "text" });
  if (field.kind === "number") {
    made.step = field.whole ? 1 : "any";
    if (field.low != null) made.min = field.low;
    if (field.high != null) made.max = field.high;
  }
  return made;
}

function choice(field) {
  const made = element("select", { name: field.name });
  made.append(...field.choices.map((value) => element("option", { value, textContent: value })));
  made.value = field.value;
  return made;
}

function read(item) {
  const args = {};
  for (const field of item.querySelectorAll("input, select")) {
    args[field.name] = field.type === "number" ? field.valueAsNumber : field.value;
  }
  return { step: Number(item.dataset.step), args };
}
