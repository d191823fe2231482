// @apollo/gateway behind @apollo/server: node apollo.mjs PORT SUPERGRAPH, and where the subgraphs are, as the environment says.
import { readFileSync } from 'node:fs'
import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'

const [port, supergraph] = process.argv.slice(2)

class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) request.http.headers.set('authorization', context.authorization)
  }
}

const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(supergraph, 'utf8'),
  buildService: ({ name }) => new Subgraph({ url: process.env[`${name.toUpperCase()}_URL`] + '/graphql' }),
})
const server = new ApolloServer({ gateway, introspection: false, csrfPrevention: false })
await startStandaloneServer(server, {
  listen: { host: '127.0.0.1', port: Number(port) },
  context: async ({ req }) => ({ authorization: req.headers.authorization }),
})
