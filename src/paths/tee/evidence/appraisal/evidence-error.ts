import { type ErrorTable, isTrisealError, pathErrors } from "../../../../core/errors.ts";

/** What a reader of evidence throws: bytes that are no evidence, or evidence that is not accepted here. */
const readingCodes = {
  EVIDENCE_MALFORMED: { status: 400, retryable: false, action: "collect the evidence anew: it does not parse" },
  EVIDENCE_UNSUPPORTED: { status: 400, retryable: false, action: "use evidence of a version and type that is documented" },
} as const satisfies ErrorTable;

const readingError = pathErrors(readingCodes);

/** Refuses bytes that do not parse. @throws TrisealError `EVIDENCE_MALFORMED`. */
export function malformed(message: string): never {
  throw readingError("EVIDENCE_MALFORMED", message);
}

/** Refuses well-formed bytes of a version, algorithm or type that is not accepted. @throws TrisealError `EVIDENCE_UNSUPPORTED`. */
export function unsupported(message: string): never {
  throw readingError("EVIDENCE_UNSUPPORTED", message);
}

/** Whether a reader threw this because it met something that is well-formed and not accepted. */
export function isUnsupported(error: unknown): boolean {
  return isTrisealError(error, "EVIDENCE_UNSUPPORTED");
}
