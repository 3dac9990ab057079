/** Judges a TPM quote under a known attestation key: signature, registers, nonce. Who endorses the key is another question. */
import { encodeHex, parseUtf8 } from "../../../../core/bytes.ts";
import type { JsonObject } from "../../../../core/json.ts";
import type { Roles } from "../appraisal/appraiser.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import type { Findings } from "../appraisal/findings.ts";
import { bytesOf, requiredPart } from "../appraisal/roles.ts";
import { type PublicKey, parsePublicKey } from "../x509/algorithm.ts";
import { parsePem } from "../x509/pem.ts";
import { verifySignature } from "../x509/signature.ts";
import { MAX_QUOTE_BYTES, parseTpmQuote, parseTpmSignature, type TpmQuote, type TpmSignature } from "./attest.ts";
import { hasPcr, isDigestOf, MAX_PCRS_BYTES, type Pcr, type PcrValues, parsePcrValues, pcrsOf } from "./pcr-values.ts";
import type { TpmQuotePolicy } from "./policy.ts";

const DER_SEQUENCE = 0x30;

/** A public key as SPKI, in DER or PEM. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`. */
export function parseSpki(bytes: Uint8Array): PublicKey {
  if (bytes[0] === DER_SEQUENCE) return parsePublicKey(bytes);
  const [spki, ...others] = parsePem(parseUtf8(bytes), "PUBLIC KEY");
  return spki === undefined || others.length > 0 ? malformed("not one public key") : parsePublicKey(spki);
}

/** Names of the roles that a quote and its parts have in one kind of evidence. */
export interface QuoteRoles {
  readonly quote: string;
  readonly signature: string;
  readonly pcrs: string;
}

/** A quote with its signature and registers, as far as they parse. */
export interface ReadTpmQuote {
  readonly quote: TpmQuote | null;
  readonly signature: TpmSignature | null;
  readonly values: PcrValues | null;
}

/** Reads the parts of a quote. What is absent or does not parse is recorded. @param key null where the key itself could not be read. */
export function readTpmQuote(roles: Roles, names: QuoteRoles, key: PublicKey | null, findings: Findings): ReadTpmQuote {
  const bytes = (name: string, most: number) => requiredPart(findings, name, () => bytesOf(roles, name, most));
  const raw = bytes(names.quote, MAX_QUOTE_BYTES);
  const signed = bytes(names.signature, MAX_QUOTE_BYTES);
  const quote = raw === null ? null : findings.read(`\`${names.quote}\``, () => parseTpmQuote(raw));
  const signature =
    signed === null || key === null ? null : findings.read(`\`${names.signature}\``, () => parseTpmSignature(signed, key));
  const values = requiredPart(findings, names.pcrs, (name) => {
    const role = roles.get(name);
    if (role !== undefined && "json" in role) return parsePcrValues(role);
    const file = bytesOf(roles, name, MAX_PCRS_BYTES);
    return file === null ? null : parsePcrValues(file);
  });
  return { quote, signature, values };
}

/** What a quote was found to show. */
export interface JudgedTpmQuote {
  readonly quote: TpmQuote;
  /** Registers whose values the signed digest covers; none where it does not cover those that were given. */
  readonly pcrs: readonly Pcr[];
}

/** Judges a quote under `key` and against the policy. Null where a part of it was not readable. */
export async function judgeTpmQuote(
  { quote, signature, values }: ReadTpmQuote,
  key: PublicKey | null,
  policy: TpmQuotePolicy,
  findings: Findings,
): Promise<JudgedTpmQuote | null> {
  if (quote === null || signature === null || values === null || key === null) return null;
  findings.expect(
    "evidence.signed",
    await verifySignature(key, signature.algorithm, quote.raw, signature.signature),
    "TPM quote",
  );
  const given = pcrsOf(values, quote.selections);
  const covered = given !== null && (await isDigestOf(given, signature.algorithm.hash, quote.pcrDigest));
  findings.expect("measurement.matches", covered, "digest of the registers");
  findings.expect(
    "nonce.matches",
    policy.nonce === null || policy.nonce === encodeHex(quote.extraData),
    "extra data of the TPM quote",
  );
  const pcrs = covered ? given : [];
  for (const [index, allowed] of policy.pcrs ?? []) {
    findings.expect("measurement.matches", hasPcr(pcrs, Number(index), allowed), `PCR ${index}`);
  }
  return { quote, pcrs };
}

/** What a quote says, for people and policies. */
export function tpmClaims({ quote, pcrs }: JudgedTpmQuote): JsonObject {
  return {
    nonce: encodeHex(quote.extraData),
    pcrDigest: encodeHex(quote.pcrDigest),
    resetCount: quote.resetCount,
    restartCount: quote.restartCount,
    clock: quote.clock.toString(),
    clockSafe: quote.isClockSafe,
    firmwareVersion: `0x${quote.firmwareVersion.toString(16)}`,
    pcrs: Object.fromEntries(pcrs.map(({ hash, index, value }) => [`${hash}:${index}`, encodeHex(value)])),
  };
}
