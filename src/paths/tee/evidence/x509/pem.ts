import { parseBase64 } from "../../../../core/bytes.ts";
import { malformed } from "../appraisal/evidence-error.ts";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";

/** Most certificates that one text holds. */
const MAX_BLOCKS = 16;

/**
 * The DER of all certificates of a PEM text, in order (RFC 7468, lax in line lengths and line ends only): between and
 * around the blocks stands white space and nothing else.
 * @throws TrisealError `EVIDENCE_MALFORMED`.
 */
export function parsePem(text: string): readonly Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const end = rest.indexOf(END);
    if (!rest.startsWith(BEGIN) || end < 0) malformed("PEM: something other than certificates");
    if (blocks.length === MAX_BLOCKS) malformed(`PEM: more than ${MAX_BLOCKS} certificates`);
    const body = rest.slice(BEGIN.length, end).replace(/[ \t\r\n]/g, "");
    try {
      blocks.push(parseBase64(body));
    } catch {
      malformed("PEM: a block is not canonical base64");
    }
    rest = rest.slice(end + END.length).trimStart();
  }
  return blocks;
}
