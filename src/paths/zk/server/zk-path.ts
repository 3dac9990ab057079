/** The zk path of the gateway: an integer model's answer with a proof of it, verified before it leaves. */
import { digestOf } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import {
  commitParameters,
  type InferenceRequest,
  parseInferenceRequest,
  parseInputs,
  requestedOutputs,
} from "../../../core/oip.ts";
import { messageType } from "../../../core/oip-body.ts";
import { encodeInput } from "../../../model/integer/encode-input.ts";
import type {
  Backend,
  BackendFact,
  BoundRequest,
  Confirmer,
  ConfirmingLeg,
  InferencePath,
  InferOptions,
  PathAnswer,
  PathRoute,
  Readiness,
  ServedModel,
  StatementSource,
} from "../../path.ts";
import type { Witness } from "../compile/witness.ts";
import { evidenceTypeOf } from "../evidence/proven-statement.ts";
import { zkError } from "../wire/codes.ts";
import { contextOf } from "../wire/context.ts";
import { callerProofRoutes } from "./caller-proofs.ts";
import { documentRoute } from "./caller-routes.ts";
import { answeredOutputs, answeredSalt, legOf, type ProvenRun, responseOf } from "./proven-run.ts";
import type { ProvenStatement } from "./prover-process.ts";
import type { ProvingModel } from "./proving-model.ts";
import { type StatementOptions, statementRoutes, statementSource } from "./statements.ts";

/** Bytes of a salt that the path makes: 128 bits. */
const SALT_BYTES = 16;

/** How far a request is when its job waits, and when it is being proven. */
const FRACTIONS = { queued: 0.1, proving: 0.2 } as const;

/** What the zk path needs. */
export interface ZkPathOptions {
  /** Models with keys that were checked; the path closes their provers. */
  readonly models: readonly ProvingModel[];
  /** What the operator says of the provers. */
  readonly claims: readonly BackendFact[];
  /** Longest that one request may take, in a queue and in a prover. */
  readonly timeoutMs: number;
  readonly maxTensorElements: number;
  /** What threshold statements are taken with; null where none are. */
  readonly statement: StatementOptions | null;
}

interface ReadRequest {
  readonly request: InferenceRequest;
  readonly input: Int32Array;
  /** The caller's salt, or null. */
  readonly salt: Uint8Array | null;
}

class ZkInference implements InferencePath {
  readonly id = "zk";
  readonly attestedUpstream = false;
  readonly sealed = null;
  readonly routes: readonly PathRoute[];
  readonly statements?: StatementSource;
  private readonly options: ZkPathOptions;
  private closed = false;

  constructor(options: ZkPathOptions) {
    this.options = options;
    const { models, statement } = options;
    const stated = statement === null ? [] : [statement.key];
    this.routes = [
      ...callerProofRoutes(models),
      ...(statement === null ? [] : statementRoutes(statement)),
      documentRoute([...models, ...stated]),
    ];
    if (statement !== null) this.statements = statementSource(statement);
  }

  models(): readonly ServedModel[] {
    return this.options.models.map(({ model }) => model);
  }

  /** No prover here is attested, so none is a candidate for what a caller sealed. */
  backends(model: ServedModel, sealedBody?: Uint8Array): readonly Backend[] {
    const proving = this.provingModel(model);
    if (proving === undefined || sealedBody !== undefined || this.closed) return [];
    const evidence = { name: "evidence_type", origin: "evidence", value: evidenceTypeOf(proving.setup.state) } as const;
    return [{ id: backendId(proving), path: this.id, facts: [evidence, ...this.options.claims] }];
  }

  async ready(): Promise<Readiness> {
    if (this.closed) return { ready: false, reason: "the path is closed" };
    return this.options.models.length === 0 ? { ready: false, reason: "no model is proven" } : { ready: true };
  }

  async infer(request: BoundRequest, options: InferOptions): Promise<PathAnswer> {
    const proving = this.admit(request, options);
    const read = this.read(request, proving);
    const salt = read.salt ?? crypto.getRandomValues(new Uint8Array(SALT_BYTES));
    const run = await this.proveRun(request, proving, { input: read.input, salt }, options, () => undefined);
    const body = responseOf(proving, read.request, salt, run);
    const leg = legOf(request, proving, read.request, run, body);
    return { body, mediaType: messageType(body), forwardedDigest: digestOf(request.body), leg };
  }

  readonly confirmer: Confirmer = {
    assertConfirmable: (request) => void this.read(request, this.admit(request)),
    confirm: async (request, response, options): Promise<ConfirmingLeg> => {
      const proving = this.admit(request, options);
      const read = this.read(request, proving);
      const salt = answeredSalt(response, read.salt);
      const answered = answeredOutputs(response);
      const run = await this.proveRun(request, proving, { input: read.input, salt }, options, ({ outputs }) => {
        // Before the proof: what the circuit gives is known by now, and a proof of something else helps nobody.
        if (answered?.length !== outputs.length || outputs.some((item, at) => item !== answered[at]))
          throw new TrisealError("LEG_OUTPUT_MISMATCH", "the circuit's outputs are not those of the answer");
      });
      return legOf(request, proving, read.request, run, response);
    },
  };

