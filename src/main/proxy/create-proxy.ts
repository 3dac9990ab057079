/** The proxy as a Hono application: plain OIP v2 in, verified answers out. Knows neither gateway nor file. */
import { type Context, Hono } from "hono";
import type { InferenceCall, VerifiedAnswer } from "../../client/index.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { JSON_LENGTH_HEADER, messageHeaders, messageType } from "../../core/oip-body.ts";
import { isReceiptId } from "../../core/receipt-id.ts";
import { BodyMemory, type HeldBytes } from "../../gateway/body-memory.ts";
import { bytesResponse } from "../../gateway/bytes-response.ts";
import { logFault } from "../../gateway/fault.ts";
import { InFlight } from "../../gateway/in-flight.ts";
import type { OperatorLog } from "../../gateway/options.ts";
import { codedError, PROBLEM_TYPE, problemOf, retryHeaders } from "../../gateway/problem.ts";
import { readBody } from "../../gateway/read-body.ts";
import { newRequestId, type RequestState } from "../../gateway/request-state.ts";
import type { KeepBundle } from "./bundle-folder.ts";
import { proxyCodes } from "./codes.ts";
import { assertLocalCaller } from "./local-caller.ts";
import { type ModelMetadata, readPlainCall } from "./plain-call.ts";

/** The gateway behind the proxy. Whatever is not verified is thrown, never given. */
export interface Upstream {
  /** Rejects unless the gateway is appraised and says that it is ready. */
  assertReady(signal: AbortSignal): Promise<void>;
  /** Names of its models. */
  models(signal: AbortSignal): Promise<readonly string[]>;
  /** @throws TrisealError `MODEL_UNKNOWN`. */
  model(name: string, signal: AbortSignal): Promise<ModelMetadata>;
  /** Rejects unless a session for the model passes the trust file. */
  assertModelReady(name: string, signal: AbortSignal): Promise<void>;
  /** Appraises, seals, sends, opens and verifies. */
  infer(call: InferenceCall): Promise<VerifiedAnswer>;
}

/** Bounds on what callers may hold. */
export interface ProxyLimits {
  readonly maxBodyBytes: number;
  readonly maxInFlight: number;
}

/** Everything that the proxy needs. */
export interface ProxyOptions {
  readonly upstream: Upstream;
  readonly limits: ProxyLimits;
  /** Keeps the bundle of an answer before that is given out; null keeps none. */
  readonly keepBundle: KeepBundle | null;
  /** Whether callers beyond this machine are let in. */
  readonly anyHost: boolean;
  readonly log: OperatorLog;
}

/** A proxy that answers until it is drained. */
export interface Proxy {
  readonly fetch: (request: Request, env?: RequestState["Bindings"]) => Response | Promise<Response>;
  /** Refuses new requests and resolves when the last one is answered. */
  drain(): Promise<void>;
}

type ProxyState = { Bindings: RequestState["Bindings"]; Variables: Pick<RequestState["Variables"], "requestId"> };

/** All callers are one: the API key is the proxy's. */
const CALLERS = "local";
/** Bodies of the greatest size that may wait at one time. */
const HELD_BODIES = 4;
/** Model names that can stand in an address of the gateway. */
const MODEL_NAME = /^[\x21-\x7e]{1,128}$/;
/** How long a question about readiness may take. */
const READY_TIMEOUT_MS = 5000;

