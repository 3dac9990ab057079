/** Starts the gateway's workers behind the tee path: one supervised process each, admitted before any request. */

import { encodeJcs } from "../core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import type { Clock } from "../core/time.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { CatalogModel, OperatorLog } from "../gateway/options.ts";
import { createAdmissionAppraisal } from "../paths/tee/server/appraise-admission.ts";
import { createTeePath, type TeePath } from "../paths/tee/server/tee-path.ts";
import { pathSection, revokedBy, type TrustedService } from "../trust/trust-file.ts";
import type { TrisealConfig } from "./config.ts";
import type { DevPlatform } from "./dev-platform.ts";
import { programArguments } from "./package-root.ts";

/** Longest answer of a worker, in bytes: what the SDK reads of one. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** What workers are started with. */
export interface WorkerSetup {
  readonly config: TrisealConfig;
  /** The service of the trust file that workers are admitted under now. */
  readonly service: () => TrustedService;
  readonly catalog: { readonly folder: string; readonly models: readonly CatalogModel[] };
  readonly platform: Pick<DevPlatform, "seedFile" | "enrolment">;
  readonly clock: Clock;
  readonly log: OperatorLog;
}

/** The attester as a worker is told it: what the gateway made for development fills in what the configuration leaves out. */
function attesterOf({ attester }: TrisealConfig["workers"], { seedFile, enrolment }: WorkerSetup["platform"]): JsonObject {
  if (attester.type === "simulated") return { ...attester, seedFile };
  // Members that the configuration leaves out are absent, and none is undefined.
  const named = attester as JsonObject;
  return enrolment === null ? named : { ...named, enrolment };
}

/** The tee path over new workers; each session is logged before it is used. */
export function startWorkers(setup: WorkerSetup, ledger: Ledger): TeePath {
  const { config, service, catalog, platform, clock } = setup;
  const { workers, limits } = config;
  const places = Array.from({ length: workers.count }, (_, index) => {
    const name = `worker-${index + 1}`;
    return {
      name,
      command: process.execPath,
      args: programArguments("enclave/worker/main"),
      env: { PATH: process.env["PATH"] ?? "" },
      claims: workers.jurisdiction === null ? {} : { jurisdiction: workers.jurisdiction },
      config: {
        v: 1,
        name,
        attester: attesterOf(workers, platform),
        modelsFolder: catalog.folder,
        executionProviders: workers.executionProviders,
        concurrency: workers.concurrency,
        queueLength: workers.queueLength,
        intraOpThreads: workers.intraOpThreads,
        maxTensorElements: limits.maxTensorElements,
        maxBodyBytes: 2 * limits.maxBodyBytes + 65_536,
        sealAlgorithms: workers.sealAlgorithms,
        stageTimes: config.diagnostics.stageTimes,
      },
    };
  });
  return createTeePath({
    workers: places,
    models: catalog.models,
    requestTimeoutMs: limits.requestTimeoutMs,
    appraise: createAdmissionAppraisal({
      trusted: () => ({ section: pathSection(service(), "tee"), revoked: revokedBy(service()) }),
      clock,
    }),
    onSession: (document) => ledger.logShared("session", encodeJcs(document)),
    clock,
    maxSessionAgeS: workers.maxSessionAgeSeconds,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    note: (worker, event, text) => setup.log({ level: "info", event, worker, ...noteOf(text) }),
  });
}

/** A note of the supervisor: a worker's own log line is JSON, and its members are kept as they are. */
function noteOf(text: string): JsonObject {
  try {
    const line = parseJson(text);
    return isJsonObject(line) ? { line } : { text: text.slice(0, 500) };
  } catch {
    return { text: text.slice(0, 500) };
  }
}
