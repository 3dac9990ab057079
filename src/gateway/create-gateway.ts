/** The gateway as a Hono application. */
import { Hono } from "hono";
import { TrisealError } from "../core/errors.ts";
import { BodyMemory } from "./body-memory.ts";
import { ReceiptCompleter } from "./complete-receipt.ts";
import { logFault } from "./fault.ts";
import { KeyClaims } from "./idempotency.ts";
import { InFlight } from "./in-flight.ts";
import { InferService } from "./infer.ts";
import { JobRunner } from "./job-runner.ts";
import { JobService } from "./job-service.ts";
import type { GatewayOptions } from "./options.ts";
import { codedError, PROBLEM_TYPE, problemOf, retryHeaders } from "./problem.ts";
import { newRequestId, type RequestState } from "./request-state.ts";
import { addAciRoutes } from "./routes-aci.ts";
import { addJobRoutes } from "./routes-jobs.ts";
import { addLogRoutes } from "./routes-log.ts";
import { addOipRoutes } from "./routes-oip.ts";
import { addPathRoutes } from "./routes-path.ts";
import { PathRunner } from "./run-paths.ts";
import { SubmissionService } from "./submission-service.ts";

/** Methods that routes are registered for. */
const METHODS = ["GET", "POST", "PATCH", "DELETE"];

/** A gateway that answers requests until it is drained. */
export interface Gateway {
  /** Answers one request; `env.outgoing` is its connection, whose close frees the memory of the answer. */
  readonly fetch: (request: Request, env?: RequestState["Bindings"]) => Response | Promise<Response>;
  /** Takes jobs from now on: those that an earlier process left first. @throws TrisealError `STORE_UNAVAILABLE`. */
  startJobs(): Promise<void>;
  /** Refuses new requests and resolves when the last one is answered. Jobs under way are left to the next start. */
  drain(): Promise<void>;
}

/** A gateway over the given paths, policy and ledger. Opens no socket. */
export function createGateway(options: GatewayOptions): Gateway {
  const app = new Hono<RequestState>();
  const { maxInFlight, maxInFlightPerTenant, maxHeldBytes, maxHeldBytesPerTenant } = options.limits;
  const bounds = { total: maxInFlight, perTenant: maxInFlightPerTenant };
  const inFlight = new InFlight(bounds);
  const memory = new BodyMemory({ total: maxHeldBytes, perTenant: maxHeldBytesPerTenant });
  app.use(async (c, next) => {
    c.set("requestId", newRequestId());
    c.set("identity", options.identity());
    await next();
    c.res.headers.set("x-request-id", c.var.requestId);
    c.res.headers.set("x-aci-version", "aci/1");
    c.res.headers.set("x-aci-keyset-digest", c.var.identity.keysetDigest);
    c.res.headers.set("x-content-type-options", "nosniff");
    // A draining gateway keeps no connection for the next request.
    if (inFlight.draining) c.res.headers.set("connection", "close");
  });
  const respond = (error: unknown, path: string, requestId: string): Response => {
    const coded = codedError(error);
    logFault(options.log, coded, requestId);
    const problem = problemOf(coded, options.codes, path.startsWith("/v2") ? "oip" : "aci", requestId, null);
    options.log({ level: "warn", event: "refused", request_id: requestId, code: problem.code, status: problem.status });
    const headers = { "content-type": PROBLEM_TYPE, ...retryHeaders(problem.status) };
    return new Response(JSON.stringify(problem.body), { status: problem.status, headers });
  };
  app.onError((error, c) => respond(error, c.req.path, c.var.requestId));
  app.notFound((c) => {
    // The middleware above matches every address; a second match is a route of that method.
    const allowed = METHODS.filter((method) => app.router.match(method, c.req.path)[0].length > 1);
    if (allowed.length === 0) return respond(new TrisealError("NOT_FOUND", "no such route"), c.req.path, c.var.requestId);
    const wrong = new TrisealError("REQUEST_METHOD", `this route takes ${allowed.join(", ")}`);
    const response = respond(wrong, c.req.path, c.var.requestId);
    response.headers.set("allow", allowed.join(", "));
    return response;
  });
  // One tenant's key is one key, wherever it is used.
  const claims = new KeyClaims();
  const paths = new PathRunner(options);
  const service = new InferService(options, claims, paths);
  addOipRoutes(app, options, inFlight, memory, service);
  // Reads are bounded apart: whoever was answered while the gateway drains still gets the receipt.
  const reads = new InFlight(bounds);
  addAciRoutes(app, options, reads, memory);
  addLogRoutes(app, options);
  addPathRoutes(app, options, { inFlight, reads, memory }, new SubmissionService(options, claims));
  const jobs = openJobs(options, service, paths);
  if (jobs !== null) addJobRoutes(app, options, jobs.service, reads);
  return {
    fetch: (request, env = {}) => app.fetch(request, env),
    startJobs: () => jobs?.runner.start() ?? Promise.resolve(),
    async drain() {
      // New requests are refused from here on; jobs under way end before their turn is over.
      await Promise.all([inFlight.drain(), jobs?.runner.close()]);
    },
  };
}

/** The jobs of a gateway, where it has any; `infer` hands requests over to them from then on. */
function openJobs(options: GatewayOptions, infer: InferService, paths: PathRunner) {
  if (options.jobs === null) return null;
  const runner = new JobRunner(options, options.jobs, { infer, completer: new ReceiptCompleter(options, paths) });
  const service = new JobService(options, options.jobs, runner);
  infer.useJobs(service);
  return { runner, service };
}
