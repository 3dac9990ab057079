/** Addresses that paths offer beside inference, below `/v1/<path id>/`. */
import type { Context } from "hono";
import { TrisealError } from "../core/errors.ts";
import type { InferencePath, PathRoute } from "../paths/path.ts";
import { authenticate } from "./authenticate.ts";
import type { BodyMemory } from "./body-memory.ts";
import { bytesResponse } from "./bytes-response.ts";
import { boundedRead, holdingBodies } from "./held-bodies.ts";
import type { InFlight } from "./in-flight.ts";
import { assertMessageType } from "./message-headers.ts";
import type { GatewayOptions } from "./options.ts";
import { essence } from "./parse-call.ts";
import { retryHeaders } from "./problem.ts";
import { readBody } from "./read-body.ts";
import type { App, RequestState } from "./request-state.ts";
import { addResource } from "./routes-resource.ts";
import type { RouteCall, RouteResult, SubmissionService } from "./submission-service.ts";

/** What the gateway itself answers below `/v1/`. */
const OWN: ReadonlySet<string> = new Set(["aci", "jobs", "receipts"]);

/** What bounds requests to paths' addresses. */
export interface RouteBounds {
  readonly inFlight: InFlight;
  readonly reads: InFlight;
  readonly memory: BodyMemory;
}

/** Adds the addresses of all paths. @throws TrisealError `INTERNAL` for an address that is none, or taken. */
export function addPathRoutes(app: App, options: GatewayOptions, bounds: RouteBounds, service: SubmissionService): void {
  const taken = new Set<string>();
  for (const path of options.paths) {
    for (const route of path.routes ?? []) {
      const address = `/v1/${path.id}/${route.address}`;
      const isOwn = /^\/v1\/[a-z][a-z0-9-]{0,31}\/[a-z][a-z0-9-]{0,31}$/.test(address) && !OWN.has(path.id);
      if (!isOwn || taken.has(address))
        throw new TrisealError("INTERNAL", `path \`${path.id}\` offers an address that it cannot`);
      taken.add(address);
      addRoute(app, options, bounds, service, path, route, address);
    }
  }
}

function addRoute(
  app: App,
  options: GatewayOptions,
  { inFlight, reads, memory }: RouteBounds,
  service: SubmissionService,
  path: InferencePath,
  route: PathRoute,
  address: string,
): void {
  if (route.kind === "document") {
    app.get(`${address}/:name`, (c) =>
      boundedRead(c, { options, reads, memory }, async (_, held) => {
        const name = c.req.param("name");
        const found = name.length > 128 ? null : route.find(name);
        if (found === null) throw new TrisealError("NOT_FOUND", "no such document");
        // Room first: a document can be larger than all that requests may hold.
        held.take(found.byteLength);
        return { body: await found.read(), mediaType: found.mediaType };
      }),
    );
    return;
  }
  if (route.kind === "resource") {
    addResource(app, options, { inFlight, reads, memory }, route, address);
    return;
  }
  const answer = (call: RouteCall) =>
    route.kind === "challenge" ? service.challenge(path, route, call) : service.submit(path, route, call);
  app.post(address, async (c) => {
    const caller = authenticate(c.req.header("authorization"), options.tenants);
    return inFlight.run(caller.tenant.id, async () => {
      assertMessageType(essence(c.req.header("content-type") ?? ""), null);
      const held = memory.open(caller.tenant.id);
      const maxBytes = Math.min(route.maxBodyBytes, options.limits.maxBodyBytes);
      const result = await holdingBodies(c, held, async () => {
        const body = await readBody(c.req.raw, maxBytes, held, c.env.incoming);
        return answer(callOf(c, caller, address, body));
      });
      const { status, code, receiptId } = result;
      const named = receiptId === null ? {} : { receipt_id: receiptId };
      const line = { event: `${path.id} ${route.address}`, request_id: c.var.requestId, ...named, status, code };
      options.log({ level: "info", ...line, ...(result.replayed ? { replayed: true } : {}) });
      return responseOf(result);
    });
  });
}

function callOf(c: Context<RequestState>, caller: RouteCall["caller"], address: string, body: Uint8Array): RouteCall {
  return {
    caller,
    address,
    mediaType: c.req.header("content-type") ?? "",
    body,
    idempotencyKey: c.req.header("idempotency-key") ?? null,
    requestId: c.var.requestId,
    identity: c.var.identity,
    signal: c.req.raw.signal,
  };
}

function responseOf({ body, mediaType, status, receiptId, replayed }: RouteResult): Response {
  return bytesResponse(body, mediaType, status, {
    ...(receiptId === null ? {} : { "x-receipt-id": receiptId }),
    ...(replayed ? { "idempotency-replayed": "true" } : {}),
    ...retryHeaders(status),
  });
}
