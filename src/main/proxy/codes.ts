/** Codes of errors as the proxy's callers see them. */
import { coreCodes, type ErrorTable, pathErrors } from "../../core/errors.ts";
import { codes as fheCodes } from "../../paths/fhe/wire/codes.ts";
import { codes as teeCodes } from "../../paths/tee/wire/codes.ts";
import { codes as zkCodes } from "../../paths/zk/wire/codes.ts";

/** Codes that only the proxy gives. */
const ownCodes = {
  BUNDLE_NOT_KEPT: {
    status: 502,
    retryable: false,
    action: "look at the proxy's log and at the folder of `--bundles`: an answer whose bundle is not kept is withheld",
  },
  CALLER_REFUSED: {
    status: 403,
    retryable: false,
    action: "call from a program on this machine, by the address that the proxy printed: pages of a browser may not",
  },
} as const satisfies ErrorTable;

/** Makes an error with a code that only the proxy gives. */
export const proxyError = pathErrors(ownCodes);

const { AUTH_INVALID, AUTH_REQUIRED, FORMAT_INVALID, TRUST_FILE_INVALID } = coreCodes;
const KEY_ACTION = "give the proxy an API key that the gateway's operator issued and has not withdrawn";

/**
 * Every code that a caller of the proxy can meet. What is wrong with the proxy's own key, its trust file or the gateway's
 * documents is none of its caller's doing: those have status 502 here.
 */
export const proxyCodes: ErrorTable = {
  ...coreCodes,
  ...teeCodes,
  ...zkCodes,
  ...fheCodes,
  ...ownCodes,
  AUTH_INVALID: { ...AUTH_INVALID, status: 502, action: KEY_ACTION },
  AUTH_REQUIRED: { ...AUTH_REQUIRED, status: 502, action: KEY_ACTION },
  FORMAT_INVALID: { ...FORMAT_INVALID, status: 502, action: "stop: the gateway sent a document of another form" },
  TRUST_FILE_INVALID: { ...TRUST_FILE_INVALID, status: 502, action: "correct the proxy's trust file; nothing is sent meanwhile" },
};
