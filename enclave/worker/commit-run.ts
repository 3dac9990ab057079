/**
 * What an integer run states about itself: a salted commitment to its input, and its outputs or a commitment to them
 * (receipt/SPEC.md section 3.1). The input's is computed while the model thread runs.
 */
import { encodeHex } from "../../src/core/bytes.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { type CommitParameters, commitParameters } from "../../src/core/oip.ts";
import { elementCount, type Tensor } from "../../src/core/tensor.ts";
import { inputCommitment, outputCommitment } from "../../src/model/commitment/leg-commitment.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import type { SealedEnvelope } from "../../src/paths/tee/wire/envelope.ts";
import type { TeeLegStatement } from "../../src/paths/tee/wire/leg.ts";
import type { RawTensor } from "./element-type.ts";

/** Bytes of a salt that the worker makes: 128 bits. */
const SALT_BYTES = 16;

/** Runs of the hash before the first request: tables are made and the code is compiled then. */
const WARM_RUNS = 32;

/** What a leg states beside its binding. Both are null for a float model. */
export type RunStatement = Pick<TeeLegStatement, "inputCommitment" | "outputs" | "outputCommitment">;

/** The commitment of one request, with the salt that goes back to the caller and nowhere else. */
export interface RunCommitment {
  readonly salt: Uint8Array;
  readonly inputCommitment: string;
  /** Whether the leg states the outputs in the clear. */
  readonly stated: boolean;
}

/**
 * What the request says about its commitment; null for a float model, whose parameters of that name mean nothing.
 * @throws TrisealError `REQUEST_MALFORMED`, `REQUEST_BATCH` where the request holds another number of rows than one.
 */
export function readCommitParameters(
  checked: CheckedModel | undefined,
  parameters: Parameters<typeof commitParameters>[0],
  inputs: readonly Tensor[],
): CommitParameters | null {
  if (checked === undefined) return null;
  if (inputs.some((tensor) => tensor.shape[0] !== 1))
    throw new TrisealError("REQUEST_BATCH", "an integer model takes one row per request");
  return commitParameters(parameters);
}

/**
 * Commits to the encoded input of one request. Who sealed decides whether the leg states the outputs, where the request does
 * not: the gateway reads a leg, and what the caller sealed is a secret from the gateway.
 */
export function commitRun(
  checked: CheckedModel,
  parameters: CommitParameters,
  envelope: Pick<SealedEnvelope, "sealer">,
  input: ArrayLike<number>,
): RunCommitment {
  const salt = parameters.salt ?? crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const outputs = parameters.outputs ?? (envelope.sealer === "gateway" ? "stated" : "committed");
  return { salt, inputCommitment: inputCommitment(checked, salt, input), stated: outputs === "stated" };
}

/** A copy of the encoded input: the model thread takes the original with it. */
export function encodedInput(feeds: readonly RawTensor[]): Int32Array {
  const [feed] = feeds;
  if (!(feed?.data instanceof Int32Array)) throw new TrisealError("INTERNAL", "the encoded input is no int32 tensor");
  return feed.data.slice();
}

/** What the leg of a run states; null members for a float model. */
export function runStatement(commitment: RunCommitment | null, outputs: readonly Tensor[]): RunStatement {
  if (commitment === null) return { inputCommitment: null, outputs: null };
  const integers = outputs.flatMap(({ data }) => Array.from<unknown, number>(data, Number));
  const { salt, inputCommitment, stated } = commitment;
  return stated
    ? { inputCommitment, outputs: integers }
    : { inputCommitment, outputCommitment: outputCommitment(salt, integers) };
}

/** The response's parameters: the salt, for the caller alone. */
export function saltParameter(commitment: RunCommitment | null): { readonly parameters?: { readonly triseal_salt: string } } {
  return commitment === null ? {} : { parameters: { triseal_salt: encodeHex(commitment.salt) } };
}

/** Makes the tables of every hash that these models need, and has the engine compile it, before the first request. */
export function warmCommitments(models: Iterable<CheckedModel>): void {
  const salt = new Uint8Array(SALT_BYTES);
  for (const checked of models) {
    const input = new Int32Array(elementCount(checked.model.input.shape));
    const outputs = Array.from(checked.values.at(-1)?.lo ?? []);
    for (let run = 0; run < WARM_RUNS; run++) {
      inputCommitment(checked, salt, input);
      outputCommitment(salt, outputs);
    }
  }
}
