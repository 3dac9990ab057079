/** Entries of a trust file about hardware evidence: what is not named in one is refused (EVIDENCE.md section 7). */
import {
  array,
  base64Bytes,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  jsonObject,
  map,
  matching,
  object,
  oneOf,
  text,
} from "../../../../core/decode.ts";
import type { Sha256Digest } from "../../../../core/digest.ts";
import { TrisealError } from "../../../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { type PlatformKind, platformKinds, type RegisterSet } from "./platform-kinds.ts";
import { decodeRegisters, type decodeWithdrawn, deviceId, readReference, type VerifiedReference } from "./reference-values.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });
const cited = object({ reference: digest });

/** Values that stand here, that a cited reference has, or any, for a reason. */
type Named<T> = T | Decoded<typeof acceptAny> | Decoded<typeof cited>;

function named<T>(decode: Decoder<T>): Decoder<Named<T>> {
  return (value, place) => {
    if (isJsonObject(value) && Object.hasOwn(value, "accept")) return acceptAny(value, place);
    return isJsonObject(value) && Object.hasOwn(value, "reference") ? cited(value, place) : decode(value, place);
  };
}

const root = object({ certificate: base64Bytes(16_384), because });

const decodeEntry = object(
  {
    type: matching(/[a-z0-9][a-z0-9-]{0,31}/, "an evidence type"),
    devices: named(array(object({ id: deviceId }, { because }), 1024)),
  },
  {
    measurements: named(array(object({ registers: decodeRegisters }, { because }), 256)),
    tcb: named(jsonObject),
    /** In place of the vendor's roots. */
    roots: array(root, 16),
    require: map(matching(/[A-Za-z]{1,32}/, "a member of the policy"), (value) => value as JsonValue, 16),
    weaknesses: array(object({ accept: text(64), because }), 16),
    /** Whose statement binds the key of a device that no certificate binds. */
    enrollers: array(object({ publicKey: hexText(32) }, { because }), 16),
    /** Why evidence is accepted that no hardware vouches for. */
    because,
  },
);

/** Decodes a reference that a trust file cites. The reference values themselves stand in `document`. */
export const decodeCitation = object({ digest, publicKey: hexText(32), document: jsonObject }, { because });

/** What one trust entry accepts of hardware evidence of one kind. */
export interface AcceptedPlatform {
  readonly kind: PlatformKind;
  readonly anchors: readonly Certificate[];
  /** Alternatives, each whole; null: any, by the trust file. */
  readonly measurements: readonly RegisterSet[] | null;
  readonly devices: ReadonlySet<string> | null;
  /** Whether a floor of the TCB was named. */
  readonly hasFloor: boolean;
  /** The policy of the kind, without what evidence must bind. */
  readonly policy: JsonObject;
}

/** Hardware evidence that a relying party accepts. */
export interface PlatformTrust {
  readonly accepted: ReadonlyMap<string, AcceptedPlatform>;
  /** Withdrawn values of registers and names of devices. */
  readonly withdrawn: ReadonlySet<string>;
}

/** Reference values by digest, and what they withdraw. */
interface References {
  readonly byDigest: ReadonlyMap<Sha256Digest, VerifiedReference>;
}

function refuse(message: string): never {
  throw new TrisealError("FORMAT_INVALID", message);
}

function readReferences(citations: readonly Decoded<typeof decodeCitation>[]): References {
  const byDigest = new Map<Sha256Digest, VerifiedReference>();
  for (const [index, citation] of citations.entries()) {
    const place = `references[${index}]`;
    const reference = readReference(citation.document, `${place}.document`);
    if (reference.digest !== citation.digest) refuse(`${place}: the reference values have another digest`);
    if (reference.publicKey !== citation.publicKey) refuse(`${place}: the reference values are signed by another key`);
    byDigest.set(citation.digest, reference);
  }
  return { byDigest };
}

type ReferenceEntry = VerifiedReference["values"]["evidence"][number];

