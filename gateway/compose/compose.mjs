// Composes gateway/subgraphs/*.graphql into a supergraph on standard output; composition errors go to standard error, one a line.
// Run through `make supergraph`: deploy/compose.py writes the file, with the fingerprint of what it was made from.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const services = process.argv.slice(2).map((path) => {
  const name = basename(path, ".graphql");
  // A placeholder: the gateway takes the real addresses from its settings.
  return { name, url: `http://${name}.invalid/graphql`, typeDefs: parse(readFileSync(path, "utf8")) };
});
const result = composeServices(services);
if (result.errors?.length) {
  for (const error of result.errors) console.error(error.message);
  process.exit(1);
}
process.stdout.write(result.supergraphSdl.trimEnd() + "\n");
