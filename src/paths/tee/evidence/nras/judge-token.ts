/** Judges who signed a token: its key in the frozen key set, the certificates of that key, and the signature. */
import { equalBytes } from "../../../../core/bytes.ts";
import type { UnixSeconds } from "../../../../core/time.ts";
import type { Findings } from "../appraisal/findings.ts";
import type { Certificate } from "../x509/certificate.ts";
import { followChain, judgeChain } from "../x509/chain.ts";
import { verifySignature } from "../x509/signature.ts";
import type { EatToken } from "./detached-eat.ts";
import { type KeySet, parseTokenKey, publicKeyOf, type TokenKey } from "./key-set.ts";

const ISSUER = "https://nras.attestation.nvidia.com";

/** What a token is judged with. */
export interface TokenInputs {
  readonly keys: KeySet;
  /** Roots that the certificates of a key must lead to; none where the key set itself is what is trusted. */
  readonly anchors: readonly Certificate[];
  readonly at: UnixSeconds;
}

/** Whether the certificate of a key is for that key: the set could name one and mean another. */
function isOwnCertificate({ point, certificates }: TokenKey): boolean {
  const [leaf] = certificates;
  if (point === null || leaf === undefined) return true;
  return leaf.publicKey.type === "EC" && equalBytes(leaf.publicKey.point, point);
}

/**
 * Judges the certificates of a key. Where roots are named they must lead to one. Else the key set itself is what is trusted:
 * its certificates must belong together, and their validity counts as that of the token.
 */
async function judgeKey(key: TokenKey, { anchors, at }: TokenInputs, findings: Findings, name: string): Promise<void> {
  const { certificates } = key;
  findings.expect("chain.trusted", isOwnCertificate(key), `${name}: certificate of the key`);
  if (anchors.length > 0) {
    await judgeChain(certificates, anchors, at, findings, `${name}: key`);
    return;
  }
  if (certificates.length === 0) return;
  const { broken } = await followChain(certificates, certificates.slice(-1));
  findings.expect("chain.trusted", broken === null, broken === null ? name : `${name}: ${broken}`);
  const isCurrent = certificates.every(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter);
  findings.expect("token.current", isCurrent, `${name}: certificates of the key`);
}

/**
 * Judges issuer, key and signature of one token, and whether it is within its window. Records `chain.trusted`,
 * `chain.begun`, `chain.unexpired`, `evidence.signed` and `token.current`.
 */
export async function judgeToken(token: EatToken, inputs: TokenInputs, findings: Findings, name: string): Promise<void> {
  findings.expect("chain.trusted", token.issuer === ISSUER, `${name}: issuer`);
  findings.expect("token.current", token.notBefore <= inputs.at && inputs.at < token.expires, name);
  const stated = token.keyId === null ? undefined : inputs.keys.get(token.keyId);
  if (!findings.expect("chain.trusted", stated !== undefined, `${name}: key of the key set`) || stated === undefined) return;
  const key = findings.read(`${name}: key`, () => parseTokenKey(stated));
  if (key === null) return;
  await judgeKey(key, inputs, findings, name);
  const publicKey = publicKeyOf(key);
  const algorithm = { name: "ECDSA", hash: "SHA-384" } as const;
  const holds = publicKey !== null && (await verifySignature(publicKey, algorithm, token.signed, token.signature));
  findings.expect("evidence.signed", holds, name);
}
