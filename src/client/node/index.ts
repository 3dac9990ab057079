/** The SDK for Node. Not portable. */
export { createNodeClient, nodePathClients } from "./native-client.ts";
