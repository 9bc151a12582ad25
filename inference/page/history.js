/** The photos asked about in this visit: in memory only, gone with the page. */

import { element, make } from "./view.js";
import { thumbnail } from "./photo.js";
import { percent } from "./words.js";

const KEPT = 8;
const SIDE = 160;

/** Add the photo that an image element shows, and what is most probably in it, to the list; `recall` shows both again. */
export function remember(preview, { class: name, confidence }, recall) {
  const picture = preview.naturalWidth ? thumbnail(preview, SIDE) : "";
  const button = make("button", "", picture, make("span", "", `${name}, ${percent(confidence)}`));
  button.type = "button";
  button.addEventListener("click", recall);
  const list = element("earlier");
  list.prepend(make("li", "", button));
  while (list.children.length > KEPT) {
    list.lastChild.remove();
  }
  // With one photo the list would only repeat the answer.
  element("history").hidden = list.children.length < 2;
}
