/** The SDK for Node: sealing and hashing by `node:crypto`, and TLS whose peer key is checked against the appraised keyset. Not portable. */
export { openNodeCipher } from "./fhe-cipher.ts";
export { createNodeClient, nodePathClients } from "./native-client.ts";
export { createPinnedTransport, type NodeTransport, type NodeTransportOptions } from "./pinned-transport.ts";
