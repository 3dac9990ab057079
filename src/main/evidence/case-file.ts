/** Reads a case file: one question to a verifier, with its evidence, endorsements, clock and policy. Strict; judges nothing. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseHex } from "../../core/bytes.ts";
import { anyJson, array, type Decoded, integer, jsonObject, matching, object, text } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import { parseTime, type UnixSeconds } from "../../core/time.ts";
import type { Roles, RoleValue } from "../../paths/tee/evidence/appraisal/appraiser.ts";
import { type Certificate, parseCertificate } from "../../paths/tee/evidence/x509/certificate.ts";
import { decodeReference, isEncoding, mutableBytes } from "./decode-reference.ts";

/** Largest file that a case may name. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** Most roles, components, mutations. */
const MAX_MEMBERS = 64;

const decodeCase = object(
  { id: text(256), kind: text(64), at: text(32) },
  {
    notes: anyJson,
    source: anyJson,
    expect: jsonObject,
    unsupportedOk: anyJson,
    anchors: anyJson,
    evidence: jsonObject,
    endorsements: jsonObject,
    components: jsonObject,
    policy: jsonObject,
    mutate: array(jsonObject, MAX_MEMBERS),
  },
);

const decodeComponent = object({ kind: text(64) }, { evidence: jsonObject, endorsements: jsonObject, policy: jsonObject });

const decodeReferenceForm = object(
  { file: text(1024) },
  { encoding: matching(/[a-z0-9+]{1,64}/, "an encoding"), pointer: matching(/[\s\S]{0,1024}/, "a pointer") },
);

const decodeMutation = object(
  { role: text(128) },
  {
    index: integer(0, 15),
    offset: integer(-MAX_FILE_BYTES, MAX_FILE_BYTES),
    xor: integer(0, 255),
    truncate: integer(0, MAX_FILE_BYTES),
    append: matching(/(?:[0-9a-fA-F]{2}){0,65536}/, "hexadecimal"),
  },
);

type Mutation = Decoded<typeof decodeMutation>;

/** One piece of evidence of a case, decoded. */
export interface CasePart {
  readonly kind: string;
  readonly evidence: Roles;
  readonly endorsements: Roles;
  readonly policy: JsonObject;
}

/** A case, decoded and mutated as it says. */
export interface EvidenceCase extends CasePart {
  readonly id: string;
  readonly at: UnixSeconds;
  /** Roots that the case names in place of the built-in ones; null where it names none. */
  readonly anchors: readonly Certificate[] | null;
  /** Parts of a composite, by name; none elsewhere. */
  readonly components: ReadonlyMap<string, CasePart>;
}

function refuse(message: string): never {
  throw new TrisealError("FORMAT_INVALID", message);
}

async function readFileOf(folder: string, name: string): Promise<Uint8Array> {
  const bytes = await readFile(resolve(folder, name)).catch(() => refuse(`\`${name.slice(-64)}\` cannot be read`));
  return bytes.length <= MAX_FILE_BYTES ? new Uint8Array(bytes) : refuse(`\`${name.slice(-64)}\` is too large`);
}

async function referenceOf(folder: string, value: JsonValue, place: string): Promise<RoleValue> {
  const { file, encoding = "raw", pointer = null } = decodeReferenceForm(value, place);
  if (!isEncoding(encoding)) refuse(`${place}.encoding: no such encoding`);
  return decodeReference(await readFileOf(folder, file), pointer, encoding);
}

/** Several references make one list; one that is no byte string makes it undecodable. */
async function roleOf(folder: string, value: JsonValue, place: string): Promise<RoleValue> {
  if (!Array.isArray(value)) return await referenceOf(folder, value, place);
  const items: Uint8Array[] = [];
  for (const [index, item] of value.entries()) {
    const decoded = await referenceOf(folder, item as JsonValue, `${place}[${index}]`);
    if ("undecodable" in decoded) return decoded;
    if ("json" in decoded) return refuse(`${place}[${index}]: JSON in a list`);
    items.push(...(decoded instanceof Uint8Array ? [decoded] : decoded));
  }
  return items;
}

async function rolesOf(folder: string, value: JsonObject, place: string): Promise<Map<string, RoleValue>> {
  const roles = new Map<string, RoleValue>();
  for (const [name, reference] of Object.entries(value)) {
    if (reference !== null) roles.set(name, await roleOf(folder, reference, `${place}.${name.slice(0, 80)}`));
  }
  return roles;
}

interface MutablePart {
  readonly kind: string;
  readonly evidence: Map<string, RoleValue>;
  readonly endorsements: Map<string, RoleValue>;
  readonly policy: JsonObject;
}

