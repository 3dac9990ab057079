import { parseBase64 } from "../../../../core/bytes.ts";
import { TrisealError } from "../../../../core/errors.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";

/** A pinned root: its DER in base64, and the SHA-256 of that DER by which it is known elsewhere. */
export interface VendorRoot {
  readonly fingerprint: string;
  readonly der: string;
}

/**
 * A reader of pinned roots, which parses them once.
 * @throws TrisealError `INTERNAL` where a constant does not have its fingerprint.
 */
export function pinnedRoots(roots: readonly VendorRoot[]): () => readonly Certificate[] {
  let parsed: readonly Certificate[] | null = null;
  return () => {
    parsed ??= roots.map(({ fingerprint, der }) => {
      const root = parseCertificate(parseBase64(der));
      if (root.fingerprint !== fingerprint) throw new TrisealError("INTERNAL", "a pinned root does not have its fingerprint");
      return root;
    });
    return parsed;
  };
}
