/** The attester of a configuration. */
import { readFile, stat } from "node:fs/promises";
import type { Sha256Digest } from "../../src/core/digest.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { encodePlatformEvidence } from "../../src/paths/tee/wire/platform-evidence.ts";
import type { Attester, CollectedRoles, ReportSource } from "./attester.ts";
import type { AttesterConfig } from "./attester-config.ts";
import { attesterError } from "./attester-error.ts";
import { createNvidiaSource, type DeviceSource } from "./nvidia.ts";
import { createSevSnpSource } from "./sev-snp.ts";
import { createSimulatedAttester } from "./simulated.ts";
import { createTdxSource } from "./tdx.ts";
import { createTpmSource } from "./tpm2/tpm2.ts";
import { openTpmDevice, openTpmSocket } from "./tpm2/tpm2-channel.ts";

const TPM_DEVICE = "/dev/tpmrm0";
/** Largest file of collateral, and largest boot log, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

type HardwareConfig = Exclude<AttesterConfig, { readonly type: "simulated" }>;
type EndorsementFiles = ReadonlyMap<string, readonly string[]>;

async function readPart(path: string): Promise<Uint8Array> {
  try {
    // The boot log states no size; what does is refused before it is read.
    if ((await stat(path)).size > MAX_FILE_BYTES)
      throw attesterError("ATTESTER_TOO_LARGE", "a file beside the evidence is too large");
    const bytes = new Uint8Array(await readFile(path));
    if (bytes.length > MAX_FILE_BYTES) throw attesterError("ATTESTER_TOO_LARGE", "a file beside the evidence is too large");
    return bytes;
  } catch (cause) {
    if (isTrisealError(cause)) throw cause;
    throw attesterError("ATTESTER_UNAVAILABLE", "a file beside the evidence cannot be read", { cause });
  }
}

/** What the platform gave, and what the operator's files say in place of it. */
async function withFiles(collected: CollectedRoles, files: EndorsementFiles | undefined): Promise<CollectedRoles> {
  const roles = new Map(collected);
  for (const [role, paths] of files ?? []) {
    const parts = await Promise.all(paths.map(readPart));
    const [only, ...others] = parts;
    roles.set(role, only !== undefined && others.length === 0 ? only : parts);
  }
  return roles;
}

function sourceOf(config: HardwareConfig): ReportSource {
  if (config.type === "sev-snp") {
    return createSevSnpSource(config.privilegeLevel === undefined ? {} : { privilegeLevel: config.privilegeLevel });
  }
  if (config.type === "tdx") return createTdxSource();
  const { bootLog, enrolment } = config;
  return createTpmSource({
    type: config.type,
    openChannel: async () =>
      config.type === "tpm2" ? await openTpmDevice(config.device ?? TPM_DEVICE) : await openTpmSocket(config.socket),
    readBootLog: bootLog === undefined ? null : async () => await readPart(bootLog),
    readEnrolment: enrolment === undefined ? null : async () => await readPart(enrolment),
  });
}

function devicesOf(config: HardwareConfig): DeviceSource | null {
  if (config.type === "tpm2-simulated" || config.gpu === undefined) return null;
  const { command = [], deadlineMs } = config.gpu;
  const [program, ...parameters] = command;
  return createNvidiaSource({
    ...(program === undefined ? {} : { command: [program, ...parameters] }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
}

/** An attester over a part that signs reports, and devices beside it. Nothing is asked of the platform before the first evidence. */
export function createHardwareAttester(config: HardwareConfig): Attester {
  const source = sourceOf(config);
  const devices = devicesOf(config);
  const simulated = config.type === "tpm2-simulated";
  return {
    type: source.type,
    close: async () => await source.close(),
    async devices(nonce, signal) {
      if (devices === null) return [];
      const files = simulated ? undefined : config.gpu?.endorsements;
      const parts = await devices.collect(nonce, signal);
      return await Promise.all(
        parts.map(async (part) => ({
          kind: devices.kind,
          evidence: part.evidence,
          endorsements: await withFiles(part.endorsements, files),
        })),
      );
    },
    async evidence(reportData, shown, signal) {
      const { evidence, endorsements } = await source.collect(reportData, signal);
      const files = simulated ? undefined : config.endorsements;
      return encodePlatformEvidence({ evidence, endorsements: await withFiles(endorsements, files), devices: shown });
    },
  };
}

/**
 * The attester that a configuration names.
 * @param measurement digest of the worker's files, which only the simulated platform claims to have measured.
 * @throws TrisealError `KEY_FILE_INVALID` where the simulated platform's seed cannot be read.
 */
export async function openAttester(config: AttesterConfig, measurement: Sha256Digest): Promise<Attester> {
  return config.type === "simulated"
    ? await createSimulatedAttester(config.seedFile, measurement)
    : createHardwareAttester(config);
}