/** The member of a cited reference; absent members refuse: nothing is accepted that nobody names. */
function fromReference<M extends "measurements" | "tcb" | "devices">(
  { reference }: Decoded<typeof cited>,
  type: string,
  member: M,
  { byDigest }: References,
): NonNullable<ReferenceEntry[M]> {
  const found = byDigest.get(reference)?.values.evidence.find((entry) => entry.type === type)?.[member];
  return found ?? refuse(`evidence.${type}.${member}: no reference of that digest names any`);
}

function measurementsOf(
  entry: Decoded<typeof decodeEntry>,
  kind: PlatformKind,
  references: References,
): AcceptedPlatform["measurements"] {
  const { measurements, type } = entry;
  const { registers } = kind;
  if (registers === null) {
    return measurements === undefined
      ? null
      : refuse(`evidence.${type}.measurements: the vendor's manifests are the reference values`);
  }
  if (measurements === undefined) return refuse(`evidence.${type}.measurements: name some, or accept any for a reason`);
  if ("accept" in measurements) return null;
  const given = "reference" in measurements ? fromReference(measurements, type, "measurements", references) : measurements;
  const sets = given.map((item) => item.registers);
  for (const set of sets) {
    const isKnown = set.size > 0 && [...set.keys()].every((name) => registers.test(name));
    if (!isKnown) refuse(`evidence.${type}.measurements: no register, or one that this type does not have`);
  }
  return sets;
}

function devicesOf(
  { devices, type, enrollers }: Decoded<typeof decodeEntry>,
  kind: PlatformKind,
  references: References,
): ReadonlySet<string> | null {
  if ("accept" in devices) {
    const isBound = !kind.enrolled || enrollers !== undefined;
    return isBound ? null : refuse(`evidence.${type}.devices: this type needs their names, or an enroller`);
  }
  if ("reference" in devices) return new Set(fromReference(devices, type, "devices", references));
  return new Set(devices.map(({ id }) => id));
}

/** The floor of the TCB as members of the policy; null where any is accepted or the kind has none. */
function floorOf({ tcb, type }: Decoded<typeof decodeEntry>, kind: PlatformKind, references: References): JsonObject | null {
  if (kind.floors.length === 0) return tcb === undefined ? null : refuse(`evidence.${type}.tcb: this type has none`);
  if (tcb === undefined) return refuse(`evidence.${type}.tcb: name a floor, or accept any for a reason`);
  if (isAny(tcb)) return null;
  const values = isCited(tcb) ? fromReference(tcb, type, "tcb", references) : tcb;
  for (const name of Object.keys(values)) {
    if (!kind.floors.includes(name)) refuse(`evidence.${type}.tcb: no such member: ${name.slice(0, 40)}`);
  }
  const left = kind.neededFloors.find((name) => typeof values[name] !== "number" && typeof values[name] !== "string");
  if (left !== undefined) return refuse(`evidence.${type}.tcb: no floor of ${left}`);
  return kind.floor(values);
}

function isAny(value: Named<JsonObject>): value is Decoded<typeof acceptAny> {
  return value["accept" as keyof typeof value] !== undefined;
}

