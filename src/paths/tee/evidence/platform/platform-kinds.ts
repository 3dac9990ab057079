/** The kinds of hardware evidence that a worker may show: what a trust entry of each says, and how that becomes a policy. */
import { encodeHex } from "../../../../core/bytes.ts";
import { sha256Bytes } from "../../../../core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json.ts";
import type { PlatformRoles } from "../../wire/platform-evidence.ts";
import { parseEnrolment } from "../../wire/tpm-enrolment.ts";
import type { EvidenceAppraisal, EvidenceKind } from "../appraisal/appraiser.ts";
import { azureSnpVtpm, azureTdxVtpm } from "../azure/kinds.ts";
import { nitro } from "../nitro/kind.ts";
import { nvidiaGpu } from "../nvidia-gpu/kind.ts";
import { sevSnp } from "../sev-snp/kind.ts";
import { tdx } from "../tdx/kind.ts";
import { tpm2, tpm2Simulated } from "../tpm2/kinds.ts";

/** What evidence must bind: hexadecimal. */
export interface Bound {
  /** The 64 bytes of report data. */
  readonly reportData: string;
  /** SHA-256 of the statement: what stands where 64 bytes do not fit. */
  readonly digest: string;
  /** The challenge: what a device is asked with. */
  readonly nonce: string;
}

/** Values of registers by name, hexadecimal, that stand together. */
export type RegisterSet = ReadonlyMap<string, string>;

/** One kind of evidence in the place of a worker's CPU, or of a device beside it. */
export interface PlatformKind {
  readonly of: EvidenceKind;
  readonly part: "cpu" | "device";
  /** Names of registers that reference values name; null where the vendor's manifests are the reference values. */
  readonly registers: RegExp | null;
  /** Members of the floor of the TCB that a trust entry may name; none where the kind has no TCB. */
  readonly floors: readonly string[];
  /** Those of them without which a platform could go back and still be called up to date. */
  readonly neededFloors: readonly string[];
  /** Whether no hardware vouches for it: the form of hardware evidence without its substance. */
  readonly simulated: boolean;
  /** Whether an enroller's statement can bind its key. Where none is named, devices must be: nothing else does. */
  readonly enrolled: boolean;
  /** What holds unless the entry accepts a weakness in writing. */
  readonly strict: JsonObject;
  /** Members of the policy that `require` may set. */
  readonly requirable: readonly string[];
  /** Weaknesses that an entry may accept, by name, and what they change in the policy. */
  readonly weaknesses: Readonly<Record<string, JsonObject>>;
  readonly floor: (tcb: JsonObject) => JsonObject;
  readonly pins: (alternatives: ReadonlyMap<string, readonly string[]>) => JsonObject;
  readonly bind: (bound: Bound) => JsonObject;
  /** The register's value in the claims; null where they have none. */
  readonly measured: (claims: JsonObject, register: string) => string | null;
  /** What the devices of the evidence are called in trust files: hexadecimal, or the vendor's own name. */
  readonly deviceIds: (appraisal: EvidenceAppraisal, evidence: PlatformRoles) => readonly string[];
  /** Ed25519 keys that vouch for a device in a vendor's place. */
  readonly enrollersOf: (endorsements: PlatformRoles) => readonly string[];
  /** Status of the TCB as policies name it; null where the evidence does not say. */
  readonly tcbStatus: (claims: JsonObject) => string | null;
}

const isText = (value: JsonValue | undefined): value is string => typeof value === "string";
const textIn = (claims: JsonObject | null, name: string): string | null => {
  const value = claims?.[name];
  return isText(value) ? value : null;
};
const idOf = (name: string) => (appraisal: EvidenceAppraisal) => {
  const id = textIn(appraisal.claims, name);
  return id === null ? [] : [id];
};

/** The value of register `index` in the SHA-256 bank. */
function pcrIn(claims: JsonObject, index: string): string | null {
  const { pcrs } = claims;
  return isJsonObject(pcrs) ? textIn(pcrs, `SHA-256:${index}`) : null;
}

const isPcr = (register: string): boolean => /^\d+$/.test(register);

function pinsOf(alternatives: ReadonlyMap<string, readonly string[]>): JsonObject {
  return { measurements: Object.fromEntries(alternatives) };
}

/** Registers of the CPU and of the TPM, told apart by their names. */
function pinsWithPcrs(alternatives: ReadonlyMap<string, readonly string[]>): JsonObject {
  const chosen = (wanted: boolean) => Object.fromEntries([...alternatives].filter(([name]) => isPcr(name) === wanted));
  return { measurements: chosen(false), pcrs: chosen(true) };
}

const SNP_WEAKNESSES = {
  debug: { allowDebug: true },
  migration: { allowMigration: true },
  "no-revocation": { requireRevocation: false },
  "any-vmpl": { vmpl: null },
} as const;

/** What each accepted status beside `UpToDate` is called in a trust entry, and in policies. */
const TDX_STATUSES: Readonly<Record<string, string>> = {
  "sw-hardening-needed": "SWHardeningNeeded",
  "configuration-needed": "ConfigurationNeeded",
  "configuration-and-sw-hardening-needed": "ConfigurationAndSWHardeningNeeded",
  "out-of-date": "OutOfDate",
  "out-of-date-configuration-needed": "OutOfDateConfigurationNeeded",
};

const TDX_WEAKNESSES: Readonly<Record<string, JsonObject>> = {
  debug: { allowDebug: true },
  ...Object.fromEntries(Object.entries(TDX_STATUSES).map(([name, status]) => [name, { acceptedTcbStatus: [status] }])),
};

