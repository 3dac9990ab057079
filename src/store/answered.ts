/** Failures of the database, as one code. */
import { TrisealError } from "../core/errors.ts";

/** The result of a query. @throws TrisealError `STORE_UNAVAILABLE` where it failed; what the database said is the cause only. */
export async function answered<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (cause) {
    throw new TrisealError("STORE_UNAVAILABLE", "the database does not answer", { cause });
  }
}
