/** One inference that the service computes without reading it: encoded, encrypted and decrypted here. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeRecord, type FinishedInference, fheClient, type TrisealClient } from "../../client/index.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { frameCircuit, type ModelTerms } from "../../paths/fhe/client/model-terms.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import type { KeyFolder } from "./key-folder.ts";
import type { NativeProgram } from "./native-program.ts";

/** Largest output that is read: 1,024 numbers of one part have 16 MiB. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/** What is classified. */
export interface AskedRecord {
  /** Name or digest of the integer model. */
  readonly model: string;
  /** Raw values, in the order of the model's features. */
  readonly record: readonly number[];
  /** The caller's facts. */
  readonly parameters?: JsonObject;
  readonly signal?: AbortSignal;
}

/** What came of it. */
export interface Classified {
  /** As the integer model's executor gives them. */
  readonly integers: readonly number[];
  /** Null where the service names no labels, or where they do not fit the integers. */
  readonly label: string | null;
  readonly finished: FinishedInference;
}

/**
 * Encodes and encrypts a record under a challenge, runs the model, fetches what came out and decrypts it; the receipt is verified.
 * @param keys a key set of kind `lwe` that the service has.
 * @throws TrisealError the service's code; `FHE_KEY_INVALID` for a key set of another kind; `INPUT_OUT_OF_RANGE`; as `fheClient` and the native program.
 */
export async function classifyEncrypted(
  client: TrisealClient,
  native: NativeProgram,
  { key, clientKey }: KeyFolder,
  { model, record, ...more }: AskedRecord,
): Promise<Classified> {
  const service = fheClient(client);
  if (key.kind !== "lwe")
    throw fheError("FHE_KEY_INVALID", `models run under key sets of kind lwe, and this is one of kind ${key.kind}`);
  return inTemporaryFolder(async (folder) => {
    const [circuit, input, output] = [join(folder, "frame.json"), join(folder, "input"), join(folder, "output")];
    const encrypt = async (terms: ModelTerms) => {
      await writeFile(circuit, frameCircuit(terms.frame));
      await native.encryptVector(clientKey, circuit, encodeRecord(terms, record), input);
      return new Uint8Array(await readFile(input));
    };
    const finished = await service.infer({ model, keyId: key.keyId, encrypt, ...more });
    const [made] = finished.answer.outputs;
    if (made === undefined) throw new TrisealError("FORMAT_INVALID", "the run has no output");
    await writeFile(output, await service.blob(made.digest, MAX_OUTPUT_BYTES, more.signal));
    const integers = await native.decryptVector(clientKey, circuit, output);
    return { integers, label: labelIn(finished.terms, integers), finished };
  });
}

/** One number: 0 or more means the second label. Several: the largest wins, the first of equals. A class is its own label. */
function labelIn({ labels, output }: ModelTerms, integers: readonly number[]): string | null {
  const [first = 0] = integers;
  const best = integers.length > 1 ? integers.indexOf(Math.max(...integers)) : Number(first >= 0);
  return labels[output.meaning === "class" ? first : best] ?? null;
}
