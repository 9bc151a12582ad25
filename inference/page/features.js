/** The form for models that take named numbers instead of a photo. */

import { make } from "./view.js";

/** Fill the form with one field per name, and call `onSubmit` with the numbers. */
export function build(form, fields, names, onSubmit) {
  const inputs = names.map(field);
  fields.replaceChildren(...inputs.map((input) => input.parentElement));
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (inputs.map(check).every(Boolean)) {
      onSubmit(inputs.map((input) => input.valueAsNumber));
    } else {
      inputs.find((input) => !input.checkValidity()).focus();
    }
  });
  // A row of a spreadsheet or CSV file fills all fields from the first on.
  inputs[0].addEventListener("paste", (event) => {
    const values = event.clipboardData.getData("text").trim().split(/[\s,;]+/);
    if (values.length > 1) {
      event.preventDefault();
      inputs.forEach((input, index) => (input.value = values[index] ?? ""));
    }
  });
}

function field(name, index) {
  const input = make("input", "");
  Object.assign(input, { id: `feature-${index}`, type: "number", step: "any", required: true, autocomplete: "off" });
  input.setAttribute("aria-describedby", `problem-${index}`);
  const label = make("label", "", name.replaceAll("_", " "));
  label.htmlFor = input.id;
  const problem = make("span", "invalid");
  problem.id = `problem-${index}`;
  make("div", "field", label, input, problem);
  return input;
}

/** Say beside the field what it lacks; true when it is a number. */
function check(input) {
  const valid = input.checkValidity();
  input.setAttribute("aria-invalid", String(!valid));
  input.nextElementSibling.textContent = valid ? "" : "A number is needed here.";
  return valid;
}
