/** A service between whose lines an adversary sits: real bundles of the scene's world, served over a `fetch` that lies once. */
import { TrisealClient } from "../../src/client/index.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { createServiceIdentity } from "../../src/gateway/service-identity.ts";
import { sessionId } from "../../src/receipt/index.ts";
import type { Scene } from "../fixtures/attack.ts";
import { type Built, buildBundle, type Changes } from "../fixtures/bundle.ts";
import { at, NOW, serviceEntry, trustIn, type World } from "../fixtures/world.ts";

/** An exchange as the honest service would finish it. */
export interface Served {
  readonly built: Built;
  readonly answer: Uint8Array;
  readonly receiptId: string;
}

/** Where the adversary steps in. Everything else is as the honest service has it. */
export interface Lies {
  /** Whose service is appraised; its keys make the bundles, too. */
  readonly world?: World;
  /** Whose keys make the bundles, where it is another one. */
  readonly answering?: World;
  readonly respond?: (response: string) => string;
  readonly changes?: Changes;
  readonly report?: (report: JsonObject) => JsonObject;
  readonly challenge?: (nonce: string | null) => string | null;
  /** Replaces what is served; `earlier` was served to the calls before. */
  readonly served?: (honest: Served, earlier: readonly Served[]) => Served;
  readonly bundle?: (bundle: Uint8Array) => Uint8Array;
  readonly redirect?: true;
  readonly session?: (document: JsonObject) => JsonObject;
  readonly sessionOf?: Changes;
}

const json = (value: JsonObject) => new Response(Uint8Array.from(encodeJcs(value)));

/** The response of the fixtures' model to the request with this id. */
function responseTo(id: unknown): string {
  return JSON.stringify({
    model_name: "risk",
    model_version: "1",
    id,
    outputs: [{ name: "y", shape: [1], datatype: "INT32", data: [3] }],
  });
}

/** A client of a service that lies, and what was sent to that. */
export function hostileService({ world, other }: Scene, lies: Lies) {
  const from = lies.world ?? world;
  const answering = lies.answering ?? from;
  const respond = lies.respond ?? ((response: string) => response);
  const identity = createServiceIdentity(from.gateway, { notAfter: at(1_000_000), dev: true, tlsKeys: [] });
  const served: Served[] = [];
  const sent: { readonly path: string; readonly authorization: string | null }[] = [];
  const infer = async (body: Uint8Array): Promise<Response> => {
    if (lies.redirect) return new Response(null, { status: 307, headers: { location: "http://127.0.0.1:2/" } });
    const request = JSON.parse(new TextDecoder().decode(body)) as JsonObject;
    const built = await buildBundle(answering, { body: request, response: respond(responseTo(request["id"])), ...lies.changes });
    const honest = { built, answer: built.response.wire, receiptId: built.receipt.receipt_id };
    const given = lies.served?.(honest, served) ?? honest;
    served.push(given);
    return new Response(Uint8Array.from(given.answer), { headers: { "x-receipt-id": given.receiptId } });
  };
  const session = async (): Promise<JsonObject> => {
    const document = (await buildBundle(from, lies.sessionOf)).session;
    return lies.session?.(document) ?? document;
  };
  const fetch = async (url: string, init?: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(url);
    sent.push({ path: pathname, authorization: new Headers(init?.headers).get("authorization") });
    if (pathname === "/v1/aci/attestation") {
      const nonce = searchParams.get("nonce");
      const report = identity.report(lies.challenge === undefined ? nonce : lies.challenge(nonce));
      return json(lies.report?.(report) ?? report);
    }
    if (pathname === "/v1/aci/sessions") return json({ sessions: [{ session_id: sessionId(await session()) }] });
    if (pathname.startsWith("/v1/aci/sessions/")) return json(await session());
    if (pathname.endsWith("/infer")) return infer(new Uint8Array(init?.body as Uint8Array));
    const bundle = served.at(-1)?.built.bundle ?? new Uint8Array();
    return new Response(Uint8Array.from(lies.bundle?.(bundle) ?? bundle));
  };
  const client = new TrisealClient({
    baseUrl: "http://127.0.0.1:1",
    apiKey: "ak-planted-key",
    trust: trustIn(serviceEntry(world), serviceEntry(other)),
    clock: () => NOW,
    retry: { maxAttempts: 1 },
    fetch,
  });
  return { client, sent, served };
}

/** A call in the clear, as every service of the fixtures can answer it. */
export const clearCall = {
  model: "risk",
  seal: false,
  parameters: { classification: "internal", value_usd: 25_000 },
  inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [0.5, 0.25] }],
} as const;
