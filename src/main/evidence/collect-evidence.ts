/** `triseal evidence collect`: asks this machine's platform for evidence, as a worker would, and writes it with a case to judge it by. */
import { basename } from "node:path";
import { type AttesterConfig, decodeAttesterConfig } from "../../../enclave/attester/attester-config.ts";
import { createNvidiaSource } from "../../../enclave/attester/nvidia.ts";
import { createHardwareAttester } from "../../../enclave/attester/open-attester.ts";
import { encodeHex, parseHex } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { formatTime, type UnixSeconds } from "../../core/time.ts";
import {
  encodePlatformEvidence,
  type PlatformParts,
  type PlatformRoles,
  parsePlatformEvidence,
} from "../../paths/tee/wire/platform-evidence.ts";
import { writeNew } from "../new-file.ts";

/** Types that `collect` knows. `simulated` is none: it collects nothing. */
export const COLLECTED_TYPES = ["sev-snp", "tdx", "tpm2", "tpm2-simulated", "nvidia"] as const;

/** Flags of the command. */
export interface CollectFlags {
  readonly attester: string;
  readonly reportData: string;
  readonly out: string;
  readonly socket?: string;
  readonly device?: string;
  readonly bootLog?: string;
  readonly enrolment?: string;
  readonly vmpl?: string;
  readonly tool?: string;
  readonly timeout: string;
}

function refuse(message: string): never {
  throw new TrisealError("CONFIG_INVALID", message);
}

/** 64 bytes; 32 are a digest, before zeros. */
function reportDataOf(text: string, type: string): Uint8Array {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) refuse("--report-data: not hexadecimal");
  const bytes = parseHex(text.toLowerCase());
  if (type === "nvidia") return bytes.length === 32 ? bytes : refuse("--report-data: a GPU takes 32 bytes");
  if (bytes.length !== 32 && bytes.length !== 64) refuse("--report-data: 32 or 64 bytes");
  const whole = new Uint8Array(64);
  whole.set(bytes);
  return whole;
}

function attesterOf(flags: CollectFlags): Exclude<AttesterConfig, { readonly type: "simulated" }> {
  const { attester, socket, device, bootLog, enrolment, vmpl } = flags;
  const privilegeLevel = vmpl === undefined ? undefined : Number(vmpl);
  const given = Object.entries({ type: attester, socket, device, bootLog, enrolment, privilegeLevel });
  let config: AttesterConfig;
  try {
    config = decodeAttesterConfig(
      Object.fromEntries(given.filter((entry): entry is [string, string | number] => entry[1] !== undefined)),
      "attester",
    );
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : "no such attester");
  }
  return config.type === "simulated" ? refuse("attester: simulated evidence is not collected") : config;
}

async function collect(flags: CollectFlags, reportData: Uint8Array): Promise<PlatformParts> {
  const signal = AbortSignal.timeout(Number(flags.timeout) * 1000);
  if (flags.attester !== "nvidia") {
    const attester = createHardwareAttester(attesterOf(flags));
    try {
      return parsePlatformEvidence(await attester.evidence(reportData, [], signal));
    } finally {
      await attester.close();
    }
  }
  const source = createNvidiaSource(flags.tool === undefined ? {} : { command: [flags.tool] });
  const devices = (await source.collect(reportData, signal)).map((part) => ({ kind: source.kind, ...part }));
  return { evidence: new Map(), endorsements: new Map(), devices };
}

/** References of a case to the roles at `pointer` in the file. */
function referencesTo(file: string, pointer: string, roles: PlatformRoles): JsonObject {
  const reference = (place: string) => ({ file, pointer: `${pointer}/${place}`, encoding: "base64" });
  const each = ([name, value]: [string, PlatformRoles extends ReadonlyMap<string, infer V> ? V : never]): [string, JsonValue] => [
    name,
    Array.isArray(value) ? value.map((_, index) => reference(`${name}/${index}`)) : reference(name),
  ];
  return Object.fromEntries([...roles].map(each));
}

/** The case that asks whether the evidence is about exactly this report data; the reader adds the reference values. */
function caseOf(
  flags: CollectFlags,
  reportData: Uint8Array,
  parts: PlatformParts,
  device: number | null,
  at: UnixSeconds,
): JsonObject {
  const file = basename(flags.out);
  const part = device === null ? parts : parts.devices[device];
  if (part === undefined) return refuse("no device");
  const pointer = device === null ? "" : `/devices/${device}`;
  const isReport = flags.attester === "sev-snp" || flags.attester === "tdx";
  return {
    id: device === null ? file : `${file} ${device}`,
    kind: device === null ? flags.attester : "nvidia-gpu",
    at: formatTime(at),
    evidence: referencesTo(file, `${pointer}/evidence`, part.evidence),
    endorsements: referencesTo(file, `${pointer}/endorsements`, part.endorsements),
    policy: isReport ? { reportData: encodeHex(reportData) } : { nonce: encodeHex(reportData.subarray(0, 32)) },
  };
}

/**
 * Collects evidence and writes it to `out`, in the form in which workers send it, with one case file per signer beside it. Returns the
 * names of the files, the evidence first. Files that are there are not written over.
 * @throws TrisealError `CONFIG_INVALID`; the codes of attesters.
 */
export async function collectEvidence(flags: CollectFlags, at: UnixSeconds): Promise<readonly string[]> {
  if (!/^[1-9]\d{0,3}$/.test(flags.timeout)) refuse("--timeout: 1 to 9999 seconds");
  const reportData = reportDataOf(flags.reportData, flags.attester);
  const parts = await collect(flags, reportData);
  const signers = flags.attester === "nvidia" ? parts.devices.map((_, index) => index) : [null];
  const texts: (readonly [string, string | Uint8Array])[] = [[flags.out, encodePlatformEvidence(parts)]];
  for (const device of signers) {
    const name = device === null ? `${flags.out}.case.json` : `${flags.out}.${device}.case.json`;
    texts.push([name, `${JSON.stringify(caseOf(flags, reportData, parts, device, at), null, 2)}\n`]);
  }
  for (const [name, text] of texts) await writeNew(name, text);
  return texts.map(([name]) => name);
}
