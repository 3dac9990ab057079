import { type ErrorTable, pathErrors } from "../../src/core/errors.ts";

/** What attesters throw: the platform gave no evidence, or none that may be passed on. */
export const attesterCodes = {
  ATTESTER_UNAVAILABLE: {
    status: 503,
    retryable: false,
    action: "run the worker where the platform that its attester names exists",
  },
  ATTESTER_BUSY: { status: 503, retryable: true, action: "retry later: the platform answered busy as often as was asked" },
  ATTESTER_RACED: { status: 503, retryable: true, action: "retry later: another process wrote to the same report request" },
  ATTESTER_TIMEOUT: { status: 503, retryable: true, action: "retry later: the platform did not answer in time" },
  ATTESTER_WRONG_PROVIDER: { status: 503, retryable: false, action: "name the attester of the platform that is there" },
  ATTESTER_SIMULATED: { status: 503, retryable: false, action: "name the simulated attester: this TPM says that it is software" },
  ATTESTER_MALFORMED: { status: 503, retryable: false, action: "look at the platform: what it answered does not parse" },
  ATTESTER_TOO_LARGE: { status: 503, retryable: false, action: "look at the platform: it answered more than is read" },
  ATTESTER_MISMATCH: { status: 503, retryable: false, action: "look at the platform: its evidence is not about what was asked" },
  ATTESTER_FAILED: { status: 503, retryable: false, action: "look at the platform's own message and log" },
} as const satisfies ErrorTable;

/** Makes an error of an attester. */
export const attesterError = pathErrors(attesterCodes);
