/** The card with the answer: progress, problems and predictions. */

import { bytes, duration, explain, percent } from "./words.js";

const SURE = 0.5;
const PARTS = ["busy", "problem", "answer"];

export const element = (id) => document.getElementById(id);

/** Make an element; `text` never becomes HTML. */
export function make(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

// The status is a live region of its own: what it says is read aloud. The countdown changes too often for that.
function say(text, visible = true) {
  const status = element("status");
  if (status.textContent !== text) {
    status.textContent = text;
  }
  status.classList.toggle("quiet", !visible);
}

// Show one of the card's parts. When the button that had the focus goes with its part, the focus stays in the card.
function show(part, focus) {
  const card = element("result");
  if (!element(part).hidden) {
    return;
  }
  const had = card.contains(document.activeElement);
  for (const id of PARTS) {
    element(id).hidden = id !== part;
  }
  if (part !== "problem") {
    element("alert").replaceChildren();
  }
  card.hidden = false;
  card.scrollIntoView({ block: "nearest" });
  if (had) {
    (element(focus).hidden ? card : element(focus)).focus();
  }
}

/** The photo is being made ready. */
export function preparing() {
  say("Preparing the photo…");
  element("progress").hidden = true;
  element("countdown").textContent = "";
  show("busy", "cancel");
}

/** The body is on its way: `sent` of it, 0 to 1. */
export function sending(what, size, sent) {
  const waiting = sent === 1;
  say(waiting ? "The model is looking…" : `Sending ${what}, ${bytes(size)}…`);
  element("progress").hidden = waiting;
  element("progress").value = sent;
  element("countdown").textContent = waiting ? "" : `${Math.round(100 * sent)}%`;
  show("busy", "cancel");
}

/** The service is busy, and is asked again by itself. */
export function waiting({ message }, seconds) {
  say(`The service is busy, and will be asked again. ${message}`);
  element("progress").hidden = true;
  element("countdown").textContent = `Next attempt in ${seconds} s`;
  show("busy", "cancel");
}

/** Nothing is asked any more, because the person wants so. */
export function cancelled() {
  say("Cancelled.");
  element("problem").classList.remove("failed");
  element("reference").textContent = "";
  element("again").hidden = false;
  show("problem", "again");
}

export function failed(problem) {
  const { title, message, advice, worthRepeating } = explain(problem);
  say("");
  element("problem").classList.add("failed");
  element("reference").textContent = problem.requestId ? `Request ${problem.requestId}` : "";
  element("again").hidden = !worthRepeating;
  show("problem", "again");
  element("alert").replaceChildren(make("h2", "", title), make("p", "", message), make("p", "", advice));
}

/** Show an answer. `seconds` is what it took from here. */
export function answered({ predictions, latency_seconds: latency, model }, seconds) {
  const [best] = predictions;
  const sentence = best.confidence < SURE ? `Not sure; perhaps ${best.class}` : best.class;
  element("best").textContent = sentence;
  element("predictions").replaceChildren(...predictions.map(row));
  element("latency").textContent =
    `Answered in ${duration(latency)}, ${duration(seconds)} with the way there and back, by ${model.name} ${model.version}.`;
  say(`${sentence}, ${percent(best.confidence)}.`, false);
  show("answer", "best");
}

function row({ class: name, confidence }) {
  const bar = make("span", "bar");
  bar.setAttribute("aria-hidden", "true");
  bar.append(make("span", ""));
  bar.firstChild.style.setProperty("--part", confidence);
  return make("li", "", make("span", "name", name), " ", make("span", "percent", percent(confidence)), bar);
}
