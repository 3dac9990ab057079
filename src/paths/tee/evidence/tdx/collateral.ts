/**
 * TCB info and QE identity of Intel's Provisioning Certification Service, version 4 of its interface. What is signed is the
 * exact text of the inner object; members that are not known are signed too, and are passed over.
 */
import { encodeHex, parseHex, parseUtf8, utf8 } from "../../../../core/bytes.ts";
import {
  array,
  type Decoded,
  type Decoder,
  hexText,
  integer,
  jsonObject,
  matching,
  oneOf,
  text,
} from "../../../../core/decode.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../../core/json.ts";
import { parseTime, type UnixSeconds } from "../../../../core/time.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import { memberText } from "../appraisal/json-text.ts";

/** Largest collateral document that is read. */
export const MAX_COLLATERAL_BYTES = 1024 * 1024;

const SIGNATURE_BYTES = 64;
const MAX_LEVELS = 256;

/** States of a TCB, from the best to the worst. */
export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
] as const;

/** State of a TCB. */
export type TcbStatus = (typeof TCB_STATUSES)[number];

/** An object that is signed as a whole: the named members, whatever else it has. */
function openObject<M extends Readonly<Record<string, Decoder<unknown>>>>(
  members: M,
): Decoder<{ readonly [K in keyof M]: Decoded<M[K]> }> {
  return (value, place) => {
    const source = jsonObject(value, place);
    const member = (name: string) => (Object.hasOwn(source, name) ? source[name] : undefined);
    const entries = Object.entries(members).map(([name, decode]) => [name, decode(member(name), `${place}.${name}`)]);
    return Object.fromEntries(entries) as { readonly [K in keyof M]: Decoded<M[K]> };
  };
}

const lowerHex =
  (bytes: number): Decoder<string> =>
  (value, place) =>
    hexText(bytes)(typeof value === "string" ? value.toLowerCase() : value, place);

const moment: Decoder<UnixSeconds> = (value, place) =>
  parseTime(matching(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, "a time")(value, place));

const byte = integer(0, 255);
const status = oneOf(...TCB_STATUSES);
const advisories: Decoder<readonly string[]> = (value, place) => (value === undefined ? [] : array(text(64), 256)(value, place));

const component = openObject({ svn: byte });
const components: Decoder<readonly { readonly svn: number }[]> = (value, place) => {
  const list = array(component, 16)(value, place);
  return list.length === 16 ? list : malformed(`${place}: not sixteen components`);
};

const period = { issueDate: moment, nextUpdate: moment, tcbEvaluationDataNumber: integer(0, 0xffffffff) };
const isvLevel = openObject({ tcb: openObject({ isvsvn: integer(0, 0xffff) }), tcbStatus: status, advisoryIDs: advisories });

const moduleIdentity = { mrsigner: lowerHex(48), attributes: lowerHex(8), attributesMask: lowerHex(8) };
const identified = openObject({ id: text(32), ...moduleIdentity, tcbLevels: array(isvLevel, MAX_LEVELS) });

/** Members that TCB info of SGX lacks: it must be readable, to be told apart. */
function ifPresent<T>(decode: Decoder<T>): Decoder<T | null> {
  return (value, place) => (value === undefined ? null : decode(value, place));
}

const decodeTcbInfo = openObject({
  id: text(32),
  version: integer(),
  ...period,
  fmspc: lowerHex(6),
  pceId: lowerHex(2),
  tdxModule: ifPresent(openObject(moduleIdentity)),
  tdxModuleIdentities: ifPresent(array(identified, 64)),
  tcbLevels: array(
    openObject({
      tcb: openObject({ sgxtcbcomponents: components, pcesvn: integer(0, 0xffff), tdxtcbcomponents: ifPresent(components) }),
      tcbDate: moment,
      tcbStatus: status,
      advisoryIDs: advisories,
    }),
    MAX_LEVELS,
  ),
});

const decodeQeIdentity = openObject({
  id: text(32),
  version: integer(),
  ...period,
  miscselect: lowerHex(4),
  miscselectMask: lowerHex(4),
  attributes: lowerHex(16),
  attributesMask: lowerHex(16),
  mrsigner: lowerHex(32),
  isvprodid: integer(0, 0xffff),
  tcbLevels: array(isvLevel, MAX_LEVELS),
});

/** TCB info, version 3. */
export type TcbInfo = Decoded<typeof decodeTcbInfo>;
/** QE identity, version 2. */
export type QeIdentity = Decoded<typeof decodeQeIdentity>;
/** Levels by ISVSVN, of a module or of the quoting enclave. */
export type IsvLevels = QeIdentity["tcbLevels"];

/** An object as it stands, the exact bytes that were signed, and the signature; null where none was given. */
export interface SignedObject {
  readonly object: JsonObject;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array | null;
}

function asSignature(bytes: Uint8Array): Uint8Array {
  return bytes.length === SIGNATURE_BYTES ? bytes : malformed(`a signature of ${bytes.length} bytes`);
}

/**
 * The object inside a body of the service, `{MEMBER: {...}, "signature": "..."}`, or the bare object with its signature apart.
 * Its members are not looked at: only the signature says whose they are.
 * @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`.
 */
export function parseSignedObject(
  bytes: Uint8Array,
  member: "tcbInfo" | "enclaveIdentity",
  apart: Uint8Array | null,
): SignedObject {
  const document = parseUtf8(bytes);
  const whole = parseJson(document);
  if (!isJsonObject(whole)) return malformed("not an object");
  if (!Object.hasOwn(whole, member)) {
    return { object: whole, signed: utf8(document.trim()), signature: apart === null ? null : asSignature(apart) };
  }
  const object = whole[member];
  const exact = memberText(document, member);
  if (!isJsonObject(object) || exact === null || Object.keys(whole).length !== 2) return malformed("not a body of the service");
  const signature = parseHex(lowerHex(SIGNATURE_BYTES)(whole["signature"], "signature"));
  if (apart !== null && encodeHex(apart) !== encodeHex(signature)) malformed("two signatures");
  return { object, signed: utf8(exact), signature };
}

function decodeVersion<T>(object: JsonObject, version: number, decode: Decoder<T>): T {
  if (object["version"] !== version) unsupported("another version of the document");
  return decode(object, "document");
}

/** @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`; `EVIDENCE_UNSUPPORTED` for another version than 3. */
export function parseTcbInfo({ object }: SignedObject): TcbInfo {
  return decodeVersion(object, 3, decodeTcbInfo);
}

/** @throws TrisealError `EVIDENCE_MALFORMED`, `FORMAT_INVALID`; `EVIDENCE_UNSUPPORTED` for another version than 2. */
export function parseQeIdentity({ object }: SignedObject): QeIdentity {
  return decodeVersion(object, 2, decodeQeIdentity);
}
