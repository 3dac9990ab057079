/** Two readers of one text: what one JSON reader takes and another does not, and second spellings of one document. */
import { utf8 } from "../../src/core/bytes.ts";
import { forged, type Way } from "./way.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The finished bundle with its text changed once; the change must find something. */
function spelled(way: string, change: (bundle: string) => string, code = "BUNDLE_MALFORMED"): Way {
  return forged("any", way, "bundle.well-formed", code, {
    bytes: (bundle) => {
      const [before, after] = [text(bundle), change(text(bundle))];
      if (before === after) throw new Error(`nothing changed: ${way}`);
      return utf8(after);
    },
  });
}

const OTHER = "0".repeat(64);

/** All of them. */
export const parseWays: readonly Way[] = [
  spelled("a duplicate key: two receipts, of which each JSON reader takes its own", (bundle) =>
    bundle.replace('"receipt":{', '"receipt":{},"receipt":{'),
  ),
  spelled("a duplicate key that is spelled with an escape", (bundle) =>
    bundle.replace('"receipt":{', '"r\\u0065ceipt":{},"receipt":{'),
  ),
  spelled("a duplicate key deep inside an event", (bundle) =>
    bundle.replace('"body_hash":', `"body_hash":"sha256:${OTHER}","body_hash":`),
  ),
  spelled("the key `__proto__`, which some readers take for the object's kind", (bundle) =>
    bundle.replace('{"blobs"', '{"__proto__":{"receipt":{}},"blobs"'),
  ),
  spelled("a member that no version of the format has", (bundle) => bundle.replace('{"blobs"', '{"verified":true,"blobs"')),
  spelled("a lone surrogate, which UTF-8 writers replace each in their way", (bundle) =>
    bundle.replace('"model":"risk"', '"model":"risk\\ud800"'),
  ),
  spelled("a byte order mark before the document", (bundle) => `\ufeff${bundle}`),
  spelled("a second document behind the first", (bundle) => `${bundle}${bundle}`),
  spelled("a comment, which lenient readers skip", (bundle) => bundle.replace("{", "{/* audited */")),
  spelled("a number beyond the integers that doubles hold", (bundle) =>
    bundle.replace(/"served_at":\d+/, '"served_at":9007199254740993'),
  ),
  spelled("a number beyond all doubles, which some readers take for infinity", (bundle) =>
    bundle.replace(/"served_at":\d+/, '"served_at":1e999'),
  ),
  spelled("a fraction of a second where whole ones are signed", (bundle) =>
    bundle.replace(/"served_at":(\d+)/, '"served_at":$1.5'),
  ),
  spelled("a digest in capitals", (bundle) =>
    bundle.replace(/"body_hash":"sha256:([0-9a-f]{64})"/, (_, hex: string) => `"body_hash":"sha256:${hex.toUpperCase()}"`),
  ),
  spelled("base64 of one blob in its second spelling", (bundle) => {
    // The last character before one `=` has two bits that no byte uses.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return bundle.replace(/([A-Za-z0-9+/])="/, (_, last: string) => `${alphabet[alphabet.indexOf(last) + 1] ?? "A"}="`);
  }),
  spelled("other bytes under the digest of a blob", (bundle) =>
    bundle.replace(
      /("blobs":\{"sha256:[0-9a-f]{64}":")(.)/,
      (_, head: string, first: string) => `${head}${first === "e" ? "f" : "e"}`,
    ),
  ),
  spelled("lists nested deeper than any reader should follow", (bundle) =>
    bundle.replace('"sessions":{', `"sessions":{"x":${"[".repeat(5000)}${"]".repeat(5000)},`),
  ),
  spelled(
    "a bundle that calls itself one of a later version",
    (bundle) => bundle.replace("triseal.dev/bundle/v1", "triseal.dev/bundle/v2"),
    "BUNDLE_VERSION_UNSUPPORTED",
  ),
  forged(
    "any",
    "bytes that are no UTF-8, where a lenient reader puts a replacement character",
    "bundle.well-formed",
    "BUNDLE_MALFORMED",
    {
      bytes: (bundle) => {
        const at = text(bundle).indexOf('"model":"risk"') + 9;
        return bundle.with(at, 0xff);
      },
    },
  ),
];
