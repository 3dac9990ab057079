/** The key holder (fhe SPEC 11): decrypts what its measured configuration permits, once, and signs what it found. */
import { encodeBase64 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Clock } from "../../src/core/time.ts";
import { fheAppraiser } from "../../src/paths/fhe/evidence/fhe-appraiser.ts";
import { claimOfBundle, type ReceiptedClaim } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import { holderTrust, permittedReveal } from "../../src/paths/fhe/evidence/reveal-rule.ts";
import { fheError } from "../../src/paths/fhe/wire/codes.ts";
import { type HolderConfiguration, holderConfigurationDigest } from "../../src/paths/fhe/wire/key-holder.ts";
import { encodeReveal, parseRevealRequest, revealMarks, revealNonce, signReveal } from "../../src/paths/fhe/wire/reveal.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import type { Trust } from "../../src/trust/trust-file.ts";
import { createBundleVerifier } from "../../src/verify/verify-bundle.ts";
import type { Decrypt } from "./decrypt-program.ts";
import type { HolderEvidence } from "./holder-evidence.ts";
import type { RevealRecord } from "./reveal-record.ts";

/** What a holder is made of. */
export interface HolderParts {
  readonly configuration: HolderConfiguration;
  readonly record: RevealRecord;
  readonly evidence: HolderEvidence;
  readonly decrypt: Decrypt;
  readonly clock: Clock;
}

const verifyBundle = createBundleVerifier([fheAppraiser]);

/** A key holder. */
export class KeyHolder {
  private readonly parts: HolderParts;
  private readonly trust: Trust;

  /** @throws TrisealError `TRUST_FILE_INVALID` where the configuration's service is no entry of a trust file. */
  constructor(parts: HolderParts) {
    this.parts = parts;
    this.trust = holderTrust(parts.configuration);
  }

  /** Its rule, and fresh evidence under the asker's nonce (64 hexadecimal digits): what a relying party makes a trust entry of. */
  async describe(nonce: string, signal: AbortSignal): Promise<JsonObject> {
    const { configuration, evidence } = this.parts;
    const report = await evidence.report(evidence.current(), nonce, signal);
    const digest = holderConfigurationDigest(configuration);
    return { v: 1, configurationDigest: digest, configuration: { ...configuration }, evidence: encodeBase64(report) };
  }

  /**
   * The bytes of a reveal for the bytes of a request. What is refused is refused before anything is kept or decrypted.
   * @throws TrisealError `FORMAT_INVALID`, `FHE_REVEAL_…`, with a code about the ciphertext, or of an attester: then the same request may be
   *   sent again, and gets the same statement.
   */
  async reveal(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { configuration, record, evidence, decrypt, clock } = this.parts;
    const { output, bundle, run, ciphertext } = parseRevealRequest(bytes);
    const found = await this.verified(bundle);
    const permitted = permittedReveal(configuration, found, run, output);
    if (digestOf(ciphertext) !== permitted.digest)
      throw fheError("FHE_REVEAL_CIPHERTEXT", "these are not the bytes of the output that the claim names");
    signal.throwIfAborted();
    const decided = await record.decide(permitted, revealMarks(found.claim), clock());
    const statement = { ...decided, value: await decrypt(decided.type, ciphertext) };
    const said = { statement, attestedAt: clock() };
    const key = evidence.current();
    const report = await evidence.report(key, revealNonce(said), signal);
    return encodeReveal({ ...signReveal(said, key.signer), configuration, evidence: report });
  }

  private async verified(bundle: Uint8Array): Promise<ReceiptedClaim> {
    const nothing = { at: null, request: null, response: null, opening: null, allowPending: false };
    const { outcome, code } = await verifyBundle(bundle, this.trust, { now: this.parts.clock(), ...nothing });
    if (outcome !== "accepted") {
      const details = { verdict: code ?? outcome };
      throw fheError("FHE_REVEAL_BUNDLE", `the bundle is ${outcome} here: ${code}`, { details });
    }
    const found = claimOfBundle(parseBundle(bundle));
    if (found === null) throw fheError("FHE_REVEAL_BUNDLE", "the bundle is about no run of the fhe path");
    return found;
  }
}
