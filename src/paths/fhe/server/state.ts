/**
 * The accounts while the gateway runs: taken by a run before it starts, written once its receipt is durable, given back
 * otherwise. What is taken is in memory alone: one process owns a log, and with it everything that is taken ends.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import type { StateAccount, StateChange, StateValue } from "../../../core/kept-state.ts";
import { fheError } from "../wire/codes.ts";
import { parseValueFacts, readersOf, type ValueFacts } from "./access.ts";
import type { LogPort, OperatorNews, StatePort } from "./ports.ts";
import { changeOfAccount, changeOfLeaf, documentOf, freshId, NO_FACTS } from "./state-change.ts";
import { TenantTurns } from "./tenant-turns.ts";

const RETRY_MS = 1000;
/** Values of the same bytes that are read at once: what no program changed, or was made of constants. */
const SAME_BYTES_PAGE = 64;

/** Accounts that a run has taken. Exactly one of `commit` and `release` ends it; or neither, and it stays until the process ends. */
export interface Taken {
  /** Writes what the run's receipt says. Resolves when it is written, and after a first failure at once: it is repeated then, and the accounts stay taken until it is done. */
  commit(change: StateChange): Promise<void>;
  release(): void;
}

interface Holders {
  writer: boolean;
  readers: number;
}

/** An account that was asked for: made now, or there before. */
export interface MadeAccount {
  readonly account: StateAccount;
  readonly isNew: boolean;
}

function keyOf(tenant: string, name: string): string {
  return `${tenant}\0${name}`;
}

/** The accounts of one gateway. */
export class AccountStates {
  private readonly tables: StatePort;
  private readonly log: LogPort;
  private readonly news: OperatorNews;
  private readonly taken = new Map<string, Holders>();
  /** For each change under way the size of the log before it: its leaf is none below that. */
  private readonly underWay = new Set<{ readonly since: number }>();
  /** Accounts that were to be logged, until the tables have them. */
  private readonly unwritten = new Set<string>();
  /** Making accounts. */
  private readonly turns = new TenantTurns();
  private closed = false;

  private constructor(tables: StatePort, log: LogPort, news: OperatorNews) {
    this.tables = tables;
    this.log = log;
    this.news = news;
  }

  /**
   * Opens the accounts of a log: what it has beyond the tables is made up for first.
   * @throws TrisealError `LOG_CORRUPT` where the log contradicts itself; `STORE_UNAVAILABLE`.
   */
  static async open(tables: StatePort, log: LogPort, news: OperatorNews): Promise<AccountStates> {
    const states = new AccountStates(tables, log, news);
    const [from, size] = [await tables.mark(), log.size()];
    if (from > size) throw new TrisealError("STORE_FOREIGN", "the store has state of leaves that are not this log's");
    let changes = 0;
    for (let index = from; index < size; index++) {
      const leaf = await log.leafAt(index);
      const change = leaf === null ? null : await changeOfLeaf(leaf, tables);
      if (change === null) continue;
      await tables.apply(change, index + 1);
      changes++;
    }
    await tables.setMark(size);
    if (changes > 0) news({ level: "info", event: "state", detail: "made up for what the log had", changes });
    return states;
  }

  /** An account, or null. */
  account(tenant: string, name: string): Promise<StateAccount | null> {
    return this.tables.account(tenant, name);
  }

  /** Accounts of a tenant in the order of their names. */
  accounts(tenant: string, after: string, limit: number): Promise<readonly StateAccount[]> {
    return this.tables.accounts(tenant, after, limit);
  }

  /** A value by its id, or null. */
  value(tenant: string, id: string): Promise<StateValue | null> {
    return this.tables.value(tenant, id);
  }

  /** Whether somebody may have these bytes: as one of a value's readers, or because the caller made them. @param digest 64 hexadecimal digits. */
  async mayRead(tenant: string, digest: string, principal: string): Promise<boolean> {
    if ((await this.tables.value(tenant, freshId(digest, principal))) !== null) return true;
    return (await this.factsOf(tenant, digest, principal)) !== null;
  }

  /**
   * What is kept of a value of these bytes that somebody may read; null where there is none. A fresh input has no facts: nobody asks
   * for it but to run it again.
   * @param digest 64 hexadecimal digits.
   */
  async factsOf(tenant: string, digest: string, principal: string): Promise<ValueFacts | null> {
    for (let after: string | undefined = ""; after !== undefined; ) {
      const rows: readonly StateValue[] = await this.tables.valuesWith(tenant, digest, after, SAME_BYTES_PAGE);
      for (const { document } of rows) {
        const facts = document === NO_FACTS ? null : parseValueFacts(document);
        if (facts?.readers.includes(principal) === true) return facts;
      }
      after = rows.length < SAME_BYTES_PAGE ? undefined : rows.at(-1)?.id;
    }
    return null;
  }

  /** The document of an account that begins a chain with this digest; null where the tenant has none that somebody may read. */
  async documentWith(tenant: string, digest: string, principal: string): Promise<string | null> {
    const row = await this.tables.accountWith(tenant, digest);
    return row !== null && readersOf(documentOf(row)).includes(principal) ? row.document : null;
  }

