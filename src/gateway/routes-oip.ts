/** Open Inference Protocol v2: metadata, health, inference. */
import type { Context } from "hono";
import { TrisealError } from "../core/errors.ts";
import { JSON_LENGTH_HEADER, messageHeaders } from "../core/oip-body.ts";
import { inStage } from "../core/stage.ts";
import { authenticate, type Caller } from "./authenticate.ts";
import type { BodyMemory } from "./body-memory.ts";
import { bytesResponse } from "./bytes-response.ts";
import { holdingBodies } from "./held-bodies.ts";
import type { InFlight } from "./in-flight.ts";
import type { InferService } from "./infer.ts";
import type { InferCall, InferResult } from "./infer-call.ts";
import type { CatalogModel, GatewayOptions, OperatorLog } from "./options.ts";
import { retryHeaders } from "./problem.ts";
import { readBody } from "./read-body.ts";
import type { App, RequestState } from "./request-state.ts";
import { pendingHeaders, prefersAsync, RETRY_AFTER_SECONDS } from "./routes-jobs.ts";

/** OIP v2: server and model metadata, health, inference. */
export function addOipRoutes(
  app: App,
  options: GatewayOptions,
  inFlight: InFlight,
  memory: BodyMemory,
  service: InferService,
): void {
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
  const integerModel = (c: Context) => {
    const bytes = find(c).integerModel ?? null;
    if (bytes === null) throw new TrisealError("NOT_FOUND", "this model has no public integer form");
    return bytesResponse(bytes, "application/json", 200, {});
  };
  const modelReady = (c: Context) => {
    const model = find(c);
    const ready = options.paths.some((path) => path.backends(model).length > 0);
    return c.json({ name: model.name, ready }, ready ? 200 : 503);
  };
  const answer = async (c: Context<RequestState>, caller: Caller): Promise<InferResult> => {
    const held = memory.open(caller.tenant.id);
    const observer = options.observe?.(c.var.requestId);
    const answered = observer?.stages("request");
    return holdingBodies(c, held, async () => {
      const read = () => readBody(c.req.raw, options.limits.maxBodyBytes, held, c.env.incoming);
      const body = await inStage(observer?.stages, "read", read);
      const call = callOf(c, caller, body);
      const result = await service.infer(observer === undefined ? call : { ...call, stages: observer.stages });
      answered?.();
      observer?.done(result.receiptId);
      return result;
    });
  };
  const infer = async (c: Context<RequestState>) => {
    const caller = authenticate(c.req.header("authorization"), options.tenants);
    return inFlight.run(caller.tenant.id, async () => {
      const result = await answer(c, caller);
      options.log(inferLine(c.var.requestId, result));
      return responseOf(result, prefersAsync(c.req.header("prefer")));
    });
  };
  app.get("/v2", (c) =>
    c.json({ name: "triseal", version: "0.1.0", extensions: ["binary_tensor_data", "triseal_sealed", "aci"] }),
  );
  app.get("/v2/models", (c) => c.json({ models: options.models.map(({ name }) => name) }));
  app.get("/v2/health/live", (c) => c.json({ live: true }));
  app.get("/v2/health/ready", async (c) => {
    const reason = await notReady(options, inFlight);
    return c.json(reason === null ? { ready: true } : { ready: false, reason }, reason === null ? 200 : 503);
  });
  for (const prefix of ["/v2/models/:model", "/v2/models/:model/versions/:version"]) {
    app.get(prefix, metadata);
    app.get(`${prefix}/ready`, modelReady);
    app.get(`${prefix}/integer-model`, integerModel);
    app.post(`${prefix}/infer`, infer);
  }
}

/** The operator's line about one request. */
function inferLine(
  requestId: string,
  { receiptId, status, code, jobId, replayed, pending }: InferResult,
): Parameters<OperatorLog>[0] {
  return {
    level: "info",
    event: "infer",
    request_id: requestId,
    receipt_id: receiptId,
    status,
    code,
    ...(jobId === null ? {} : { job_id: jobId }),
    ...(pending.length === 0 ? {} : { pending: pending.map((leg) => leg.jobId) }),
    ...(replayed ? { replayed: true } : {}),
  };
}

function responseOf({ body, mediaType, status, receiptId, jobId, replayed, pending }: InferResult, asked: boolean): Response {
  return bytesResponse(body, mediaType, status, {
    ...messageHeaders(body, mediaType),
    "x-receipt-id": receiptId,
    ...(replayed ? { "idempotency-replayed": "true" } : {}),
    ...pendingHeaders(pending),
    ...(jobId === null ? retryHeaders(status) : acceptedHeaders(jobId, asked)),
  });
}

function callOf(c: Context<RequestState>, caller: Caller, body: Uint8Array): InferCall {
  return {
    caller,
    path: c.req.path,
    modelName: c.req.param("model") ?? "",
    modelVersion: c.req.param("version") ?? null,
    mediaType: c.req.header("content-type") ?? "",
    body,
    jsonLength: c.req.header(JSON_LENGTH_HEADER) ?? null,
    idempotencyKey: c.req.header("idempotency-key") ?? null,
    requestId: c.var.requestId,
    identity: c.var.identity,
    signal: c.req.raw.signal,
    respondAsync: prefersAsync(c.req.header("prefer")),
  };
}

/** @param asked whether the caller asked for 202; else policy did, and no preference was applied (RFC 7240 section 3). */
function acceptedHeaders(jobId: string, asked: boolean): Record<string, string> {
  return {
    location: `/v1/jobs/${jobId}`,
    "retry-after": String(RETRY_AFTER_SECONDS),
    ...(asked ? { "preference-applied": "respond-async" } : {}),
  };
}

/** Why the gateway should get no requests now, or null. */
async function notReady(options: GatewayOptions, inFlight: InFlight): Promise<string | null> {
  if (inFlight.draining) return "draining";
  const policy = options.policy();
  if ("unavailable" in policy) return `policy: ${policy.unavailable}`;
  const problem = options.policyProblem();
  if (problem !== null) return `policy: ${problem}`;
  // A path that was given no model is not awaited, and cannot stand in for one that was.
  const serving = options.paths.filter((path) => path.models().length > 0);
  const states = await Promise.all(serving.map((path) => path.ready(AbortSignal.timeout(1000))));
  const reasons = states.flatMap((state) => (state.ready ? [] : [state.reason]));
  return reasons.length === states.length ? `no path is ready: ${reasons.join("; ")}` : null;
}