async function partOf(folder: string, value: Omit<Decoded<typeof decodeComponent>, "kind">, kind: string): Promise<MutablePart> {
  const { evidence = {}, endorsements = {}, policy = {} } = value;
  const roles = { evidence: await rolesOf(folder, evidence, "evidence") };
  return { kind, ...roles, endorsements: await rolesOf(folder, endorsements, "endorsements"), policy };
}

function mutated(bytes: Uint8Array, { offset, xor, truncate, append }: Mutation): Uint8Array {
  const changes = [offset !== undefined || xor !== undefined, truncate !== undefined, append !== undefined];
  if (changes.filter(Boolean).length !== 1) refuse("mutate: exactly one of `offset` with `xor`, `truncate`, `append`");
  if (truncate !== undefined) return bytes.slice(0, Math.max(0, bytes.length - truncate));
  if (append !== undefined) return Uint8Array.of(...bytes, ...parseHex(append.toLowerCase()));
  if (offset === undefined || xor === undefined) return refuse("mutate: `offset` goes with `xor`");
  const place = offset < 0 ? bytes.length + offset : offset;
  const byte = bytes[place];
  return byte === undefined ? refuse("mutate: the offset lies outside") : bytes.with(place, byte ^ xor);
}

/** The roles that hold `name`, and its own name there: in a composite `component.role`. */
function holderOf(
  whole: MutablePart,
  components: ReadonlyMap<string, MutablePart>,
  name: string,
): [Map<string, RoleValue>, string] {
  const dot = name.indexOf(".");
  const component = dot < 0 ? undefined : components.get(name.slice(0, dot));
  const [part, role] = component === undefined ? [whole, name] : [component, name.slice(dot + 1)];
  if (part.evidence.has(role)) return [part.evidence, role];
  return part.endorsements.has(role) ? [part.endorsements, role] : refuse(`mutate: no role \`${name.slice(0, 80)}\``);
}

function mutate(whole: MutablePart, components: ReadonlyMap<string, MutablePart>, change: Mutation): void {
  const [roles, role] = holderOf(whole, components, change.role);
  const value = roles.get(role);
  const list = value === undefined ? null : mutableBytes(value);
  const index = change.index ?? 0;
  const target = list?.[index];
  if (list == null || target === undefined) return refuse("mutate: no byte string there");
  const changed = list.with(index, mutated(target, change));
  roles.set(role, Array.isArray(value) ? changed : (changed[0] ?? target));
}

async function anchorsOf(folder: string, value: JsonValue | undefined): Promise<readonly Certificate[] | null> {
  if (value === undefined || value === null) return null;
  const role = await roleOf(folder, value, "anchors");
  const ders = mutableBytes(role) ?? refuse("anchors: undecodable");
  return ders.map((der) => parseCertificate(der));
}

/** Kinds that a case names, before anything else of it is read: its own, and those of its components. */
export interface CaseKinds {
  readonly kind: string;
  readonly components: readonly string[];
}

/** @throws TrisealError `FORMAT_INVALID`. */
export function caseKinds(document: JsonValue): CaseKinds {
  const { kind, components = {} } = decodeCase(document, "case");
  const inner = Object.values(components).map((part) => (isJsonObject(part) ? part["kind"] : null));
  return { kind, components: inner.filter((name) => typeof name === "string") };
}

/** The JSON of a case file. @throws TrisealError `FORMAT_INVALID`. */
export async function readCaseDocument(file: string): Promise<JsonValue> {
  return parseJson(await readFileOf(".", file));
}

/**
 * The case in `document`, with the files that it names, relative to `file`.
 * @throws TrisealError `FORMAT_INVALID` where the case cannot be read, `EVIDENCE_MALFORMED` where an anchor is no certificate.
 */
export async function decodeCaseDocument(document: JsonValue, file: string): Promise<EvidenceCase> {
  const folder = dirname(resolve(file));
  const { id, kind, at, components = {}, mutate: changes = [], anchors, ...rest } = decodeCase(document, "case");
  const whole = await partOf(folder, rest, kind);
  const parts = new Map<string, MutablePart>();
  for (const [name, part] of Object.entries(components)) {
    const decoded = decodeComponent(part, `components.${name.slice(0, 80)}`);
    parts.set(name, await partOf(folder, decoded, decoded.kind));
  }
  for (const [index, change] of changes.entries()) mutate(whole, parts, decodeMutation(change, `mutate[${index}]`));
  return { id, ...whole, at: parseTime(at), anchors: await anchorsOf(folder, anchors), components: parts };
}
