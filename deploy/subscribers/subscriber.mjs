// Another system of a town listens to its events: `node subscriber.mjs canteen canteen.nk`, after `npm install` in this folder.
// An event may come twice: remember ce-id where you write what you did (here: in memory), and acknowledge only then.
import { readFileSync } from "node:fs";
import { jetstream } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";

const [name, key] = process.argv.slice(2);
const client = await connect({
  servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222",
  authenticator: nkeyAuthenticator(new TextEncoder().encode(readFileSync(key, "utf8").trim())),
  maxReconnectAttempts: -1,
  name,
});
const consumer = await jetstream(client, { domain: "PREAU" }).consumers.get("PREAU", name);
const messages = await consumer.consume();
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => messages.close());

const handled = new Set();
for await (const message of messages) {
  const id = message.headers.get("ce-id");
  if (!handled.has(id)) console.log(message.headers.get("ce-type"), id, JSON.stringify(message.json()));
  handled.add(id);
  message.ack();
}
await client.close();
