/** Failures of the database, as one code. */
import { TrisealError } from "../core/errors.ts";

/** The error for a query that failed; what the database said is its cause only. */
export function unavailable(cause: unknown): TrisealError {
  return new TrisealError("STORE_UNAVAILABLE", "the database does not answer", { cause });
}

/** The result of a query. @throws TrisealError `STORE_UNAVAILABLE` where it failed. */
export async function answered<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (cause) {
    throw unavailable(cause);
  }
}
