/** Gateways that share a database share no accounts: each log has its own, and only its gateway writes them (SPEC.md section 5). */
import { TrisealError } from "../../../core/errors.ts";
import type { StatePort } from "./ports.ts";

/** What is asked of the tables. */
export interface SharedTables extends Pick<StatePort, "setMark"> {
  /** Origins of other logs that have state in the same database. */
  others(): Promise<readonly string[]>;
}

/**
 * Refuses to open accounts in a database where another log has some: a caller behind a load balancer would find its account at one
 * gateway and not at the other. Of two that start at once at least one is refused.
 * @throws TrisealError `CONFIG_INVALID`; `STORE_UNAVAILABLE`.
 */
export async function assertOnlyLog(tables: SharedTables): Promise<void> {
  // Whoever comes next must find this log, before it has any account.
  await tables.setMark(0);
  const [other] = await tables.others();
  if (other === undefined) return;
  throw new TrisealError(
    "CONFIG_INVALID",
    `fhe: this database has encrypted accounts of the log ${other}, and gateways share none: switch \`fhe.enabled\` off here, or set \`fhe.separateAccounts\` where callers know which gateway has theirs`,
  );
}
