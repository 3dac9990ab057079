/** What a key holder decrypts (SPEC 11): one named output of an allow-listed run, whose inputs are proven lists that were submitted with it. */
import { digestOf } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseTrust, type Trust } from "../../../trust/trust-file.ts";
import type { Claim } from "../wire/claim.ts";
import { fheError } from "../wire/codes.ts";
import { type HolderConfiguration, holderConfigurationDigest } from "../wire/key-holder.ts";
import { auctionOf, claimDigest, type DecidedReveal } from "../wire/reveal.ts";
import { parseRun } from "../wire/run.ts";
import type { ReceiptedClaim } from "./receipted-claim.ts";

/** A reveal that the rule permits, apart from whether it is the first one. */
export type PermittedReveal = Omit<DecidedReveal, "sequence" | "previous" | "decidedAt">;

/**
 * What a key holder verifies bundles under: its configuration and nothing else.
 * @throws TrisealError `TRUST_FILE_INVALID` where `service` is no entry of a trust file, or states `paths` of its own.
 */
export function holderTrust({ service, engines, keyId, programs }: HolderConfiguration): Trust {
  if (Object.hasOwn(service, "paths")) throw new TrisealError("TRUST_FILE_INVALID", "the service's `paths` follow from the rest");
  const fhe = {
    engines,
    keys: [{ keyId, holder: "this key holder" }],
    programs: programs.map(({ name, digest }) => ({ name, digest })),
  };
  const trust = { apiVersion: "triseal.dev/trust/v1", services: [{ ...service, paths: { fhe } }] };
  // JSON is YAML.
  return parseTrust(encodeJcs(trust));
}

/**
 * The reveal of an output of a run, as far as the configuration permits it. The bundle must have been verified under `holderTrust`.
 * @param run the run document as it was submitted: the claim does not say whether a fresh input came from a proven list.
 * @throws TrisealError `FHE_REVEAL_BUNDLE` for a program, engine or key of others, `FHE_REVEAL_OUTPUT`, `FHE_REVEAL_RUN`, `FHE_REVEAL_INPUT`.
 */
export function permittedReveal(
  configuration: HolderConfiguration,
  { claim, receiptId }: ReceiptedClaim,
  run: Uint8Array,
  output: string,
): PermittedReveal {
  const { keyId, programDigest, engine } = claim;
  const fault = foreignPart(configuration, claim);
  if (fault !== null) throw fheError("FHE_REVEAL_BUNDLE", `the configuration names another ${fault}`);
  const named = outputsOf(configuration, claim).includes(output);
  const found = claim.outputs.find(({ n }) => n === output);
  if (!named || found === undefined) throw fheError("FHE_REVEAL_OUTPUT", "the configuration names no such output of the program");
  assertProvenRun(claim, run);
  return {
    keyId,
    configuration: holderConfigurationDigest(configuration),
    auction: auctionOf(claim),
    receiptId,
    claim: claimDigest(claim),
    programDigest,
    output,
    type: found.t,
    digest: found.digest,
    engine: { key: engine.key, build: engine.build, basis: configuration.engineBasis },
  };
}

function outputsOf({ programs }: HolderConfiguration, { programDigest }: Claim): readonly string[] {
  return programs.find(({ digest }) => digest === programDigest)?.outputs ?? [];
}

/** What of a claim the configuration does not name; null where it names all of it. */
function foreignPart({ keyId, programs, engines }: HolderConfiguration, claim: Claim): "key" | "program" | "engine" | null {
  if (claim.keyId !== keyId) return "key";
  if (!programs.some(({ digest }) => digest === claim.programDigest)) return "program";
  const { key, build } = claim.engine;
  return engines.some(({ publicKey, builds }) => publicKey === key && builds.includes(build)) ? null : "engine";
}

/** Whether an honest holder of this configuration could have permitted it; the run document is not at hand later. */
export function couldPermit(configuration: HolderConfiguration, claim: Claim, output: string): boolean {
  return foreignPart(configuration, claim) === null && outputsOf(configuration, claim).includes(output) && isFresh(claim);
}

/** Whether all that went in was encrypted for this run, and nothing of it was kept under a name. */
function isFresh({ inputs, reads, writes, lists }: Claim): boolean {
  const fresh = inputs.every((input) => !("clear" in input) && input.handle === null);
  return fresh && inputs.length > 0 && lists.length > 0 && reads.length === 0 && writes.length === 0;
}

function assertProvenRun(claim: Claim, bytes: Uint8Array): void {
  if (digestOf(bytes) !== claim.binding.requestDigest)
    throw fheError("FHE_REVEAL_RUN", "the receipt is about another run document");
  const run = parseRun(bytes);
  const same = run.nonce === claim.binding.nonce && run.programDigest === claim.programDigest && run.keyId === claim.keyId;
  if (!same) throw fheError("FHE_REVEAL_RUN", "the claim is about another run than the document");
  const lists = run.lists.map((list) => digestOf(list));
  const isProven =
    isFresh(claim) &&
    run.writes.size === 0 &&
    JSON.stringify(lists) === JSON.stringify(claim.lists) &&
    run.inputs.size === claim.inputs.length &&
    claim.inputs.every(({ n }) => "list" in (run.inputs.get(n) ?? {}));
  if (!isProven) throw fheError("FHE_REVEAL_INPUT", "an input is no value of a proven list that was submitted with the run");
}
