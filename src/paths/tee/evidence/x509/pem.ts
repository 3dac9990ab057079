import { parseBase64 } from "../../../../core/bytes.ts";
import { malformed } from "../appraisal/evidence-error.ts";

/** Kinds of blocks that are read. */
type PemLabel = "CERTIFICATE" | "PUBLIC KEY" | "X509 CRL";

/** Most blocks that one text holds. */
const MAX_BLOCKS = 16;

/**
 * The DER of all blocks of a PEM text, in order (RFC 7468, lax in line lengths and line ends only): between and around them
 * stands white space and nothing else.
 * @throws TrisealError `EVIDENCE_MALFORMED`.
 */
export function parsePem(text: string, label: PemLabel = "CERTIFICATE"): readonly Uint8Array[] {
  const [begin, close] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
  const blocks: Uint8Array[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const end = rest.indexOf(close);
    if (!rest.startsWith(begin) || end < 0) malformed(`PEM: something other than a ${label.toLowerCase()}`);
    if (blocks.length === MAX_BLOCKS) malformed(`PEM: more than ${MAX_BLOCKS} blocks`);
    const body = rest.slice(begin.length, end).replace(/[ \t\r\n]/g, "");
    try {
      blocks.push(parseBase64(body));
    } catch {
      malformed("PEM: a block is not canonical base64");
    }
    rest = rest.slice(end + close.length).trimStart();
  }
  return blocks;
}
