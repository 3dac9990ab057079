import type { Readable } from "node:stream";
import type { Hono } from "hono";
import { encodeHex } from "../core/bytes.ts";
import type { Outgoing } from "./body-memory.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** Per-request state. */
export interface RequestState {
  /** What the server hands in beside the request; nothing where there is no connection. */
  Bindings: { outgoing?: Outgoing; incoming?: Readable };
  Variables: {
    requestId: string;
    /** Who answers this request: it may be another keyset for the next one. */
    identity: ServiceIdentity;
  };
}

/** The gateway's Hono application. */
export type App = Hono<RequestState>;

/** A new request id: 64 random bits. */
export function newRequestId(): string {
  return `req-${encodeHex(crypto.getRandomValues(new Uint8Array(8)))}`;
}
