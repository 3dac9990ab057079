/** What is shown of a file of evidence, and of the certificates in it. */
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { formatTime, unixSeconds } from "../../core/time.ts";
import type { Certificate } from "../../paths/tee/evidence/x509/certificate.ts";

/** What a file says: its type, its fields, and the certificates in it. */
export interface Shown {
  readonly type: string;
  readonly fields: JsonObject;
  readonly certificates: readonly JsonObject[];
}

/** Seconds as a date; before 1970 and after 9999 as a number. */
export function dateOf(seconds: number): JsonValue {
  return seconds < 0 ? seconds : formatTime(unixSeconds(seconds));
}

/** What a certificate says. */
export function certificateFields(certificate: Certificate): JsonObject {
  const { subjectName, issuerName, serial, notBefore, notAfter, publicKey, algorithm, fingerprint, isAuthority } = certificate;
  const key = publicKey.type === "EC" ? publicKey.curve : `RSA ${publicKey.bits}`;
  const dates = { notBefore: dateOf(notBefore), notAfter: dateOf(notAfter) };
  const names = { subject: subjectName, issuer: issuerName, serial };
  return { ...names, ...dates, key, signedWith: `${algorithm.name} ${algorithm.hash}`, isAuthority, sha256: fingerprint };
}
