// @graphql-hive/gateway as it comes, but for where the subgraphs are and the caller's token, which goes through.
import { defineConfig } from '@graphql-hive/gateway'

export const gatewayConfig = defineConfig({
  supergraph: process.env.SUPERGRAPH,
  host: '127.0.0.1',
  logging: 'warn',
  graphiql: false,
  propagateHeaders: { fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get('authorization') }) },
  transportEntries: Object.fromEntries(
    ['identity', 'booking', 'billing'].map((name) => [name, { location: process.env[`${name.toUpperCase()}_URL`] + '/graphql' }]),
  ),
})
