/** Whether a configuration fits what it is to be served as: production, or development on this machine. */
import { TrisealError } from "../core/errors.ts";
import { isSimulatedAttester } from "./attester-form.ts";
import { isLoopback, type TrisealConfig } from "./config.ts";

/** Refuses what only development may use. @throws TrisealError `CONFIG_INVALID`. */
export function assertProduction(config: TrisealConfig): void {
  const { attester } = config.workers;
  if (isSimulatedAttester(attester)) {
    throw new TrisealError(
      "CONFIG_INVALID",
      `workers.attester is \`${attester.type}\`: production refuses it; \`--dev\` accepts it and marks every receipt`,
    );
  }
  if (config.diagnostics.stageTimes)
    throw new TrisealError("CONFIG_INVALID", "diagnostics.stageTimes: times inside a worker are for development; add --dev");
  if (config.trust === null)
    throw new TrisealError("CONFIG_INVALID", "trust: name the trust file that workers are admitted under");
}

/** Refuses to show development beyond this machine, and to name hardware in a trust file of its own. @throws TrisealError `CONFIG_INVALID`. */
export function assertDevelopment({ listen: { host }, trust, workers: { attester } }: TrisealConfig): void {
  if (trust === null && !isSimulatedAttester(attester))
    throw new TrisealError(
      "CONFIG_INVALID",
      `trust: \`--dev\` makes a trust file for simulated evidence, not for \`${attester.type}\``,
    );
  if (trust === null && attester.type === "tpm2-simulated" && attester.enrolment !== undefined)
    throw new TrisealError(
      "CONFIG_INVALID",
      "trust: name the trust file that names the enroller of `workers.attester.enrolment`",
    );
  if (!isLoopback(host))
    throw new TrisealError("CONFIG_INVALID", `listen.host is \`${host}\`: --dev answers on 127.0.0.1 or ::1 only`);
}