/** A proxy in front of `upstream`. Opens no socket. */
export function createProxy(options: ProxyOptions): Proxy {
  const app = new Hono<ProxyState>();
  const { limits } = options;
  const inFlight = new InFlight({ total: limits.maxInFlight, perTenant: limits.maxInFlight });
  const held = HELD_BODIES * limits.maxBodyBytes;
  const memory = new BodyMemory({ total: held, perTenant: held });
  app.use(async (c, next) => {
    c.set("requestId", newRequestId());
    assertLocalCaller(c.req.raw.headers, options.anyHost);
    await next();
    c.res.headers.set("x-request-id", c.var.requestId);
    if (inFlight.draining) c.res.headers.set("connection", "close");
  });
  app.onError((error, c) => refuse(options.log, error, c.var.requestId, c.req.raw.signal));
  app.notFound((c) => refuse(options.log, new TrisealError("NOT_FOUND", "no such route"), c.var.requestId, null));
  app.get("/v2", (c) => c.json({ name: "triseal-proxy", version: "0.1.0", extensions: ["binary_tensor_data"] }));
  app.get("/v2/health/live", (c) => c.json({ live: true }));
  app.get("/v2/health/ready", async (c) => {
    const reason = inFlight.draining ? "SHUTTING_DOWN" : await reasonOf((signal) => options.upstream.assertReady(signal));
    return c.json(reason === null ? { ready: true } : { ready: false, reason }, reason === null ? 200 : 503);
  });
  app.get("/v2/models", async (c) => c.json({ models: await options.upstream.models(c.req.raw.signal) }));
  for (const prefix of ["/v2/models/:model", "/v2/models/:model/versions/:version"]) {
    app.get(prefix, async (c) => c.json(await modelOf(c, options)));
    app.get(`${prefix}/ready`, async (c) => {
      const { name } = await modelOf(c, options);
      const reason = await reasonOf((signal) => options.upstream.assertModelReady(name, signal));
      return c.json({ name, ready: reason === null, ...(reason === null ? {} : { reason }) }, reason === null ? 200 : 503);
    });
    app.post(`${prefix}/infer`, (c) => inFlight.run(CALLERS, () => infer(c, options, memory.open(CALLERS))));
  }
  return { fetch: (request, env = {}) => app.fetch(request, env), drain: () => inFlight.drain() };
}

/** The model that the address names. @throws TrisealError `MODEL_UNKNOWN`. */
async function modelOf(c: Context<ProxyState>, { upstream }: ProxyOptions): Promise<ModelMetadata> {
  const name = c.req.param("model") ?? "";
  const version = c.req.param("version");
  const unknown = new TrisealError("MODEL_UNKNOWN", "no such model or version");
  if (!MODEL_NAME.test(name)) throw unknown;
  const model = await upstream.model(name, c.req.raw.signal);
  if (version !== undefined && !model.versions.includes(version)) throw unknown;
  return model;
}

/** Null where `work` succeeds, else its code. */
async function reasonOf(work: (signal: AbortSignal) => Promise<void>): Promise<string | null> {
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  try {
    await work(signal);
    return null;
  } catch (error) {
    return signal.aborted ? "DEADLINE_EXCEEDED" : codedError(error).code;
  }
}

async function infer(c: Context<ProxyState>, options: ProxyOptions, held: HeldBytes): Promise<Response> {
  try {
    const body = await readBody(c.req.raw, options.limits.maxBodyBytes, held, c.env.incoming);
    const model = await modelOf(c, options);
    const { call, encodeAnswer } = readPlainCall({ body, ...statedBy(c) }, model);
    const answer = await options.upstream.infer({ ...call, signal: c.req.raw.signal });
    const encoded = encodeAnswer(answer);
    await options.keepBundle?.(answer);
    const { receiptId } = answer;
    options.log({ level: "info", event: "proxied", request_id: c.var.requestId, receipt_id: receiptId, status: 200 });
    held.release();
    held.keep(encoded.length);
    held.releaseAfter(c.env.outgoing);
    const type = messageType(encoded);
    return bytesResponse(encoded, type, 200, { ...messageHeaders(encoded, type), "x-receipt-id": receiptId });
  } catch (error) {
    held.release();
    throw error;
  }
}

function statedBy(c: Context<ProxyState>) {
  return {
    mediaType: c.req.header("content-type") ?? "",
    jsonLength: c.req.header(JSON_LENGTH_HEADER) ?? null,
    idempotencyKey: c.req.header("idempotency-key") ?? null,
    version: c.req.param("version") ?? null,
  };
}

/** The refusal of a request. What the gateway refused has the receipt that it named; nothing of that was verified. */
function refuse(log: OperatorLog, error: unknown, requestId: string, signal: AbortSignal | null): Response {
  const aborted = signal?.aborted === true && !isTrisealError(error);
  const coded = aborted ? new TrisealError("CLIENT_ABORTED", "the caller closed the connection") : codedError(error);
  logFault(log, coded, requestId);
  const named = coded.details["receiptId"];
  const receiptId = isReceiptId(named) ? named : null;
  const { status, code, body } = problemOf(coded, proxyCodes, "oip", requestId, receiptId);
  log({ level: "warn", event: "refused", request_id: requestId, receipt_id: receiptId, code, status });
  const headers = {
    "content-type": PROBLEM_TYPE,
    "x-request-id": requestId,
    ...retryHeaders(status),
    ...(receiptId === null ? {} : { "x-receipt-id": receiptId }),
  };
  return new Response(JSON.stringify(body), { status, headers });
}
