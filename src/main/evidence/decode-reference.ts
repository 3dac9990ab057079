/** Decodes one reference of a case file: a file, a place in it, and encodings from the outside in. */
import { gunzipSync } from "node:zlib";
import { parseBase64, parseHex, parseUtf8, utf8 } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { type JsonValue, parseJson } from "../../core/json.ts";
import type { RoleValue } from "../../paths/tee/evidence/appraisal/appraiser.ts";
import { compactText, memberText } from "../../paths/tee/evidence/appraisal/json-text.ts";
import { parsePem } from "../../paths/tee/evidence/x509/pem.ts";

/** Most bytes that a compressed value may have. */
const MAX_UNCOMPRESSED_BYTES = 16 * 1024 * 1024;

/** What stands at the selected place: bytes of a file, or the exact text of a JSON value. */
interface Selected {
  readonly bytes: Uint8Array;
  /** The exact JSON text of the value; null where the whole file was selected. */
  readonly json: string | null;
}

/** Follows an RFC 6901 pointer; a step into a string parses that string. @throws TrisealError `FORMAT_INVALID` where it leads nowhere. */
function follow(document: string, pointer: string): string {
  if (pointer !== "" && !pointer.startsWith("/")) throw new TrisealError("FORMAT_INVALID", "a pointer begins with a slash");
  parseJson(document);
  return pointer
    .split("/")
    .slice(1)
    .reduce((text, token) => {
      const step = token.replaceAll("~1", "/").replaceAll("~0", "~");
      const value = parseJson(text);
      const inner = typeof value === "string" ? value : text;
      if (typeof value === "string") parseJson(inner);
      const found = memberText(inner, step);
      if (found === null) throw new TrisealError("FORMAT_INVALID", `the pointer leads nowhere at \`${step.slice(0, 80)}\``);
      return found;
    }, document);
}

function select(file: Uint8Array, pointer: string | null): Selected {
  if (pointer === null) return { bytes: file, json: null };
  const json = follow(parseUtf8(file), pointer);
  const value = parseJson(json);
  return { bytes: typeof value === "string" ? utf8(value) : utf8(json), json };
}

function decodeHexText(text: string): Uint8Array {
  return parseHex(text.replace(/\s/g, "").toLowerCase());
}

/** Base64 in either alphabet, padding optional, white space ignored. */
function decodeBase64Text(text: string): Uint8Array {
  const digits = text.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  return parseBase64(digits.padEnd(Math.ceil(digits.length / 4) * 4, "="));
}

/** All certificates of a text, in order, or where it has none its CRLs; what stands between the blocks is skipped. */
function decodePem(text: string): readonly Uint8Array[] {
  for (const label of ["CERTIFICATE", "X509 CRL"] as const) {
    const blocks = text.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, "g")) ?? [];
    if (blocks.length > 0) return blocks.flatMap((block) => parsePem(block, label));
  }
  throw new TrisealError("FORMAT_INVALID", "nothing in PEM");
}

function decodeByteList(value: JsonValue): Uint8Array {
  if (!Array.isArray(value)) throw new TrisealError("FORMAT_INVALID", "not an array of bytes");
  const bytes = value.map((byte: JsonValue) => (Number.isInteger(byte) ? Number(byte) : -1));
  if (bytes.some((byte) => byte < 0 || byte > 255)) throw new TrisealError("FORMAT_INVALID", "not an array of bytes");
  return Uint8Array.from(bytes);
}

/** The steps that turn bytes into bytes. */
const BYTE_STEPS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  raw: (bytes) => bytes,
  hex: (bytes) => decodeHexText(parseUtf8(bytes)),
  base64: (bytes) => decodeBase64Text(parseUtf8(bytes)),
  gzip: (bytes) => new Uint8Array(gunzipSync(bytes, { maxOutputLength: MAX_UNCOMPRESSED_BYTES })),
  url: (bytes) => utf8(decodeURIComponent(parseUtf8(bytes))),
  bytes: (bytes) => decodeByteList(parseJson(bytes)),
  compact: (bytes) => utf8(compactText(checkedText(bytes))),
};

function checkedText(bytes: Uint8Array): string {
  const text = parseUtf8(bytes);
  parseJson(text);
  return text;
}

/** The steps that end a decoding. */
const LAST_STEPS: Readonly<Record<string, (bytes: Uint8Array) => RoleValue>> = {
  pem: (bytes) => decodePem(parseUtf8(bytes)),
  json: (bytes) => ({ json: parseJson(bytes) }),
};

/** Whether an encoding is one that is documented. */
export function isEncoding(encoding: string): boolean {
  const steps = encoding.split("+");
  return steps.every(
    (step, index) => Object.hasOwn(BYTE_STEPS, step) || (index === steps.length - 1 && Object.hasOwn(LAST_STEPS, step)),
  );
}

/** The JSON text of a selected value is what `json`, `bytes` and `compact` work on; every other step works on the bytes of a string. */
function startOf({ bytes, json }: Selected, firstStep: string): Uint8Array {
  if (json === null) return bytes;
  const value = parseJson(json);
  const worksOnJson = ["json", "bytes", "compact"].includes(firstStep);
  if (worksOnJson) return typeof value === "string" && firstStep !== "json" ? bytes : utf8(json);
  if (typeof value !== "string") throw new TrisealError("FORMAT_INVALID", "the selected value is no string");
  return bytes;
}

/**
 * The value that a reference names. What does not decode is a broken piece of evidence and comes back as such.
 * @throws TrisealError `FORMAT_INVALID` where the pointer leads nowhere.
 */
export function decodeReference(file: Uint8Array, pointer: string | null, encoding: string): RoleValue {
  const steps = encoding.split("+");
  const selected = select(file, pointer);
  try {
    let bytes = startOf(selected, steps[0] ?? "raw");
    for (const step of steps) {
      const last = LAST_STEPS[step];
      if (last !== undefined) return last(bytes);
      bytes = BYTE_STEPS[step]?.(bytes) ?? bytes;
    }
    return bytes;
  } catch (error) {
    return { undecodable: `${encoding}: ${error instanceof Error ? error.message : "undecodable"}` };
  }
}

/** A value as bytes that a mutation can be applied to. */
export function mutableBytes(value: RoleValue): readonly Uint8Array[] | null {
  if (value instanceof Uint8Array) return [value];
  if ("undecodable" in value) return null;
  if ("json" in value) return [utf8(JSON.stringify(value.json))];
  return value;
}
