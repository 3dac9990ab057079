/** Memory of what comes and goes on one connection, counted until it is free. */
import type { Context } from "hono";
import { messageHeaders } from "../core/oip-body.ts";
import { authenticate } from "./authenticate.ts";
import type { BodyMemory, HeldBytes } from "./body-memory.ts";
import { bytesResponse } from "./bytes-response.ts";
import type { InFlight } from "./in-flight.ts";
import type { GatewayOptions } from "./options.ts";
import type { RequestState } from "./request-state.ts";

/** Runs `work`, which takes the request's body into `held`; its answer is held until it is sent. */
export async function holdingBodies<T extends { readonly body: { readonly length: number } }>(
  c: Context<RequestState>,
  held: HeldBytes,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    held.release();
    held.keep(result.body.length);
    held.releaseAfter(c.env.outgoing);
    return result;
  } catch (error) {
    held.release();
    throw error;
  }
}

/** Where stored documents are read. */
export interface BoundedReads {
  readonly options: Pick<GatewayOptions, "tenants">;
  readonly reads: InFlight;
  readonly memory: BodyMemory;
}

/** Bounds one read of a stored document by the holder of an API key, and what of it waits for a slow reader. */
export function boundedRead(
  c: Context<RequestState>,
  { options, reads, memory }: BoundedReads,
  load: (keyHash: string, held: HeldBytes) => Promise<{ readonly body: Uint8Array; readonly mediaType: string }>,
): Promise<Response> {
  const { tenant, keyHash } = authenticate(c.req.header("authorization"), options.tenants);
  return reads.run(tenant.id, async () => {
    const held = memory.open(tenant.id);
    held.assertRoom(0);
    const { body, mediaType } = await holdingBodies(c, held, () => load(keyHash, held));
    return bytesResponse(body, mediaType, 200, messageHeaders(body, mediaType));
  });
}
