/** The gateway's routes: Open Inference Protocol v2, ACI, receipts and log. */
import { type Context, Hono } from "hono";
import { encodeHex, utf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { SessionRecord } from "../paths/path.ts";
import { authenticate } from "./authenticate.ts";
import { InferService } from "./infer.ts";
import type { CatalogModel, GatewayOptions } from "./options.ts";
import { readBody } from "./read-body.ts";

/** Per-request state. */
export interface RequestState {
  Variables: { requestId: string };
}

type App = Hono<RequestState>;

function bytesResponse(body: Uint8Array, mediaType: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(Uint8Array.from(body), { status, headers: { "content-type": mediaType, ...headers } });
}

/** OIP v2: server and model metadata, health, inference. */
export function addOipRoutes(app: App, options: GatewayOptions, inFlight: InFlight): void {
  const service = new InferService(options);
  const find = (c: Context): CatalogModel => {
    const model = options.models.find((candidate) => candidate.name === c.req.param("model"));
    const version = c.req.param("version");
    if (model === undefined || (version !== undefined && version !== model.version))
      throw new TrisealError("MODEL_UNKNOWN", "no such model or version");
    return model;
  };
  const metadata = (c: Context) => {
    const { name, version, platform, inputs, outputs } = find(c);
    return c.json({ name, versions: [version], platform, inputs, outputs });
  };
  const modelReady = (c: Context) => {
    const model = find(c);
    const ready = options.paths.some((path) => path.backends(model).length > 0);
    return c.json({ name: model.name, ready }, ready ? 200 : 503);
  };
  const infer = async (c: Context<RequestState>) => {
    const caller = authenticate(c.req.header("authorization"), options.tenants);
    return inFlight.run(async () => {
      const body = await readBody(c.req.raw, options.limits.maxBodyBytes);
      const result = await service.infer({
        caller,
        endpoint: c.req.path.slice(0, 512),
        modelName: c.req.param("model") ?? "",
        modelVersion: c.req.param("version") ?? null,
        mediaType: c.req.header("content-type") ?? "",
        body,
        requestId: c.var.requestId,
        signal: c.req.raw.signal,
      });
      options.log({
        level: "info",
        event: "infer",
        request_id: c.var.requestId,
        receipt_id: result.receiptId,
        status: result.status,
        code: result.code,
      });
      return bytesResponse(result.body, result.mediaType, result.status, { "x-receipt-id": result.receiptId });
    });
  };
  app.get("/v2", (c) => c.json({ name: "triseal", version: "0.1.0", extensions: ["triseal_sealed", "aci"] }));
  app.get("/v2/health/live", (c) => c.json({ live: true }));
  app.get("/v2/health/ready", async (c) => {
    const reason = await notReady(options, inFlight);
    return c.json(reason === null ? { ready: true } : { ready: false, reason }, reason === null ? 200 : 503);
  });
  for (const prefix of ["/v2/models/:model", "/v2/models/:model/versions/:version"]) {
    app.get(prefix, metadata);
    app.get(`${prefix}/ready`, modelReady);
    app.post(`${prefix}/infer`, infer);
  }
}

/** Why the gateway should get no requests now, or null. */
async function notReady(options: GatewayOptions, inFlight: InFlight): Promise<string | null> {
  if (inFlight.draining) return "draining";
  const policy = options.policy();
  if ("unavailable" in policy) return `policy: ${policy.unavailable}`;
  const problem = options.policyProblem();
  if (problem !== null) return `policy: ${problem}`;
  const states = await Promise.all(options.paths.map((path) => path.ready(AbortSignal.timeout(1000))));
  const reasons = states.flatMap((state) => (state.ready ? [] : [state.reason]));
  return reasons.length === states.length ? `no path is ready: ${reasons.join("; ")}` : null;
}

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

/** The transparency log as static files (C2SP tlog-tiles). */
export function addLogRoutes(app: App, options: GatewayOptions): void {
  const { log } = options.ledger;
  app.get("/log/checkpoint", () =>
    bytesResponse(utf8(log.checkpoint()), "text/plain; charset=utf-8", 200, { "cache-control": "no-cache" }),
  );
  app.get("/log/tile/*", async (c) => {
    const tile = await log.readTile(c.req.path.slice("/log/".length));
    if (tile === null) throw new TrisealError("NOT_FOUND", "the log does not reach that far");
    return bytesResponse(tile, "application/octet-stream", 200, { "cache-control": "public, max-age=31536000, immutable" });
  });
}

/** A new request id: 64 random bits. */
export function newRequestId(): string {
  return `req-${encodeHex(crypto.getRandomValues(new Uint8Array(8)))}`;
}

/** Requests that are being answered: bounded, and awaited at shutdown. */
export class InFlight {
  private readonly limit: number;
  private readonly waiting: (() => void)[] = [];
  private count = 0;
  draining = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Runs `work` unless the gateway is draining or full. @throws TrisealError `SHUTTING_DOWN`, `PATH_UNAVAILABLE`. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.draining) throw new TrisealError("SHUTTING_DOWN", "the gateway is draining");
    if (this.count >= this.limit) throw new TrisealError("PATH_UNAVAILABLE", `${this.limit} requests are in flight already`);
    this.count++;
    try {
      return await work();
    } finally {
      this.count--;
      if (this.count === 0) for (const resolve of this.waiting.splice(0)) resolve();
    }
  }

  /** Refuses new requests and resolves when the last one is answered. */
  drain(): Promise<void> {
    this.draining = true;
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }
}
