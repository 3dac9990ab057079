/** The fhe path of the gateway: programs on encrypted values and accounts, run by an engine that never has a key to decrypt. */
import { jsonObject, object, text } from "../../../core/decode.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import { parseJson } from "../../../core/json.ts";
import { callerFacts } from "../../../core/oip.ts";
import type {
  Backend,
  BackendFact,
  ChallengeRoute,
  InferencePath,
  PathAnswer,
  PathRoute,
  Readiness,
  ServedModel,
  SubmissionRoute,
} from "../../path.ts";
import { FHE_EVIDENCE_TYPE } from "../wire/claim.ts";
import { INFERENCE_WORK, MAX_RUN_BYTES, STATE_WORK, SUBMITS_RUN } from "../wire/run.ts";
import { accountRoute } from "./account-routes.ts";
import { blobRoute } from "./blob-routes.ts";
import type { CrsInfo, Engine } from "./engine.ts";
import { keyRoute } from "./key-routes.ts";
import type { KeyVault } from "./key-vault.ts";
import type { BlobPort } from "./ports.ts";
import { crsRoute, programRoute } from "./program-routes.ts";
import type { Programs, RunProgram } from "./programs.ts";
import { readRun } from "./run-plan.ts";
import { type RunOptions, RunService } from "./run-service.ts";
import type { AccountStates } from "./state.ts";

const MAX_ASKED_BYTES = 16 * 1024;

/** What the path is made of once it can answer. */
export interface FheParts {
  readonly engine: Engine;
  /** Closed with the path. */
  readonly compiler: { close(): Promise<void> };
  readonly keys: KeyVault;
  readonly blobs: BlobPort;
  readonly programs: Programs;
  /** Resolves once what the log has is in the tables; rejects where that failed. */
  readonly states: Promise<AccountStates>;
  readonly limits: RunOptions["limits"] & { readonly accountsPerTenant: number; readonly timeoutMs: number };
  /** What the operator says of the engine. */
  readonly claims: readonly BackendFact[];
}

const decodeAsked = object({ model: text(128) }, { parameters: jsonObject });

class FheInference implements InferencePath {
  readonly id = "fhe";
  readonly attestedUpstream = false;
  readonly sealed = null;
  readonly confirmer = null;
  readonly routes: readonly PathRoute[];
  private readonly parts: FheParts;
  private crsFound: CrsInfo | null = null;
  private closed = false;

  constructor(parts: FheParts) {
    this.parts = parts;
    const { engine, keys, blobs, limits } = parts;
    const states = () => this.states();
    const programs = async () => this.open().programs;
    const crsName = () => this.crsFound?.digest ?? null;
    const { accountsPerTenant, timeoutMs } = limits;
    this.routes = [
      this.challengeRoute(),
      this.runRoute(),
      keyRoute(keys),
      accountRoute({ states, keys, accountsPerTenant }),
      programRoute(programs),
      blobRoute({ states, programs, keys, blobs, engine, timeoutMs, crsName }),
      crsRoute((signal) => this.crs(signal)),
    ];
  }

  models(): readonly ServedModel[] {
    return this.parts.programs.all().map(modelOf);
  }

  /** Runs have addresses of their own: no inference request is answered here. */
  backends(): readonly Backend[] {
    return [];
  }

  async ready(): Promise<Readiness> {
    return { ready: false, reason: "the fhe path answers no inference request" };
  }

  async infer(): Promise<PathAnswer> {
    throw new TrisealError("PATH_UNAVAILABLE", "the fhe path answers no inference request");
  }

  contradicted(): void {}

  sessions(): readonly [] {
    return [];
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.parts.engine.close(), this.parts.compiler.close()]);
    (await this.parts.states.catch(() => null))?.close();
  }

  private challengeRoute(): ChallengeRoute {
    return {
      kind: "challenge",
      address: "challenges",
      maxBodyBytes: MAX_ASKED_BYTES,
      submits: SUBMITS_RUN,
      workKind: (modelName, tenant) => workOf(this.open().programs.find(tenant, modelName)),
      parse: (body) => {
        const { model, parameters } = asked(body);
        return { modelName: model, facts: callerFacts(parameters) };
      },
      offer: async (modelName, tenant) => {
        const program = this.open().programs.find(tenant, modelName);
        if (program === null) throw new TrisealError("MODEL_UNKNOWN", "no program of that name or digest");
        const evidence = { name: "evidence_type", origin: "evidence", value: FHE_EVIDENCE_TYPE } as const;
        const priced = { ...program.terms, programDigest: program.digest, price: { ...(await program.price()) } };
        const terms = program.kind === "lwe" ? priced : { ...priced, crs: await this.crsTerms() };
        const facts = [evidence, ...this.parts.claims];
        return { model: modelOf(program), backend: { id: "fhe:engine", path: this.id, facts }, terms };
      },
    };
  }

  private runRoute(): SubmissionRoute {
    return {
      kind: "submission",
      address: "run",
      maxBodyBytes: MAX_RUN_BYTES,
      submits: SUBMITS_RUN,
      parse: (body) => {
        const { nonce, programDigest } = readRun(body);
        return { nonce, modelDigest: programDigest };
      },
      accept: async (submission, options) => {
        const { programs, engine, keys, blobs, limits } = this.open();
        const program = programs.find(submission.tenant, submission.model.digest);
        if (program === null) throw new TrisealError("MODEL_UNKNOWN", "the program is registered no more");
        const states = await this.states();
        const service = new RunService({ engine, keys, blobs, states, limits, timeoutMs: limits.timeoutMs });
        return service.accept(submission, program, options);
      },
    };
  }

  private open(): FheParts {
    if (this.closed) throw new TrisealError("PATH_UNAVAILABLE", "the path is closed");
    return this.parts;
  }

  private async states(): Promise<AccountStates> {
    try {
      return await this.open().states;
    } catch (cause) {
      if (isTrisealError(cause, "STORE_UNAVAILABLE")) throw cause;
      throw new TrisealError("PATH_UNAVAILABLE", "the accounts could not be made from the log", { cause });
    }
  }

  private async crsTerms(): Promise<JsonObject> {
    const { digest, bytes } = await this.crs(AbortSignal.timeout(this.parts.limits.timeoutMs));
    return { digest: `sha256:${digest}`, bytes };
  }

  private async crs(signal: AbortSignal): Promise<CrsInfo> {
    this.crsFound ??= await this.open().engine.crs({ signal });
    return this.crsFound;
  }
}

/** A model's run changes no state, and a program's may. */
function workOf(program: RunProgram | null): string {
  return program?.kind === "lwe" ? INFERENCE_WORK : STATE_WORK;
}

/** A program as the gateway knows a model. */
function modelOf({ name, digest }: RunProgram): ServedModel {
  return { name, version: "1", digest, outputs: [] };
}

function asked(body: Uint8Array): { readonly model: string; readonly parameters?: JsonObject } {
  try {
    return decodeAsked(parseJson(body), "challenge");
  } catch (cause) {
    throw new TrisealError("REQUEST_MALFORMED", "the body is no `{model, parameters}`", { cause });
  }
}

/** The fhe path over an engine. */
export function createFhePath(parts: FheParts): InferencePath {
  return new FheInference(parts);
}
