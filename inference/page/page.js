/** The page: how a photo, or numbers, become a question. */

import { Problem, read } from "./api.js";
import { ask } from "./asking.js";
import { build } from "./features.js";
import { remember } from "./history.js";
import { prepare } from "./photo.js";
import { answered, cancelled, element, failed, preparing, sending, waiting } from "./view.js";
import { bytes } from "./words.js";

let current = new AbortController();
let repeat = () => {};
let limit = Infinity; // bytes of a body, once the service has told

/** Give up what is under way; return what the next question is given up by. */
function begin() {
  current.abort();
  current = new AbortController();
  return current;
}

/** Ask. `onAnswer` gets the answer and the seconds that it took. */
async function put(question, onAnswer, mine = begin()) {
  repeat = () => put(question, onAnswer);
  const size = question.body.size ?? question.body.length;
  const watcher = { sending: (sent) => sending(question.what, size, sent), waiting };
  try {
    const { answer, seconds } = await ask(question, watcher, mine.signal);
    onAnswer(answer, seconds);
  } catch (problem) {
    if (mine !== current) {
      return; // another question has taken its place
    }
    if (mine.signal.aborted) {
      cancelled();
    } else {
      failed(problem);
    }
  }
}

async function askAboutPhoto(file) {
  const mine = begin();
  repeat = () => askAboutPhoto(file);
  preparing();
  const body = await look(file, mine);
  if (!body) {
    return;
  }
  if (body.size > limit) {
    failed(new Problem(`It has ${bytes(body.size)}; the service takes at most ${bytes(limit)}.`, { status: 413 }));
    return;
  }
  // The service judges the content; what a file is called says little about it.
  const question = { body, type: "application/octet-stream", what: file.name || "the photo" };
  const onAnswer = (answer, seconds) => {
    answered(answer, seconds);
    remember(element("preview"), answer.predictions[0], async () => {
      if (await look(file, begin())) {
        answered(answer, seconds);
      }
    });
  };
  await put(question, onAnswer, mine);
}

/** Show a photo and what was changed in it. Return what to send of it; null when another photo came meanwhile. */
async function look(file, mine) {
  const { body, note, visible } = await prepare(file, element("preview"), limit);
  if (mine !== current) {
    return null;
  }
  element("preview").alt = file.name ?? "";
  element("shown").hidden = !visible;
  element("scaled").textContent = note;
  return body;
}

function acceptPhotos() {
  for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
    element(button).addEventListener("click", () => element(input).click());
    element(input).addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = ""; // so that the same file can be chosen again
      if (file) {
        askAboutPhoto(file);
      }
    });
  }
  const over = (inside) => document.body.classList.toggle("over", inside);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => over(event.relatedTarget !== null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    takeFirst(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => takeFirst(event.clipboardData));
}

function takeFirst({ files }) {
  if (files.length && !element("photo").hidden) {
    askAboutPhoto(files[0]);
  }
}

function acceptNumbers(names) {
  document.title = element("title").textContent = "What is it?";
  element("subtitle").textContent = "Give the measurements; the model says what they belong to.";
  element("photo").hidden = true;
  build(element("form"), element("fields"), names, (features) =>
    put({ body: JSON.stringify({ features }), type: "application/json", what: "the measurements" }, answered),
  );
}

element("cancel").addEventListener("click", () => current.abort());
element("again").addEventListener("click", () => repeat());
acceptPhotos();

const [description, version] = await Promise.all([read("openapi.json"), read("version")]);
const accepted = description?.paths["/predict"].post.requestBody.content ?? {};
limit = accepted["image/jpeg"]?.schema.maxLength ?? limit;
const features = accepted["application/json"]?.schema.properties.features;
if (features) {
  acceptNumbers(features.prefixItems.map(({ title }) => title));
}
if (version) {
  element("model").textContent = `Model ${version.model.name} ${version.model.version}.`;
}
