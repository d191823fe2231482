"use strict";
// Everything that comes from the server becomes text, never markup. The token stays in this page.

const at = (id) => document.getElementById(id);
const KEPT = ["query", "variables", "headers"];
const ACCEPT = "application/graphql-response+json, application/json;q=0.9, text/event-stream;q=0.8";
const SCHEMA = `{ __schema { queryType { name } mutationType { name } subscriptionType { name } types { kind name description
  fields(includeDeprecated: true) { name description deprecationReason args { ...I } type { ...T } }
  inputFields { ...I } enumValues(includeDeprecated: true) { name description deprecationReason } possibleTypes { name } interfaces { name } } } }
  fragment I on __InputValue { name description defaultValue type { ...T } }
  fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }`;

let running = null;
let types = new Map();

function headers() {
  const told = { "content-type": "application/json", accept: ACCEPT };
  for (const line of at("headers").value.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) told[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const token = at("token").value.trim();
  if (token) told.authorization = token.startsWith("Bearer ") ? token : `Bearer ${token}`;
  return told;
}

function ask(body, signal) {
  return fetch("/graphql", { method: "POST", headers: headers(), body: JSON.stringify(body), signal, credentials: "omit" });
}

function show(text) {
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* as it came */ }
  at("answer").textContent = shown;
}

async function follow(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let results = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (event.startsWith("event: next")) { results += 1; show(data); at("told").textContent = String(results); }
    }
  }
}

async function run(event) {
  event.preventDefault();
  if (running) running.abort();
  const mine = running = new AbortController();
  for (const id of KEPT) sessionStorage.setItem(id, at(id).value);
  at("stop").disabled = false;
  at("told").textContent = "…";
  const begun = performance.now();
  try {
    const body = { query: at("query").value };
    if (at("variables").value.trim()) body.variables = JSON.parse(at("variables").value);
    const response = await ask(body, mine.signal);
    if ((response.headers.get("content-type") || "").startsWith("text/event-stream")) { await follow(response); return; }
    show(await response.text());
    at("told").textContent = `${response.status}, ${Math.round(performance.now() - begun)} ms`;
  } catch (error) {
    if (error.name !== "AbortError") at("told").textContent = String(error.message);
  } finally {
    if (running === mine) { running = null; at("stop").disabled = true; }
  }
}

// ---------------------------------------------------------------------------------------------------------- the schema
function element(name, text, children = []) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function written(type) {
  if (type.kind === "NON_NULL") return `${written(type.ofType)}!`;
  return type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
}

function named(type) {
  return type.ofType ? named(type.ofType) : type.name;
}

function link(type) {
  const button = element("button", written(type));
  button.type = "button";
  button.addEventListener("click", () => open(named(type)));
  return button;
}

function input(argument) {
  return [`${argument.name}: `, link(argument.type), argument.defaultValue === null ? "" : ` = ${argument.defaultValue}`];
}

function field(told) {
  const args = (told.args || []).flatMap((each, index) => [index ? ", " : "", ...input(each)]);
  const line = element("dt", told.name, [...(args.length ? ["(", ...args, ")"] : []), ...(told.type ? [": ", link(told.type)] : [])]);
  return [line, element("dd", [told.description, told.deprecationReason && `@deprecated: ${told.deprecationReason}`].filter(Boolean).join(" "))];
}

function open(name) {
  const type = types.get(name);
  if (!type) return;
  const fields = [...(type.fields || []), ...(type.inputFields || []), ...(type.enumValues || [])];
  const others = [...(type.possibleTypes || []), ...(type.interfaces || [])].map((each) => element("li", "", [link(each)]));
  at("type").replaceChildren(
    element("h3", `${type.name} (${type.kind.toLowerCase()})`), element("p", type.description || ""),
    element("ul", "", others), element("dl", "", fields.flatMap(field)),
  );
}

function list() {
  const wanted = at("search").value.trim().toLowerCase();
  const fits = (type) => type.name.toLowerCase().includes(wanted) || (type.fields || []).some((each) => each.name.toLowerCase().includes(wanted));
  const found = [...types.values()].filter((type) => !wanted || fits(type));
  at("types").replaceChildren(...found.map((type) => element("li", "", [link({ kind: type.kind, name: type.name })])));
}

async function learn() {
  const told = await (await ask({ query: SCHEMA })).json();
  if (!told.data) { at("types").replaceChildren(element("li", told.errors[0].message)); return; }
  const roots = ["queryType", "mutationType", "subscriptionType"].map((root) => told.data.__schema[root]?.name);
  const rank = (type) => (roots.includes(type.name) ? roots.indexOf(type.name) : roots.length);
  const shown = told.data.__schema.types.filter((type) => !type.name.startsWith("__"));
  shown.sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
  types = new Map(shown.map((type) => [type.name, type]));
  list();
}

for (const id of KEPT) at(id).value = sessionStorage.getItem(id) ?? at(id).value;
at("form").addEventListener("submit", run);
at("stop").addEventListener("click", () => running?.abort());
at("search").addEventListener("input", list);
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit(); });
learn().catch((error) => { at("types").textContent = String(error.message); });
