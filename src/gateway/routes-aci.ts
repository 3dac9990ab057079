/** ACI: the gateway's report, receipts and sessions (spec sections 4, 7, 8); bundles beside them. */
import type { Context } from "hono";
import { utf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { SessionRecord } from "../paths/path.ts";
import type { ReceiptListing } from "../store/receipt-index.ts";
import type { BodyMemory } from "./body-memory.ts";
import { boundedRead } from "./held-bodies.ts";
import type { InFlight } from "./in-flight.ts";
import type { GatewayOptions } from "./options.ts";
import type { App, RequestState } from "./request-state.ts";

const BUNDLE_TYPE = "application/vnd.triseal.bundle+json";

/** ACI: the gateway's report, receipts, sessions (spec sections 4, 7, 8). */
export function addAciRoutes(app: App, options: GatewayOptions, reads: InFlight, memory: BodyMemory): void {
  const { ledger } = options;
  const read = (c: Context<RequestState>, load: Parameters<typeof boundedRead>[2]) =>
    boundedRead(c, { options, reads, memory }, load);
  app.get("/v1/aci/attestation", (c) => {
    const nonce = c.req.query("nonce");
    if (nonce !== undefined && !/^[0-9a-f]{64}$/.test(nonce))
      throw new TrisealError("REQUEST_MALFORMED", "a nonce is 64 lower-case hexadecimal digits");
    return c.json(c.var.identity.report(nonce ?? null));
  });
  app.get("/.well-known/triseal.json", async (c) => c.json(await options.wellKnown()));
  app.get("/v1/aci/receipts/:id", (c) =>
    read(c, async (keyHash) => ({
      body: utf8(JSON.stringify(await ledger.receipt(c.req.param("id"), keyHash))),
      mediaType: "application/json",
    })),
  );
  app.get("/v1/receipts", (c) =>
    read(c, async (keyHash) => {
      const page = await ledger.list({ keyHash, ...listingOf(c.req.query()) });
      const receipts = page.map(({ id, leafIndex, servedAt }) => ({ id, leaf_index: leafIndex, served_at: servedAt }));
      const next = page.length < PAGE ? null : (page.at(-1)?.leafIndex ?? null);
      return { body: utf8(JSON.stringify({ receipts, next })), mediaType: "application/json" };
    }),
  );
  app.get("/v1/receipts/:id/bundle", (c) =>
    read(c, async (keyHash) => ({ body: await ledger.bundle(c.req.param("id"), keyHash), mediaType: BUNDLE_TYPE })),
  );
  app.get("/v1/receipts/:id/response", (c) => read(c, (keyHash) => ledger.response(c.req.param("id"), keyHash)));
  app.get("/v1/aci/sessions", (c) => {
    const { model, upstream_name: upstream } = c.req.query();
    const sessions = options.paths
      .flatMap((path) => path.sessions())
      .filter((session) => session.current && (model === undefined || session.models.includes(model)))
      .filter((session) => upstream === undefined || session.document["upstream_name"] === upstream);
    return c.json({ api_version: "aci/1", sessions: sessions.map(abbreviated) });
  });
  app.get("/v1/aci/sessions/:id", async (c) => {
    const id = c.req.param("id");
    const document = /^[0-9a-f]{64}$/.test(id) ? await ledger.session(id) : null;
    if (document === null) throw new TrisealError("SESSION_UNKNOWN", "no such session");
    return c.json(document);
  });
}

/** Receipts of one page of a list. */
const PAGE = 1000;

/** The period and place of a list. @throws TrisealError `REQUEST_MALFORMED`. */
function listingOf({ from, to, after, ...others }: Record<string, string>): Omit<ReceiptListing, "keyHash"> {
  const number = (text: string | undefined, otherwise: number): number => {
    if (text === undefined) return otherwise;
    if (!/^\d{1,12}$/.test(text)) throw new TrisealError("REQUEST_MALFORMED", "from, to and after are whole numbers");
    return Number(text);
  };
  if (Object.keys(others).length > 0) throw new TrisealError("REQUEST_MALFORMED", "a list takes from, to and after");
  return { from: number(from, 0), to: number(to, 1e12), after: number(after, -1), limit: PAGE };
}

/** A list entry: the bulky evidence is dropped, so that it does not hash to its id (ACI section 8.1). */
function abbreviated({ id, document }: SessionRecord): JsonObject {
  const evidence = document["evidence"];
  const digest = typeof evidence === "object" && evidence !== null && "digest" in evidence ? evidence["digest"] : null;
  return { ...document, session_id: id, evidence: { digest } };
}
