/**
 * One run from the document to the leg: its accounts are taken, the engine runs, what it made is durable, the engine signs its
 * claim; what the claim says is written once the receipt is in the log.
 */
import { makeBinding } from "../../../core/binding.ts";
import { utf8 } from "../../../core/bytes.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { canonicalJson } from "../../../core/jcs.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { StateAccount } from "../../../core/kept-state.ts";
import { factsDigest } from "../../../core/oip.ts";
import { JSON_TYPE } from "../../../core/oip-body.ts";
import { type InferOptions, NOTHING_STATED, type PathAnswer, type Submission } from "../../path.ts";
import {
  type Claim,
  type ClaimedRead,
  type ClaimedWrite,
  FHE_CLAIM_TYPE,
  FHE_MODEL_TYPE,
  FHE_PROGRAM_TYPE,
  parseClaim,
  verifyClaim,
} from "../wire/claim.ts";
import { fheError } from "../wire/codes.ts";
import { handleOf, seedOf } from "../wire/handle.ts";
import { encodeRunAnswer } from "../wire/run.ts";
import type { EngineOptions, EngineResult } from "./engine.ts";
import { grown, mintedBy, SUPPLY } from "./ledger-rules.ts";
import { assertPrice, type ProgramLimits, type RunProgram } from "./programs.ts";
import { assertVersions, planRun, type RunPlan } from "./run-plan.ts";
import { newRunId, type ResolvedInput, resolveInputs, type ValueSources } from "./run-values.ts";
import type { Taken } from "./state.ts";
import { changeOfClaim } from "./state-change.ts";

/** What runs need. */
export interface RunOptions extends ValueSources {
  readonly limits: Pick<ProgramLimits, "pbs" | "depth">;
  /** Longest that one run may take. */
  readonly timeoutMs: number;
}

interface Output {
  readonly n: string;
  readonly t: string;
  readonly digest: Sha256Digest;
  readonly handle: string;
  readonly bytes: number;
}

/** A run that the engine has done. */
interface DoneRun {
  readonly id: string;
  readonly plan: RunPlan;
  readonly rows: ReadonlyMap<string, StateAccount>;
  readonly inputs: readonly ResolvedInput[];
  readonly outputs: readonly Output[];
  readonly pbs: number;
}

/** Does runs. */
export class RunService {
  private readonly options: RunOptions;

  constructor(options: RunOptions) {
    this.options = options;
  }

  /**
   * Does a run. Nothing has changed where it throws.
   * @throws TrisealError as `planRun`, `resolveInputs` and the engine; `FHE_KEY_UNKNOWN`, `FHE_KEY_INVALID`, `FHE_STATE_CONFLICT`,
   *   `FHE_SUPPLY_EXCEEDED`, `FHE_PRICE_EXCEEDED`, `DEADLINE_EXCEEDED`, `CLIENT_ABORTED`.
   */
  async accept(submission: Submission, program: RunProgram, { signal, progress }: InferOptions): Promise<PathAnswer> {
    const { states, keys } = this.options;
    const plan = await planRun(submission, program, states);
    const key = await keys.find(plan.tenant, plan.run.keyId);
    if (key === null) throw fheError("FHE_KEY_UNKNOWN", "this tenant has no key of that id");
    if (key.kind !== program.kind)
      throw fheError(
        "FHE_KEY_INVALID",
        `this runs under key sets of kind ${program.kind}, and the run names one of kind ${key.kind}`,
      );
    const deadline = AbortSignal.timeout(this.options.timeoutMs);
    const engineOptions: EngineOptions = {
      signal: AbortSignal.any([signal, deadline]),
      progress: (done, of) => progress?.(of === 0 ? 0 : done / of, "running"),
    };
    const writes = [...plan.run.writes.values()];
    const taken = states.take(plan.tenant, { reads: [...plan.documents.keys()], writes });
    try {
      const done = await this.run(plan, submission, engineOptions);
      return await this.answer(done, submission, taken, engineOptions);
    } catch (error) {
      taken.release();
      throw reasonOf(error, signal, deadline);
    }
  }