  /** Whether an input list was used. @param digest 64 hexadecimal digits. */
  isUsed(digest: string): Promise<boolean> {
    return this.tables.isUsed(digest);
  }

  /**
   * Makes an account: logged first, then written. The same document again changes nothing. Accounts of one tenant are made one after
   * the other: how many there are is then known.
   * @param most accounts that the tenant may have.
   * @throws TrisealError `FHE_ACCOUNT_EXISTS`, `FHE_ACCOUNT_QUOTA`, `FHE_STATE_CONFLICT` while a run has taken the name, `LOG_UNAVAILABLE`.
   */
  async create(bytes: Uint8Array, most: number): Promise<MadeAccount> {
    const change = changeOfAccount(bytes);
    const [account] = change.accounts;
    if (account === undefined) throw new TrisealError("INTERNAL", "an account's document makes no account");
    return this.turns.run(account.tenant, () => this.make(bytes, change, account, most));
  }

  private async make(bytes: Uint8Array, change: StateChange, account: StateAccount, most: number): Promise<MadeAccount> {
    const { tenant, name, document } = account;
    const taken = this.take(tenant, { reads: [], writes: [name] });
    let keep = false;
    try {
      const existing = await this.tables.account(tenant, name);
      if (existing?.document === document) return { account: existing, isNew: false };
      if (existing !== null) throw fheError("FHE_ACCOUNT_EXISTS", "this tenant has an account of that name");
      if ((await this.count(tenant)) >= most) throw fheError("FHE_ACCOUNT_QUOTA", "this tenant has as many accounts as it may");
      // Where the append fails, the next start may find the leaf all the same: the name stays taken until then.
      keep = true;
      this.unwritten.add(keyOf(tenant, name));
      await this.log.logAccount(bytes);
      await taken.commit(change);
      return { account, isNew: true };
    } finally {
      if (!keep) taken.release();
    }
  }

  /**
   * Takes accounts: one writer, or any number of readers. At once or not at all.
   * @throws TrisealError `FHE_STATE_CONFLICT`.
   */
  take(tenant: string, wanted: { readonly reads: readonly string[]; readonly writes: readonly string[] }): Taken {
    const key = (name: string) => keyOf(tenant, name);
    const writes = [...new Set(wanted.writes)].map(key);
    const reads = [...new Set(wanted.reads)].map(key).filter((name) => !writes.includes(name));
    const isTaken = writes.some((name) => this.taken.has(name)) || reads.some((name) => this.taken.get(name)?.writer === true);
    if (isTaken) throw fheError("FHE_STATE_CONFLICT", "another run has taken one of the accounts");
    for (const name of writes) this.taken.set(name, { writer: true, readers: 0 });
    for (const name of reads) this.taken.set(name, { writer: false, readers: (this.taken.get(name)?.readers ?? 0) + 1 });
    const change = { since: this.log.size() };
    this.underWay.add(change);
    let open = true;
    const end = () => {
      if (!open) return;
      open = false;
      this.underWay.delete(change);
      for (const name of writes) this.taken.delete(name);
      for (const name of reads) this.giveRead(name);
    };
    return { commit: (made) => this.commit(made, change, end), release: end };
  }

  close(): void {
    this.closed = true;
  }

  /** Accounts of a tenant, with those that the log may have and the tables do not. */
  private async count(tenant: string): Promise<number> {
    let unwritten = 0;
    for (const key of this.unwritten) {
      const [of, name = ""] = key.split("\0");
      if (of !== tenant) continue;
      if ((await this.tables.account(tenant, name)) === null) unwritten++;
      else this.unwritten.delete(key);
    }
    return (await this.tables.accountCount(tenant)) + unwritten;
  }

  private giveRead(name: string): void {
    const readers = (this.taken.get(name)?.readers ?? 1) - 1;
    if (readers === 0) this.taken.delete(name);
    else this.taken.set(name, { writer: false, readers });
  }

  /** What is logged has happened: it is written sooner or later, by this process or by the next. */
  private async commit(made: StateChange, change: { readonly since: number }, end: () => void): Promise<void> {
    const write = async () => {
      await this.tables.apply(made, this.markWithout(change));
      end();
    };
    await write().catch((error: unknown) => {
      this.news({ level: "error", event: "state", detail: "not written yet", code: codeOf(error) });
      void this.repeat(write);
    });
  }

  private async repeat(write: () => Promise<void>): Promise<void> {
    while (!this.closed) {
      await delay(RETRY_MS, undefined, { ref: false });
      try {
        return await write();
      } catch (error) {
        // A contradiction stays one: the accounts stay taken, and the next start says so.
        if (isTrisealError(error, "LOG_CORRUPT")) return;
      }
    }
  }

  /** Leaves below which everything is written once this change is. */
  private markWithout(change: { readonly since: number }): number {
    const others = [...this.underWay].filter((other) => other !== change).map(({ since }) => since);
    return Math.min(this.log.size(), ...others);
  }
}

function codeOf(error: unknown): string {
  return isTrisealError(error) ? error.code : "INTERNAL";
}
