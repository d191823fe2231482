// Holds an AsyncAPI document against AsyncAPI's own parser: what is wrong goes to standard error, a line each, and then the exit code is 1.
// Run through `make asyncapi`, which writes the document first.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const WARNING = 1;
const NEWER = "asyncapi-latest-version"; // 3.0 is what other systems' tools read
const WORDS = ["error", "warning", "information", "hint"];
const file = process.argv[2];
const { document, diagnostics: found } = await new Parser().parse(readFileSync(file, "utf8"), { source: file });
const diagnostics = found.filter(({ code }) => code !== NEWER);
for (const { severity, path, message, range } of diagnostics) {
  console.error(`${file}:${range.start.line + 1}: ${WORDS[severity]}: ${message} (${path.join(".")})`);
}
if (!document || diagnostics.some(({ severity }) => severity === ERROR || severity === WARNING)) process.exit(1);
console.log(`${file}: AsyncAPI ${document.version()}, ${document.operations().length} operations, ${document.messages().length} messages`);
