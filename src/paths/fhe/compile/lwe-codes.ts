/** Errors of compiling models for encrypted inference. */
import { type ErrorTable, pathErrors } from "../../../core/errors.ts";

/** The codes; the path's own table takes them in. */
export const lweCodes = {
  FHE_MODEL_UNSUPPORTED: {
    status: 400,
    retryable: false,
    action: "build the model with fewer bits (`--weight-bits`, `--activation-bits 3`), or take another path",
  },
} as const satisfies ErrorTable;

/** Makes an error with one of these codes. */
export const lweError = pathErrors(lweCodes);