  private async run(plan: RunPlan, submission: Submission, options: EngineOptions): Promise<DoneRun> {
    const { states, engine, blobs } = this.options;
    const { program, run } = plan;
    const rows = new Map<string, StateAccount>();
    for (const name of plan.documents.keys()) {
      const row = await states.account(plan.tenant, name);
      if (row !== null) rows.set(name, row);
    }
    assertVersions(plan, rows);
    const clear = new Map([...run.inputs].flatMap(([n, input]) => ("clear" in input ? [[n, input.clear] as const] : [])));
    const circuit = await program.circuit(clear, options.signal);
    assertPrice(circuit, this.options.limits);
    // Before anything runs: what may not be minted is not worth a bootstrap.
    writesOf({ plan, rows, outputs: [] });
    const inputs = await resolveInputs(plan, rows, submission.exp, this.options, options);
    await Promise.all(inputs.flatMap(({ isFresh, value }) => (isFresh && value !== null ? [blobs.put(value)] : [])));
    const id = newRunId();
    const { modelDigest, decisionDigest, nonce } = submission.context;
    const seed = seedOf({ v: 1, requestDigest: digestOf(submission.body), modelDigest, decisionDigest, nonce });
    const values = inputs.flatMap(({ value }) => (value === null ? [] : [value]));
    const result = await engine.run({ run: id, keyId: run.keyId, seed, circuit: circuit.bytes, inputs: values }, options);
    await Promise.all(result.values.map((value) => blobs.put(value)));
    const outputs = outputsOf(plan, inputs, result);
    return { id, plan, rows, inputs, outputs, pbs: result.pbs };
  }

  private async answer(done: DoneRun, submission: Submission, taken: Taken, options: EngineOptions): Promise<PathAnswer> {
    const { plan, outputs, pbs } = done;
    const { program } = plan;
    const price = { pbs, depth: (await program.price()).depth };
    const body = encodeRunAnswer({ outputs: [...outputs], price });
    const requestDigest = digestOf(submission.body);
    const binding = makeBinding(submission.context, requestDigest, digestOf(body));
    const asked = claimOf(done, { binding, factsDigest: factsDigest(submission.facts) });
    const bytes = await this.options.engine.claim(done.id, asked, options);
    const claim = this.checked(bytes, asked);
    const { tenant, principal } = plan;
    const change = await changeOfClaim(claim, { tenant, principal }, this.options.states);
    return {
      body,
      mediaType: JSON_TYPE,
      forwardedDigest: requestDigest,
      leg: {
        bytes,
        mediaType: FHE_CLAIM_TYPE,
        sessionId: null,
        evidenceDigest: program.digest,
        evidenceMediaType: program.kind === "lwe" ? FHE_MODEL_TYPE : FHE_PROGRAM_TYPE,
        blobs: [...(program.bytes === null ? [] : [program.bytes]), ...openedBy(claim, done)],
        // The nonce of the challenge stands in the document.
        requestGuessable: false,
        states: NOTHING_STATED,
      },
      settle: async (logged) => {
        if (logged) await taken.commit(change);
        else taken.release();
      },
    };
  }

  /** What the engine signed must be what it was asked to sign: a receipt of anything else would be a lie of this gateway. */
  private checked(bytes: Uint8Array, asked: AskedClaim): Claim {
    const signed = parseClaim(bytes);
    const { claim } = signed;
    const isOurs = claim.engine.key === this.options.engine.identity?.publicKey;
    const same = canonicalJson({ ...claim, ...asked }) === canonicalJson(claim as unknown as JsonObject);
    if (!isOurs || !same || !verifyClaim(signed)) throw fheError("FHE_PROTOCOL", "the engine signed another claim");
    return claim;
  }
}

