// Hive Gateway before Préau's services, told where things are by the settings of our own gateway. README.md says what differs.
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { defineConfig } from "@graphql-hive/gateway";
import { GraphQLError } from "graphql";

const settings = process.env;
const production = settings.PREAU_ENV === "production";
const list = (text) => (text ?? "").split(",").map((each) => each.trim()).filter(Boolean);
const at = (service, port) => {
  const base = (settings[`${service.toUpperCase()}_URL`] ?? `http://127.0.0.1:${port}`).replace(/\/$/, "");
  return { location: `${base}/graphql` };
};

// What the services are told of a client; nothing else that it sends reaches them. gateway/headers.py has those of our gateway.
const PASSED_ON = ["authorization", "accept-language", "user-agent", "traceparent", "x-request-id"];
const PROXIES = list(settings.PREAU_TRUSTED_PROXIES);

// Whose tries at passwords are counted: who connects, or whom a proxy that is trusted connects for.
function addressOf(request, context) {
  const peer = context?.req?.socket?.remoteAddress?.replace(/^::ffff:/, "");
  if (!PROXIES.includes(peer)) return peer;
  const told = list(request.headers.get("x-forwarded-for")).filter((each) => !PROXIES.includes(each)).at(-1);
  return isIP(told ?? "") ? told : peer;
}

// Whoever just came in asks the rest of the answer: other services are asked with the token that identity has just given.
const admitted = new WeakMap();
const admitting = {
  onSubgraphExecute({ subgraphName, executionRequest }) {
    if (subgraphName !== "identity" || executionRequest.operationType !== "mutation") return;
    return ({ result }) => {
      const token = Object.values(result?.data ?? {}).find((each) => each?.accessToken)?.accessToken;
      if (token) admitted.set(executionRequest.context.request, `Bearer ${token}`);
    };
  },
};

// What a service says goes to the client as it is; why one could not be asked does not.
function maskError(error) {
  const { code, serviceName, request, response } = error?.extensions ?? {};
  const http = { status: 200 };
  if (serviceName && (request || response || error.originalError || !code)) {
    const message = `The service ${serviceName} cannot answer at the moment.`;
    return new GraphQLError(message, { path: error.path, extensions: { code: "SUBGRAPH_UNAVAILABLE", serviceName, http } });
  }
  if (code && !error.originalError) return error;
  if (error instanceof GraphQLError && !error.path && !error.originalError) {
    return new GraphQLError(error.message, { nodes: error.nodes, extensions: { code: "BAD_USER_INPUT", http } });
  }
  return new GraphQLError("Something went wrong on our side.", { path: error?.path, extensions: { code: "INTERNAL_SERVER_ERROR", http } });
}

// Documents known by their hash: the list that `preau manifest` writes, or Relay's. Read at start.
function trusting(path, only) {
  const told = JSON.parse(readFileSync(path, "utf8"));
  const documents = new Map(told.operations ? told.operations.map(({ id, body }) => [id, body]) : Object.entries(told));
  const texts = new Set(documents.values());
  const refused = (code) => new GraphQLError(code, { extensions: { code, http: { status: 200 } } });
  return {
    onParams({ params, setParams }) {
      const query = params.query || documents.get(params.extensions?.persistedQuery?.sha256Hash);
      if (!query) throw refused("PERSISTED_QUERY_NOT_FOUND");
      if (only && !texts.has(query)) throw refused("QUERY_NOT_IN_SAFELIST");
      setParams({ ...params, query });
    },
  };
}

const documents = settings.PREAU_TRUSTED_DOCUMENTS;
const isMutation = ({ executionRequest }) => executionRequest?.operationType === "mutation";

export const gatewayConfig = defineConfig({
  supergraph: settings.PREAU_SUPERGRAPH ?? new URL("../../gateway/supergraph.graphql", import.meta.url).pathname,
  host: settings.HOST ?? "127.0.0.1",
  port: Number(settings.PREAU_PORT ?? 8000),
  transportEntries: { identity: at("identity", 8101), billing: at("billing", 8102), booking: at("booking", 8103), mailer: at("mailer", 8104) },
  propagateHeaders: {
    fromClientToSubgraphs({ request, context }) {
      const passed = PASSED_ON.map((name) => [name, request.headers.get(name)]);
      const mine = [["x-forwarded-for", addressOf(request, context)], ["authorization", admitted.get(request)]];
      return Object.fromEntries([...passed, ...mine].filter(([, value]) => value));
    },
  },
  maskedErrors: { maskError },
  plugins: () => [admitting, ...(documents ? [trusting(documents, settings.PREAU_ONLY_TRUSTED === "true")] : [])],
  // As long as ours waits. Nothing is asked twice: what a mutation did must not be done again.
  upstreamTimeout: (asked) => (isMutation(asked) ? 15_000 : 5_000),
  upstreamRetry: { maxRetries: 0 },
  requestDeadline: 20_000,
  gracefulSchemaReload: { drainTimeout: 30_000 },
  maxTokens: 4_000,
  maxDepth: 15,
  batching: false,
  multipart: false,
  cors: false,
  landingPage: false,
  graphiql: !production,
  disableIntrospection: production ? {} : undefined,
});
