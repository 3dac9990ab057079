/** The SDK's transport for Node: TLS whose peer key is checked against the appraised keyset. Not portable. */
export { createPinnedTransport, type NodeTransport, type NodeTransportOptions } from "./pinned-transport.ts";