  /** A proof is verified here before it leaves: no backend of this path is believed. */
  contradicted(): void {}

  sessions(): readonly [] {
    return [];
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.options.models.flatMap(({ prover, witnesses }) => [prover.close(), witnesses.close()]));
  }

  private provingModel({ digest, name }: ServedModel): ProvingModel | undefined {
    return this.options.models.find(({ model }) => model.digest === digest && model.name === name);
  }

  /** The model whose prover policy chose. */
  private admit(request: BoundRequest, { signal }: Partial<InferOptions> = {}): ProvingModel {
    if (this.closed) throw new TrisealError("PATH_UNAVAILABLE", "the path is closed");
    if (signal?.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
    const proving = this.provingModel(request.model);
    if (proving === undefined || backendId(proving) !== request.backendId) {
      throw new TrisealError("PATH_UNAVAILABLE", "the chosen backend is not of this path");
    }
    if (request.sealedBy === "caller") throw zkError("PROVER_NOT_ATTESTED", "no attested prover can open the request");
    return proving;
  }

  /** Witness and proof of one run. `assertWanted` sees the outputs before they are proven. */
  private async proveRun(
    request: BoundRequest,
    proving: ProvingModel,
    { input, salt }: { readonly input: Int32Array; readonly salt: Uint8Array },
    options: InferOptions,
    assertWanted: (witness: Witness) => void,
  ): Promise<ProvenRun> {
    options.progress?.(0.05, "witness");
    const requestDigest = digestOf(request.body);
    const { modelDigest, decisionDigest, nonce } = request.context;
    const context = contextOf({ v: 1, requestDigest, modelDigest, decisionDigest, nonce });
    const deadline = AbortSignal.timeout(this.options.timeoutMs);
    const signal = AbortSignal.any([options.signal, deadline]);
    let witness: Witness | null = null;
    try {
      witness = await proving.witnesses.make({ input, salt, context }, signal);
      assertWanted(witness);
      const { proof } = await this.prove(proving, witness, { ...options, signal });
      return { outputs: witness.outputs, publicSignals: witness.publicSignals, proof };
    } catch (error) {
      throw withForwarded(reasonOf(error, options.signal, deadline), requestDigest);
    } finally {
      witness?.file.fill(0);
    }
  }

  /** What is to be proven. Nothing is clamped: an input out of range is refused before any witness is made of it. */
  private read({ body }: BoundRequest, { model, checked }: ProvingModel): ReadRequest {
    const request = parseInferenceRequest(body);
    const [tensor, ...others] = parseInputs(request, model.inputs, this.options.maxTensorElements);
    requestedOutputs(request, model.outputs);
    if (tensor === undefined || others.length > 0 || tensor.shape[0] !== 1) {
      throw new TrisealError("REQUEST_BATCH", "a proof is of one row");
    }
    const { salt, outputs } = commitParameters(request.parameters);
    if (outputs === "committed") throw zkError("ZK_OUTPUTS_STATED", "a proof states its outputs");
    return {
      request,
      input: encodeInput(checked.model.input, Array.from<unknown, number>(tensor.data, Number)),
      salt,
    };
  }

  /** Proves in the pool and verifies here: what a prover process says of its own proof is not enough. */
  private async prove(proving: ProvingModel, witness: Witness, { signal, progress }: InferOptions): Promise<ProvenStatement> {
    const proven = await proving.prover.prove(witness.file, {
      signal,
      progress: (stage) => progress?.(FRACTIONS[stage], stage),
    });
    progress?.(0.95, "verifying");
    if (!proving.verifier.verify(proven.proof, witness.publicSignals)) {
      throw zkError("ZK_PROVER_LOST", "the prover's proof does not hold, and was dropped");
    }
    return proven;
  }
}

/** Why a run failed: an abort of the request or the end of its time comes before what it caused. */
function reasonOf(error: unknown, signal: AbortSignal, deadline: AbortSignal): unknown {
  if (signal.aborted) {
    return isTrisealError(signal.reason) ? signal.reason : new TrisealError("CLIENT_ABORTED", "the request was aborted");
  }
  if (!deadline.aborted) return error;
  return new TrisealError("DEADLINE_EXCEEDED", "the proof was not made in time", { cause: error });
}

function backendId({ model }: ProvingModel): string {
  return `zk:${model.name}`;
}

/** `error` with the digest of what the prover was given. */
function withForwarded(error: unknown, forwardedDigest: string): unknown {
  if (!isTrisealError(error)) return error;
  const details = { ...error.details, forwarded: true, forwardedDigest };
  return new TrisealError(error.code as "INTERNAL", error.message, { cause: error.cause, details });
}

/** The zk path over models whose provers run. */
export function createZkPath(options: ZkPathOptions): InferencePath {
  return new ZkInference(options);
}
