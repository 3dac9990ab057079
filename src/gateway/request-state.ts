import type { Hono } from "hono";
import { encodeHex } from "../core/bytes.ts";

/** Per-request state. */
export interface RequestState {
  Variables: { requestId: string };
}

/** The gateway's Hono application. */
export type App = Hono<RequestState>;

/** A new request id: 64 random bits. */
export function newRequestId(): string {
  return `req-${encodeHex(crypto.getRandomValues(new Uint8Array(8)))}`;
}
