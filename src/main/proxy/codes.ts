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

/** The same codes as findings about the gateway: none is the doing of whoever called the proxy. */
function aboutGateway(table: ErrorTable): ErrorTable {
  return Object.fromEntries(
    Object.entries(table).map(([code, row]) => [code, row.status < 500 ? { ...row, status: BAD_GATEWAY } : row]),
  );
}

const BAD_GATEWAY = 502;
const { AUTH_INVALID, AUTH_REQUIRED, FORMAT_INVALID, RECEIPT_UNKNOWN, SESSION_UNKNOWN, TRUST_FILE_INVALID } = coreCodes;
const KEY_ACTION = "give the proxy an API key that the gateway's operator issued and has not withdrawn";

/**
 * Every code that a caller of the proxy can meet. What is wrong with the proxy's own key, its trust file, its envelopes or the
 * gateway's documents is none of its caller's doing: those have status 502 here.
 */
export const proxyCodes: ErrorTable = {
  ...coreCodes,
  ...aboutGateway(teeCodes),
  ...zkCodes,
  ...fheCodes,
  ...ownCodes,
  ...aboutGateway({
    AUTH_INVALID: { ...AUTH_INVALID, action: KEY_ACTION },
    AUTH_REQUIRED: { ...AUTH_REQUIRED, action: KEY_ACTION },
    FORMAT_INVALID: { ...FORMAT_INVALID, action: "stop: the gateway sent a document of another form" },
    RECEIPT_UNKNOWN,
    SESSION_UNKNOWN,
    TRUST_FILE_INVALID: { ...TRUST_FILE_INVALID, action: "correct the proxy's trust file; nothing is sent meanwhile" },
  }),
};
