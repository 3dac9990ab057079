/** What paths keep for their callers, below `/v1/<path id>/<address>`: authenticated and bounded here, and judged by the path. */
import type { Context } from "hono";
import { TrisealError } from "../core/errors.ts";
import type { ResourceAnswer, ResourceCall, ResourceRoute } from "../paths/path.ts";
import { authenticate, type Caller } from "./authenticate.ts";
import type { BodyMemory } from "./body-memory.ts";
import { bytesResponse, streamResponse } from "./bytes-response.ts";
import { holdingBodies } from "./held-bodies.ts";
import type { InFlight } from "./in-flight.ts";
import type { GatewayOptions } from "./options.ts";
import { readBody } from "./read-body.ts";
import type { App, RequestState } from "./request-state.ts";

const MAX_NAME = 128;
const MAX_HEADER = 1024;
/** Bytes of a streamed answer that are counted as held. */
const STREAMED_BYTES = 256 * 1024;

/** What bounds requests to resources. */
interface ResourceBounds {
  readonly inFlight: InFlight;
  readonly reads: InFlight;
  readonly memory: BodyMemory;
}

/** Adds one resource with its names. */
export function addResource(
  app: App,
  options: GatewayOptions,
  bounds: ResourceBounds,
  route: ResourceRoute,
  address: string,
): void {
  for (const place of [address, `${address}/:name`]) {
    app.on([...route.methods], place, async (c) => {
      const caller = authenticate(c.req.header("authorization"), options.tenants);
      const isRead = c.req.method === "GET" || c.req.method === "HEAD";
      return (isRead ? bounds.reads : bounds.inFlight).run(caller.tenant.id, async () => {
        const held = bounds.memory.open(caller.tenant.id);
        held.assertRoom(0);
        const { response } = await holdingBodies(c, held, async () => {
          const maxBytes = Math.min(route.maxBodyBytes, options.limits.maxBodyBytes);
          const sent = isRead ? new Uint8Array() : await readBody(c.req.raw, maxBytes, held, c.env.incoming);
          const answer = await route.answer(callOf(c, caller, route, sent));
          if (!isRead) logChange(options, c, route, answer);
          return responseOf(answer);
        });
        return response;
      });
    });
  }
}

/** The response, and how much of it is in memory until it is sent: of a stream a few parts, for a slow reader. */
function responseOf({ body, mediaType, status, headers }: ResourceAnswer) {
  if (body instanceof Uint8Array) return { body, response: bytesResponse(body, mediaType, status, headers) };
  const length = Math.min(body.byteLength, STREAMED_BYTES);
  return { body: { length }, response: streamResponse(body, mediaType, status, headers) };
}

function callOf(c: Context<RequestState>, { tenant, keyHash }: Caller, route: ResourceRoute, body: Uint8Array): ResourceCall {
  const name = c.req.param("name") ?? null;
  if (name !== null && name.length > MAX_NAME) throw new TrisealError("NOT_FOUND", "no such name");
  const headers: Record<string, string> = {};
  for (const read of route.headers) {
    const value = c.req.header(read);
    if (value !== undefined && value.length <= MAX_HEADER) headers[read] = value;
  }
  return {
    tenant: tenant.id,
    principal: keyHash,
    method: c.req.method as ResourceCall["method"],
    name,
    query: c.req.query(),
    headers,
    body,
    signal: c.req.raw.signal,
  };
}

function logChange({ log }: GatewayOptions, c: Context<RequestState>, { address }: ResourceRoute, answer: ResourceAnswer): void {
  log({ level: "info", event: `resource ${address}`, request_id: c.var.requestId, method: c.req.method, status: answer.status });
}