function isCited(value: Named<JsonObject>): value is Decoded<typeof cited> {
  return value["reference" as keyof typeof value] !== undefined;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** What accepted weaknesses change; lists of alternatives add up. */
function weakened({ weaknesses = [], type }: Decoded<typeof decodeEntry>, kind: PlatformKind): JsonObject {
  const changes: Record<string, JsonValue> = {};
  for (const { accept } of weaknesses) {
    const change = Object.hasOwn(kind.weaknesses, accept) ? kind.weaknesses[accept] : undefined;
    if (change === undefined) refuse(`evidence.${type}.weaknesses: no such weakness: ${accept}`);
    for (const [name, value] of Object.entries(change)) {
      const before = changes[name];
      changes[name] = isList(value) ? [...(isList(before) ? before : ["UpToDate"]), ...value] : value;
    }
  }
  return changes;
}

function requiredOf({ require, type }: Decoded<typeof decodeEntry>, kind: PlatformKind): JsonObject {
  for (const [name, value] of require ?? []) {
    const isKnown = kind.requirable.includes(name) && value !== null && value !== false;
    if (!isKnown) refuse(`evidence.${type}.require: nothing of that name can be required: ${name}`);
  }
  return Object.fromEntries(require ?? []);
}

/** An enroller that is named must have stated the key: its statement stands in for a certificate. */
function enrolledBy({ enrollers, type }: Decoded<typeof decodeEntry>, kind: PlatformKind): JsonObject {
  if (enrollers === undefined) return {};
  if (!kind.enrolled || enrollers.length === 0) return refuse(`evidence.${type}.enrollers: none, or of a type that has none`);
  return { requireAkBinding: true, enrollers: enrollers.map(({ publicKey }) => publicKey) };
}

/** Alternatives by register, of those registers that every set names: what the kind itself can compare. */
function alternativesOf(sets: readonly RegisterSet[] | null): ReadonlyMap<string, readonly string[]> {
  const [first, ...others] = sets ?? [];
  if (first === undefined) return new Map();
  const shared = [...first.keys()].filter((name) => others.every((set) => set.has(name)));
  return new Map(shared.map((name) => [name, [...new Set((sets ?? []).map((set) => set.get(name) ?? ""))]]));
}

function anchorsOf({ roots, type }: Decoded<typeof decodeEntry>, kind: PlatformKind): readonly Certificate[] {
  if (roots === undefined) return kind.of.roots();
  try {
    return roots.map(({ certificate }) => parseCertificate(certificate));
  } catch (cause) {
    throw new TrisealError("FORMAT_INVALID", `evidence.${type}.roots: no certificate`, { cause });
  }
}

function acceptedOf(value: JsonValue, place: string, references: References): AcceptedPlatform {
  const entry = decodeEntry(value, place);
  const kind = platformKinds.get(entry.type);
  if (kind === undefined) return refuse(`${place}.type: no evidence type of a worker`);
  if (kind.simulated !== (entry.because !== undefined))
    return refuse(`${place}.because: say why simulated evidence is accepted, and of no other type`);
  const measurements = measurementsOf(entry, kind, references);
  const floor = floorOf(entry, kind, references);
  const policy = {
    ...kind.strict,
    ...requiredOf(entry, kind),
    ...enrolledBy(entry, kind),
    ...floor,
    ...kind.pins(alternativesOf(measurements)),
    ...weakened(entry, kind),
  };
  // The kind's own reader: a member of another form is refused here and not at the first worker.
  kind.of.under({ ...policy, ...kind.bind({ reportData: "", digest: "", nonce: "" }) });
  const devices = devicesOf(entry, kind, references);
  return { kind, anchors: anchorsOf(entry, kind), measurements, devices, hasFloor: floor !== null, policy };
}

/**
 * What a section accepts of hardware evidence: each type at most once.
 * @throws TrisealError `FORMAT_INVALID`, `EVIDENCE_MALFORMED` for anything that is not understood as a whole.
 */
export function readPlatformTrust(
  entries: readonly JsonValue[],
  citations: readonly Decoded<typeof decodeCitation>[],
  withdrawn: Decoded<typeof decodeWithdrawn>,
): PlatformTrust {
  const references = readReferences(citations);
  const accepted = new Map<string, AcceptedPlatform>();
  for (const [index, value] of entries.entries()) {
    const platform = acceptedOf(value, `evidence[${index}]`, references);
    if (accepted.has(platform.kind.of.kind)) refuse(`evidence[${index}]: this type is named twice`);
    accepted.set(platform.kind.of.kind, platform);
  }
  const lists = [withdrawn, ...[...references.byDigest.values()].map(({ values }) => values.withdrawn)];
  return { accepted, withdrawn: new Set(lists.flatMap((list) => list.map(({ value }) => value))) };
}
