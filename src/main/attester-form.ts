/** `workers.attester` of the configuration: what a worker is told about its platform (`enclave/attester/attester-config.ts`). */
import { z } from "zod";

const path = z.string().min(1).max(4096);

const endorsements = z
  .record(z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/), z.array(path).min(1).max(16))
  .refine((files) => Object.keys(files).length <= 16, { error: "at most 16 roles" })
  .optional()
  .describe("files of collateral by role, read anew for each report");

const gpu = z
  .strictObject({
    command: z.array(path).min(1).max(16).optional().describe("NVIDIA's CLI with arguments before its own; nvattest if absent"),
    deadlineMs: z.int().min(100).max(600_000).optional(),
    endorsements,
  })
  .optional()
  .describe("show the GPUs beside it");

const bootLog = path.optional().describe("the firmware's log, such as /sys/kernel/security/tpm0/binary_bios_measurements");
const enrolment = path.optional().describe("an enroller's statement about the TPM's key: `triseal evidence enrol`");

const byType = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("simulated") }),
  z.strictObject({ type: z.literal("sev-snp"), privilegeLevel: z.int().min(0).max(3).optional(), endorsements, gpu }),
  z.strictObject({ type: z.literal("tdx"), endorsements, gpu }),
  z.strictObject({
    type: z.literal("tpm2"),
    device: path.optional().describe("the TPM; /dev/tpmrm0 if absent"),
    bootLog,
    enrolment,
    endorsements,
    gpu,
  }),
  z.strictObject({
    type: z.literal("tpm2-simulated"),
    socket: z.string().min(1).max(100).describe("unix socket of a TPM in software, such as swtpm"),
    bootLog,
    enrolment,
  }),
]);

/** Form of the attester; its type alone is the short form of one that needs no more. */
export const attesterForm = z
  .preprocess((value) => (typeof value === "string" ? { type: value } : value), byType)
  .prefault({ type: "simulated" })
  .describe("simulated, or {type: sev-snp | tdx | tpm2 | tpm2-simulated, …}; what is simulated is refused without --dev");

/** An attester as the gateway's configuration names it: the simulated platform's seed is made by the gateway. */
export type ConfiguredAttester = z.infer<typeof byType>;

/** Whether no hardware vouches for what the attester shows. */
export function isSimulatedAttester({ type }: { readonly type: string }): boolean {
  return type === "simulated" || type === "tpm2-simulated";
}
