/** Accounts over a real embedded database and a log in memory, and claims that no engine signed. */
import { PGlite } from "@electric-sql/pglite";
import { Kysely } from "kysely";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import type { UnixSeconds } from "../../../src/core/time.ts";
import type { LoggedLeaf, LogPort } from "../../../src/paths/fhe/server/ports.ts";
import { type AccountDocument, encodeAccount, firstHead } from "../../../src/paths/fhe/wire/account.ts";
import { type Claim, encodeClaim, FHE_CLAIM_TYPE, signClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { headOf } from "../../../src/paths/fhe/wire/handle.ts";
import { migrate } from "../../../src/store/migrations.ts";
import type { PgliteConnection } from "../../../src/store/pglite-connection.ts";
import { pgliteDialect } from "../../../src/store/pglite-dialect.ts";
import type { Tables } from "../../../src/store/schema.ts";
import { StateTable } from "../../../src/store/state-table.ts";
import { testSigner } from "../../fixtures/signer.ts";

export const TENANT = "acme";
export const ALICE = "a1".repeat(32);
export const BOB = "b0".repeat(32);
export const KEY_ID = "11".repeat(32);
export const ENGINE = testSigner("engine", 31);
export const PROGRAM = digestOf(utf8("a program"));

/** A database in memory, with the tables of a log. */
export async function openTables(): Promise<{ table: StateTable; db: Kysely<Tables>; close: () => Promise<void> }> {
  const pglite = await PGlite.create();
  const connection: PgliteConnection = {
    query: async (text, parameters) => {
      const { rows, affectedRows } = await pglite.query<Record<string, unknown>>(text, [...(parameters ?? [])]);
      return { rows, affectedRows: affectedRows ?? 0 };
    },
    close: () => pglite.close(),
  };
  const db = new Kysely<Tables>({ dialect: pgliteDialect(connection) });
  await migrate(db);
  return { table: new StateTable(db, "test/log"), db, close: () => db.destroy() };
}

/** A log in memory. */
export class TestLog implements LogPort {
  readonly leaves: (LoggedLeaf | null)[] = [];
  failing = false;

  size(): number {
    return this.leaves.length;
  }

  async leafAt(index: number): Promise<LoggedLeaf | null> {
    return this.leaves[index] ?? null;
  }

  async logAccount(document: Uint8Array): Promise<void> {
    if (this.failing) throw Object.assign(new Error("the disk is full"), { code: "LOG_UNAVAILABLE" });
    this.leaves.push({ kind: "account", holder: null, legs: [], blobs: [document] });
  }

  /** Logs the receipt of a run. */
  logClaim(claim: Claim, keyHash = ALICE, tenant = TENANT): void {
    const leg = encodeClaim(signClaim(claim, ENGINE));
    this.leaves.push({
      kind: "receipt",
      holder: { tenant, keyHash },
      legs: [{ digest: digestOf(leg), mediaType: FHE_CLAIM_TYPE }],
      blobs: [leg],
    });
  }
}

/** An account's document. */
export function account(name: string, owner = ALICE, more: Partial<AccountDocument> = {}): AccountDocument {
  return {
    v: 1,
    kind: "account",
    tenant: TENANT,
    account: name,
    owner,
    acl: { read: [], debit: [], credit: [], programs: "any" },
    keyId: KEY_ID,
    type: "u64",
    cap: null,
    created: 1_790_000_000 as UnixSeconds,
    nonce: "00".repeat(16),
    ...more,
  };
}

export const bytesOf = (document: AccountDocument): Uint8Array => encodeAccount(document);

/** A digest that nothing has. */
export const some = (text: string): Sha256Digest => digestOf(utf8(text));
export const someHandle = (text: string): string => digestHex(some(`handle ${text}`));

/** The state of an account, to write upon. */
export interface Before {
  readonly name: string;
  readonly version: number;
  readonly head: string;
  readonly handle: string | null;
}

export const opened = (document: AccountDocument): Before => ({
  name: document.account,
  version: 0,
  head: firstHead(document),
  handle: null,
});

/** A claim that writes new values to accounts, each named as its output; and what they are then. */
export function claimOn(
  before: readonly Before[],
  run: string,
  more: Partial<Claim> = {},
): { readonly claim: Claim; readonly after: readonly Before[] } {
  const outputs = before.map(({ name }) => ({
    n: name,
    t: "u64",
    digest: some(`${run} ${name}`),
    handle: someHandle(`${run} ${name}`),
  }));
  const writes = before.map(({ name, version, head }, place) => ({
    account: name,
    version: version + 1,
    handle: outputs[place]?.handle ?? null,
    digest: outputs[place]?.digest ?? null,
    clear: null,
    prevHead: head,
  }));
  const binding = {
    v: 1,
    requestDigest: some("request"),
    responseDigest: some("response"),
    modelDigest: PROGRAM,
    decisionDigest: some("decision"),
    nonce: "22".repeat(16),
  } as const;
  const claim: Claim = {
    v: 1,
    engine: { key: ENGINE.publicKey, build: some("build"), version: "test" },
    parameters: "test",
    keyId: KEY_ID,
    programDigest: PROGRAM,
    circuitDigest: some("circuit"),
    inputs: before.map(({ name, handle }) => ({ n: name, digest: some(`input ${name}`), handle })),
    lists: [],
    outputs,
    seed: "33".repeat(32),
    pbs: 1,
    reads: before.map(({ name, version, handle }) => ({ account: name, version, handle })),
    writes,
    factsDigest: some("facts"),
    binding,
    ...more,
  };
  const after = writes.map((write) => ({
    name: write.account,
    version: write.version,
    head: headOf(write),
    handle: write.handle,
  }));
  return { claim, after };
}