type AskedClaim = Omit<Claim, "engine" | "circuitDigest" | "pbs" | "seed" | "parameters" | "keyId">;

function claimOf(done: DoneRun, more: Pick<Claim, "binding" | "factsDigest">): AskedClaim {
  const { plan, inputs, outputs } = done;
  return {
    v: 1,
    programDigest: plan.program.digest,
    inputs: inputs.map(({ claimed }) => claimed),
    lists: plan.run.lists.map((list) => digestOf(list)),
    outputs: outputs.map(({ n, t, digest, handle }) => ({ n, t, digest, handle })),
    reads: readsOf(done),
    writes: writesOf(done),
    ...more,
  };
}

/** Accounts whose state went in, and the asset whose state grew. */
function readsOf({ plan, rows }: Pick<DoneRun, "plan" | "rows">): readonly ClaimedRead[] {
  const named = [...plan.run.inputs.values()].flatMap((input) => ("account" in input ? [input.account] : []));
  const asset = mintedBy(plan.program) === null ? undefined : plan.run.writes.get(SUPPLY);
  return [...named, ...(asset === undefined ? [] : [asset])].flatMap((account) => {
    const row = rows.get(account);
    return row === undefined ? [] : [{ account, version: row.version, handle: row.handle }];
  });
}

/** What becomes of the accounts. @throws TrisealError `FHE_SUPPLY_EXCEEDED`. */
function writesOf({ plan, rows, outputs }: Pick<DoneRun, "plan" | "rows" | "outputs">): readonly ClaimedWrite[] {
  const minted = mintedBy(plan.program);
  return [...plan.run.writes].flatMap(([name, account]): ClaimedWrite[] => {
    const row = rows.get(account);
    const document = plan.documents.get(account);
    if (row === undefined || document === undefined) throw new TrisealError("INTERNAL", "an account is not there");
    const next = { account, version: row.version + 1, prevHead: row.head };
    if (document.kind === "asset") {
      const by = minted === null ? undefined : plan.run.inputs.get(minted);
      const clear = grown(document, row.clear, by !== undefined && "clear" in by ? by.clear : "0");
      return [{ ...next, handle: null, digest: null, clear }];
    }
    const output = outputs.find(({ n }) => n === name);
    return output === undefined ? [] : [{ ...next, handle: output.handle, digest: output.digest, clear: null }];
  });
}

function outputsOf(plan: RunPlan, inputs: readonly ResolvedInput[], result: EngineResult): readonly Output[] {
  const { program, run } = plan;
  if (result.values.length !== program.outputs.length) throw fheError("FHE_PROTOCOL", "the engine gave other outputs");
  const parts = { programDigest: program.digest, inputs: inputs.map(({ name }) => name), keyId: run.keyId, nonce: run.nonce };
  return program.outputs.map(({ n, t }, place) => {
    const value = result.values[place] ?? new Uint8Array();
    const digest = digestOf(value);
    if (digestHex(digest) !== result.outputs[place]) throw fheError("FHE_PROTOCOL", "an output has another digest");
    return { n, t, digest, handle: handleOf({ ...parts, output: n }), bytes: value.length };
  });
}

/** The documents of accounts that are written for the first time: the head before is theirs. */
function openedBy({ writes }: Claim, { rows }: DoneRun): readonly Uint8Array[] {
  return writes.flatMap(({ version, account }) => {
    const row = version === 1 ? rows.get(account) : undefined;
    return row === undefined ? [] : [utf8(row.document)];
  });
}

/** Why a run failed: the end of its time or of its caller comes before what that caused. */
function reasonOf(error: unknown, signal: AbortSignal, deadline: AbortSignal): unknown {
  if (signal.aborted)
    return isTrisealError(signal.reason) ? signal.reason : new TrisealError("CLIENT_ABORTED", "the request was aborted");
  if (!deadline.aborted) return error;
  return new TrisealError("DEADLINE_EXCEEDED", "the run was not done in time", { cause: error });
}
