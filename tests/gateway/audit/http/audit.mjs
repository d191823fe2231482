// Holds a running gateway against the GraphQL-over-HTTP specification: node tests/gateway/audit/http/audit.mjs http://127.0.0.1:8000/graphql
// Prints what is not as it must, should or may be; exit 1 if anything is.
import { serverAudits } from "graphql-http";

let found = 0;
for (const audit of serverAudits({ url: process.argv[2] })) {
  const result = await audit.fn();
  if (result.status === "ok") continue;
  found += 1;
  console.log(`${result.status} ${audit.id} ${audit.name}: ${result.reason ?? ""}`);
}
console.log(`${found} found`);
process.exit(found ? 1 : 0);
