/** Enrolment of a TPM in software by whoever started it: both sides of credential activation in one process. */
import {
  challengeTpm,
  confirmEnrolment,
  type EnrollerOptions,
  endorsementKeyOf,
  openCredential,
  requestEnrolment,
} from "../../../enclave/attester/tpm2/enrol.ts";
import { askTpm } from "./ask-tpm.ts";

/** What came of an enrolment. */
export interface OwnEnrolment {
  /** The enroller's signed statement. */
  readonly statement: Uint8Array;
  /** Values of the registers that were asked for, by index. */
  readonly registers: ReadonlyMap<number, Uint8Array>;
}

/**
 * Enrols the TPM in software behind a socket, whatever its endorsement key is: it is known by where it listens. Its statement is for
 * `tpm2-simulated` and counts for no hardware.
 * @throws TrisealError with a code of an attester.
 */
export async function enrolOwnTpm(
  socket: string,
  enroller: Pick<EnrollerOptions, "signer" | "notBefore" | "notAfter">,
  registers: readonly number[],
): Promise<OwnEnrolment> {
  return askTpm({ socket }, async (tpm, signal) => {
    const request = await requestEnrolment(tpm, signal);
    const { credential, pending } = challengeTpm(request, new Set([endorsementKeyOf(request)]));
    const answer = await openCredential(tpm, credential, signal);
    const statement = confirmEnrolment(pending, answer, { ...enroller, type: "tpm2-simulated" });
    return { statement, registers: await tpm.readRegisters(registers, signal) };
  });
}
