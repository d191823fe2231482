// Serves the copy of the federation audit in suite/ on a free port of this machine, and says which: node --import tsx federation.mjs
// Its own command line wants Node 22 and ends whatever listens where it wants to.
import { createServer } from "node:http";

Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
};

const { createRouter } = await import("./suite/index.ts");
const server = createServer(createRouter()).listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
