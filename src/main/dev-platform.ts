/** The platform that a development gateway's worker attests on: a key that signs what hardware would report, or a TPM in software that is enrolled here. */
import { join } from "node:path";
import { QUOTED_REGISTERS } from "../../enclave/attester/tpm2/tpm2.ts";
import { encodeHex, parseHex } from "../core/bytes.ts";
import type { JsonObject } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import { nodeFiles, replaceFile } from "../log/store/files.ts";
import { createSeedSigner } from "../signing/ed25519-signer.ts";
import type { ConfiguredAttester } from "./attester-form.ts";
import type { TrisealConfig } from "./config.ts";
import { BECAUSE } from "./dev-setup.ts";
import { simulatedEvidence } from "./draft-trust.ts";
import { enrolOwnTpm } from "./evidence/enrol-own-tpm.ts";
import { makeSecretFile } from "./secret-file.ts";

/** Seconds that a development enrolment holds; each start makes a new one. */
const ENROLMENT_SECONDS = 30 * 86_400;

/** What development fills into the configuration of a worker's attester. */
export interface DevPlatform {
  /** Seed of the simulated platform; null where there is none. */
  readonly seedFile: string | null;
  /** File with an enroller's statement that the configuration does not name; null where none was made. */
  readonly enrolment: string | null;
  /** Entries of a trust file that accept what the worker will show. */
  readonly evidence: readonly JsonObject[];
}

/** Nothing is filled in: production, and hardware. */
export const NO_PLATFORM: DevPlatform = { seedFile: null, enrolment: null, evidence: [] };

type SimulatedTpm = Extract<ConfiguredAttester, { readonly type: "tpm2-simulated" }>;

/** The enroller and the TPM are this machine's own: whoever runs it can make both. */
async function enrolDevTpm(folder: string, { socket }: SimulatedTpm, now: UnixSeconds): Promise<DevPlatform> {
  const enroller = createSeedSigner("enroller", parseHex(await makeSecretFile(join(folder, "enroller.seed"), 32)));
  const dates = { notBefore: now, notAfter: now + ENROLMENT_SECONDS };
  const { statement, registers } = await enrolOwnTpm(socket, { signer: enroller, ...dates }, QUOTED_REGISTERS);
  const enrolment = join(folder, "enrolment.json");
  await replaceFile(nodeFiles, enrolment, statement);
  const measured = Object.fromEntries([...registers].map(([index, value]) => [`${index}`, encodeHex(value)]));
  const entry = {
    type: "tpm2-simulated",
    measurements: [{ registers: measured, because: BECAUSE }],
    devices: { accept: "any", because: BECAUSE },
    enrollers: [{ publicKey: enroller.publicKey, because: BECAUSE }],
    because: BECAUSE,
  };
  return { seedFile: null, enrolment, evidence: [entry] };
}

/** Makes what the configured attester needs in development. @throws TrisealError, the codes of attesters, where its TPM does not answer. */
export async function makeDevPlatform({ dataDir, workers: { attester } }: TrisealConfig, now: UnixSeconds): Promise<DevPlatform> {
  const folder = join(dataDir, "dev");
  await nodeFiles.makeDirectory(folder);
  if (attester.type === "tpm2-simulated" && attester.enrolment === undefined) return await enrolDevTpm(folder, attester, now);
  if (attester.type !== "simulated") return NO_PLATFORM;
  const seedFile = join(folder, "simulated-platform.seed");
  const { publicKey } = createSeedSigner("simulated-platform", parseHex(await makeSecretFile(seedFile, 32)));
  return { seedFile, enrolment: null, evidence: simulatedEvidence([publicKey], BECAUSE) };
}
