"use strict";

const drop = document.getElementById("drop");
const photo = document.getElementById("photo");
const preview = document.getElementById("preview");
const status = document.getElementById("status");
const answers = document.getElementById("answers");

function say(text, isError = false) {
  status.textContent = text;
  status.classList.toggle("error", isError);
}

function percent(confidence) {
  return `${(100 * confidence).toFixed(confidence < 0.1 ? 1 : 0)}%`;
}

function show(answer) {
  const rows = answer.predictions.map(({ class: name, confidence }) => {
    const row = document.createElement("tr");
    const meter = document.createElement("meter");
    meter.value = confidence;
    meter.setAttribute("aria-label", name);
    row.insertCell().textContent = name;
    row.insertCell().append(meter, ` ${percent(confidence)}`);
    return row;
  });
  answers.tBodies[0].replaceChildren(...rows);
  answers.hidden = false;
  const [best] = answer.predictions;
  const milliseconds = Math.round(1000 * answer.latency_seconds);
  say(`${best.class}, ${percent(best.confidence)} (${milliseconds} ms, ${answer.model.name} ${answer.model.version})`);
}

async function ask(file) {
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  answers.hidden = true;
  say("Looking…");
  const form = new FormData();
  form.append("file", file);
  try {
    const response = await fetch("/predict", { method: "POST", body: form });
    const answer = await response.json();
    if (response.ok) {
      show(answer);
    } else {
      say(answer.error.message, true);
    }
  } catch {
    say("The service did not answer. Try again.", true);
  }
}

photo.addEventListener("change", () => photo.files.length && ask(photo.files[0]));
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) {
    ask(event.dataTransfer.files[0]);
  }
});