function tdxStatus(claims: JsonObject): string | null {
  const status = textIn(claims, "tcbStatus");
  if (status === "UpToDate") return "up-to-date";
  return Object.entries(TDX_STATUSES).find(([, name]) => name === status)?.[0] ?? null;
}

const SNP_REGISTERS = "measurement|hostData|idKeyDigest|authorKeyDigest";
const TDX_REGISTERS = "mrtd|rtmr[0-3]|mrSeam|mrSignerSeam|seamAttributes|mrConfigId|mrOwner|mrOwnerConfig|mrServiceTd";
const PCR = "[12]?\\d|3[01]";

const CPU = {
  part: "cpu",
  simulated: false,
  enrolled: false,
  measured: textIn,
  pins: pinsOf,
  enrollersOf: () => [],
  tcbStatus: () => null,
} as const;

const snp: PlatformKind = {
  ...CPU,
  of: sevSnp,
  registers: new RegExp(`^(?:${SNP_REGISTERS})$`),
  floors: ["fmc", "bootloader", "tee", "snp", "microcode"],
  // Before Turin there is no FMC.
  neededFloors: ["bootloader", "tee", "snp", "microcode"],
  strict: { vmpl: 0, requireRevocation: true },
  requirable: ["vmpl"],
  weaknesses: SNP_WEAKNESSES,
  floor: (tcb) => ({ minimumTcb: tcb }),
  bind: ({ reportData }) => ({ reportData }),
  deviceIds: idOf("chipId"),
};

const td: PlatformKind = {
  ...CPU,
  of: tdx,
  registers: new RegExp(`^(?:${TDX_REGISTERS})$`),
  floors: ["minimumTcbEvaluationDataNumber", "minimumTeeTcbSvn"],
  neededFloors: ["minimumTcbEvaluationDataNumber"],
  strict: {},
  requirable: ["qeVendorId", "tdAttributes", "xfam", "requireSeptVeDisable"],
  weaknesses: TDX_WEAKNESSES,
  floor: (tcb) => tcb,
  bind: ({ reportData }) => ({ reportData }),
  deviceIds: idOf("fmspc"),
  tcbStatus: tdxStatus,
};

/** The paravisor's quote binds the statement, the CPU's report binds the paravisor's key. */
const vtpm = {
  pins: pinsWithPcrs,
  measured: (claims: JsonObject, name: string) => (isPcr(name) ? pcrIn(claims, name) : textIn(claims, name)),
  bind: ({ digest }: Bound) => ({ nonce: digest }),
} as const;

/** The enroller that a statement names; whether it signed, the appraiser of the kind says. */
function enrollerOf(endorsements: PlatformRoles): readonly string[] {
  const statement = endorsements.get("enrolment");
  try {
    return statement instanceof Uint8Array ? [parseEnrolment(statement).statement.enroller] : [];
  } catch {
    return [];
  }
}

const tpm: PlatformKind = {
  ...CPU,
  of: tpm2,
  registers: new RegExp(`^(?:${PCR})$`),
  floors: [],
  neededFloors: [],
  enrolled: true,
  // Without an enroller, the trust entry itself names the attestation key.
  strict: { requireAkBinding: false },
  requirable: [],
  weaknesses: {},
  floor: () => ({}),
  pins: (alternatives) => ({ pcrs: Object.fromEntries(alternatives) }),
  measured: pcrIn,
  bind: ({ digest }) => ({ nonce: digest }),
  deviceIds: (_, evidence) => {
    const key = evidence.get("akPublic");
    return key instanceof Uint8Array ? [encodeHex(sha256Bytes(key))] : [];
  },
  enrollersOf: enrollerOf,
};

const kinds: readonly PlatformKind[] = [
  snp,
  td,
  { ...snp, ...vtpm, of: azureSnpVtpm, registers: new RegExp(`^(?:${SNP_REGISTERS}|${PCR})$`) },
  { ...td, ...vtpm, of: azureTdxVtpm, registers: new RegExp(`^(?:${TDX_REGISTERS}|${PCR})$`) },
  {
    ...CPU,
    of: nitro,
    registers: /^pcr(?:\d|[12]\d|3[01])$/,
    floors: [],
    neededFloors: [],
    strict: {},
    requirable: [],
    weaknesses: { debug: { allowDebug: true } },
    floor: () => ({}),
    bind: ({ digest }) => ({ userData: digest }),
    deviceIds: idOf("moduleId"),
  },
  tpm,
  { ...tpm, of: tpm2Simulated, simulated: true },
  {
    ...CPU,
    of: nvidiaGpu,
    part: "device",
    registers: null,
    pins: () => ({}),
    floors: [],
    neededFloors: [],
    strict: { requireRim: true, requireRevocation: true, requireFwid: true },
    requirable: ["driverVersion", "vbiosVersion"],
    weaknesses: { "no-revocation": { requireRevocation: false }, "no-firmware-id": { requireFwid: false } },
    floor: () => ({}),
    bind: ({ nonce }) => ({ nonce }),
    deviceIds: ({ bonds }) => (bonds.deviceKey === null ? [] : [encodeHex(sha256Bytes(bonds.deviceKey))]),
  },
];

/** Every kind that a worker may show. */
export const platformKinds: ReadonlyMap<string, PlatformKind> = new Map(kinds.map((kind) => [kind.of.kind, kind]));
