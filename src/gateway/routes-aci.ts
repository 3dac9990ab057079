/** ACI: the gateway's report, receipts and sessions (spec sections 4, 7, 8); bundles beside them. */
import type { Context } from "hono";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { SessionRecord } from "../paths/path.ts";
import { authenticate } from "./authenticate.ts";
import { bytesResponse } from "./bytes-response.ts";
import type { GatewayOptions } from "./options.ts";
import type { App } from "./request-state.ts";

/** ACI: the gateway's report, receipts, sessions (spec sections 4, 7, 8). */
export function addAciRoutes(app: App, options: GatewayOptions): void {
  const { identity, ledger, tenants } = options;
  const keyHash = (c: Context) => authenticate(c.req.header("authorization"), tenants).keyHash;
  app.get("/v1/aci/attestation", (c) => {
    const nonce = c.req.query("nonce");
    if (nonce !== undefined && !/^[0-9a-f]{64}$/.test(nonce))
      throw new TrisealError("REQUEST_MALFORMED", "a nonce is 64 lower-case hexadecimal digits");
    return c.json(identity.report(nonce ?? null));
  });
  app.get("/.well-known/triseal.json", (c) => c.json(options.wellKnown));
  app.get("/v1/aci/receipts/:id", async (c) => c.json(await ledger.receipt(c.req.param("id"), keyHash(c))));
  app.get("/v1/receipts/:id/bundle", async (c) =>
    bytesResponse(await ledger.bundle(c.req.param("id"), keyHash(c)), "application/vnd.triseal.bundle+json"),
  );
  app.get("/v1/receipts/:id/response", async (c) => {
    const { body, mediaType } = await ledger.response(c.req.param("id"), keyHash(c));
    return bytesResponse(body, mediaType);
  });
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

/** A list entry: the bulky evidence is dropped, so that it does not hash to its id (ACI section 8.1). */
function abbreviated({ id, document }: SessionRecord): JsonObject {
  const evidence = document["evidence"];
  const digest = typeof evidence === "object" && evidence !== null && "digest" in evidence ? evidence["digest"] : null;
  return { ...document, session_id: id, evidence: { digest } };
}
