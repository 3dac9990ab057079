/** An auditor's own copy of an integer model, compiled here. */
import { resolve } from "node:path";
import { digestOf, type Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";
import { readPackage } from "../../model/read/read-package.ts";
import { encodeLweCircuit } from "../../paths/fhe/compile/lwe-circuit.ts";
import { compileLwe } from "../../paths/fhe/compile/lwe-compile.ts";

/** What a claim about a model must say, and the circuit that it is about. */
export interface OwnCircuit {
  readonly circuit: Uint8Array;
  readonly circuitDigest: Sha256Digest;
  readonly pbs: number;
}

/** The integer model of a package folder. @throws TrisealError `MODEL_INVALID`, `FORMAT_INVALID`. */
export async function readIntegerModel(folder: string): Promise<CheckedModel> {
  const [, form] = await readPackage(resolve(folder));
  if (form?.integer == null) throw new TrisealError("FORMAT_INVALID", "--model: the package has no integer form");
  return form.integer.checked;
}

/** The circuit that the fhe path runs for a model. @throws TrisealError `FHE_MODEL_UNSUPPORTED`. */
export function encryptedCircuit(checked: CheckedModel): OwnCircuit {
  const { circuit, price } = compileLwe(checked);
  const bytes = encodeLweCircuit(circuit);
  return { circuit: bytes, circuitDigest: digestOf(bytes), pbs: price.pbs };
}
