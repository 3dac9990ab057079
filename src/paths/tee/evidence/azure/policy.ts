import { type Decoded, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { tpmMembers } from "../tpm2/policy.ts";

const decodeTpmPart = object(tpmMembers);

/** A policy of the CPU kind with the members of the TPM quote beside it. */
export interface AzurePolicy<Cpu> {
  readonly cpu: Cpu;
  readonly tpm: Decoded<typeof decodeTpmPart>;
}

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseAzurePolicy<Cpu>(policy: JsonObject, parseCpu: (policy: JsonObject) => Cpu): AzurePolicy<Cpu> {
  const { nonce = null, pcrs = null, ...cpu } = policy;
  return { cpu: parseCpu(cpu), tpm: decodeTpmPart({ nonce, pcrs }, "policy") };
}
