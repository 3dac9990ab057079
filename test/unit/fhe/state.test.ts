import { sql } from "kysely";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { StateChange } from "../../../src/core/kept-state.ts";
import { encodeValueFacts, parseValueFacts } from "../../../src/paths/fhe/server/access.ts";
import { assertOnlyLog } from "../../../src/paths/fhe/server/shared-store.ts";
import { AccountStates } from "../../../src/paths/fhe/server/state.ts";
import { changeOfAccount, changeOfClaim, changeOfLeaf } from "../../../src/paths/fhe/server/state-change.ts";
import { StateTable } from "../../../src/store/state-table.ts";
import {
  ALICE,
  account,
  BOB,
  bytesOf,
  claimOn,
  opened,
  openTables,
  PROGRAM,
  some,
  someHandle,
  TENANT,
  TestLog,
} from "./state-fixture.ts";

const { table, db, close } = await openTables();
afterAll(close);

const silent = () => undefined;
const holder = { tenant: TENANT, principal: ALICE };
const coded = (code: string) => expect.objectContaining({ code });

/** Accounts that a tenant may have. */
const MOST = 100;

let log: TestLog;
beforeEach(async () => {
  log = new TestLog();
  for (const name of ["state_marks", "state_accounts", "state_values", "state_inputs"])
    await sql`delete from ${sql.table(name)}`.execute(db);
});

const open = (tables: StateTable = table) => AccountStates.open(tables, log, silent);

/** Two accounts, made. */
async function twoAccounts(): Promise<AccountStates> {
  const states = await open();
  await states.create(bytesOf(account("alice")), MOST);
  await states.create(bytesOf(account("bob", BOB)), MOST);
  return states;
}

describe("values of the same bytes", () => {
  it("are looked through page by page to the last one: who may read that finds it, and nobody else finds any", async () => {
    const states = await open();
    const facts = (reader: string) =>
      encodeValueFacts({ t: "u64", keyId: "11".repeat(32), readers: [reader], programs: "any", proven: true, of: "output" });
    const digest = "dd".repeat(32);
    // More than two pages of somebody else's, in the order of their ids; the reader's own is the last.
    const values = Array.from({ length: 150 }, (_, at) => ({
      tenant: TENANT,
      id: at.toString(16).padStart(64, "0"),
      digest,
      document: facts(at === 149 ? BOB : ALICE),
    }));
    await table.apply({ accounts: [], writes: [], values, inputs: [] }, 0);
    expect(await states.factsOf(TENANT, digest, "cc".repeat(32))).toBeNull();
    expect(await states.factsOf("other", digest, BOB)).toBeNull();
    expect(await states.factsOf(TENANT, digest, BOB)).toMatchObject({ readers: [BOB] });
    expect(await states.mayRead(TENANT, digest, BOB)).toBe(true);
  });
});

describe("accounts that a run takes", () => {
  it("are refused to a second writer, to a reader beside a writer, and to a writer beside a reader", async () => {
    const states = await open();
    const taken = states.take(TENANT, { reads: ["carol"], writes: ["alice", "bob"] });
    const conflict = coded("FHE_STATE_CONFLICT");
    expect(() => states.take(TENANT, { reads: [], writes: ["bob"] })).toThrow(conflict);
    expect(() => states.take(TENANT, { reads: ["alice"], writes: [] })).toThrow(conflict);
    expect(() => states.take(TENANT, { reads: [], writes: ["carol"] })).toThrow(conflict);
    // All or nothing: what was refused took nothing.
    expect(() => states.take(TENANT, { reads: [], writes: ["dave", "alice"] })).toThrow(conflict);
    states.take(TENANT, { reads: ["carol"], writes: ["dave"] }).release();
    states.take("other", { reads: [], writes: ["alice"] }).release();
    taken.release();
    taken.release();
    states.take(TENANT, { reads: [], writes: ["alice", "bob", "carol"] }).release();
  });

  it("are as they were where the run is released, and free again", async () => {
    const states = await twoAccounts();
    states.take(TENANT, { reads: [], writes: ["alice"] }).release();
    expect(await states.account(TENANT, "alice")).toMatchObject({ version: 0, handle: null });
    states.take(TENANT, { reads: [], writes: ["alice"] }).release();
  });

  it("are written by what was receipted, and stay taken until they are", async () => {
    const states = await twoAccounts();
    const { claim, after } = claimOn([opened(account("alice")), opened(account("bob", BOB))], "one");
    const taken = states.take(TENANT, { reads: [], writes: ["alice", "bob"] });
    log.logClaim(claim);
    await taken.commit(await changeOfClaim(claim, holder, table));
    expect(await states.account(TENANT, "alice")).toMatchObject({ version: 1, head: after[0]?.head, handle: after[0]?.handle });
    states.take(TENANT, { reads: [], writes: ["alice"] }).release();
    expect(await table.mark()).toBe(3);
  });

  it("stay taken while the database does not take what was receipted, and are written once it does", async () => {
    const states = await twoAccounts();
    const { claim } = claimOn([opened(account("alice"))], "one");
    const change = await changeOfClaim(claim, holder, table);
    let failures = 1;
    const apply = table.apply.bind(table);
    const failing = Object.assign(Object.create(table) as StateTable, {
      apply: (made: StateChange, mark: number) => (failures-- > 0 ? Promise.reject(new Error("no")) : apply(made, mark)),
    });
    const slow = await open(failing);
    const taken = slow.take(TENANT, { reads: [], writes: ["alice"] });
    log.logClaim(claim);
    await taken.commit(change);
    expect(() => slow.take(TENANT, { reads: [], writes: ["alice"] })).toThrow(coded("FHE_STATE_CONFLICT"));
    await expect.poll(async () => (await states.account(TENANT, "alice"))?.version, { timeout: 5000 }).toBe(1);
  });
});

describe("making an account", () => {
  it("is refused under a name that is another account's, and while it is being made", async () => {
    const states = await open();
    const first = await states.create(bytesOf(account("alice")), MOST);
    expect(await states.create(bytesOf(account("alice")), MOST)).toEqual({ ...first, isNew: false });
    await expect(states.create(bytesOf(account("alice", BOB)), MOST)).rejects.toThrow(coded("FHE_ACCOUNT_EXISTS"));
    const taken = states.take(TENANT, { reads: [], writes: ["bob"] });
    await expect(states.create(bytesOf(account("bob")), MOST)).rejects.toThrow(coded("FHE_STATE_CONFLICT"));
    taken.release();
    expect(log.size()).toBe(1);
  });

  it("stays within the quota of its tenant, however many are made at once", async () => {
    const states = await open();
    const made = log.logAccount.bind(log);
    const slow = vi.spyOn(log, "logAccount");
    slow.mockImplementation(async (document) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await made(document);
    });
    const names = ["a", "b", "c", "d", "e", "f"];
    const outcomes = await Promise.allSettled(names.map((name) => states.create(bytesOf(account(name)), 3)));
    const codes = outcomes.map((one) => (one.status === "fulfilled" ? null : (one.reason as { code: string }).code));
    expect(codes).toEqual([null, null, null, ...Array(3).fill("FHE_ACCOUNT_QUOTA")]);
    expect([await table.accountCount(TENANT), log.size()]).toEqual([3, 3]);
    // One that is there already takes no more room, also at once with a new one; another tenant has its own.
    await expect(states.create(bytesOf(account("a")), 3)).resolves.toMatchObject({ isNew: false });
    await expect(states.create(bytesOf(account("a", BOB)), 3)).rejects.toThrow(coded("FHE_ACCOUNT_EXISTS"));
    await expect(states.create(bytesOf(account("a", ALICE, { tenant: "other" })), 1)).resolves.toMatchObject({ isNew: true });
    // One that cannot be logged takes room until the next start: nobody knows whether it was.
    slow.mockRejectedValueOnce(new Error("the disk is full"));
    const roomy = names.slice(3).map((name) => states.create(bytesOf(account(name)), 4));
    const later = await Promise.allSettled(roomy);
    expect(later.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });

  it("leaves the name taken where nobody knows whether it was logged", async () => {
    const states = await open();
    log.failing = true;
    await expect(states.create(bytesOf(account("alice")), MOST)).rejects.toThrow();
    log.failing = false;
    await expect(states.create(bytesOf(account("alice")), MOST)).rejects.toThrow(coded("FHE_STATE_CONFLICT"));
    expect(await (await open()).create(bytesOf(account("alice")), MOST)).toMatchObject({ isNew: true, account: { version: 0 } });
  });
});

describe("what the log has beyond the database", () => {
  it("is made up for at the start, once, from any point", async () => {
    const states = await twoAccounts();
    const one = claimOn([opened(account("alice")), opened(account("bob", BOB))], "one");
    const two = claimOn(one.after, "two");
    log.leaves.push(null, { kind: "session", holder: null, legs: [], blobs: [] });
    log.logClaim(one.claim);
    log.logClaim(two.claim);
    for (let again = 0; again < 2; again++) {
      const next = await open();
      expect(await next.account(TENANT, "bob")).toMatchObject({ version: 2, head: two.after[1]?.head });
    }
    // A database that was lost is made from the first leaf on; one whose mark is behind what it has is left as it is.
    await sql`update state_marks set size = 0`.execute(db);
    expect(await (await open()).account(TENANT, "alice")).toMatchObject({ version: 2 });
    await sql`delete from state_accounts`.execute(db);
    await sql`update state_marks set size = 0`.execute(db);
    expect(await (await open()).account(TENANT, "alice")).toMatchObject({ version: 2, head: two.after[0]?.head });
    expect(await states.isUsed("00".repeat(32))).toBe(false);
  });

  it("never runs ahead of a run that is still to be written", async () => {
    const states = await twoAccounts();
    const one = claimOn([opened(account("alice"))], "one");
    const two = claimOn([opened(account("bob", BOB))], "two");
    const first = states.take(TENANT, { reads: [], writes: ["alice"] });
    const second = states.take(TENANT, { reads: [], writes: ["bob"] });
    log.logClaim(one.claim);
    log.logClaim(two.claim);
    await second.commit(await changeOfClaim(two.claim, holder, table));
    // The process dies here: `first` was logged and never written.
    expect(await table.mark()).toBe(2);
    const next = await open();
    expect(await next.account(TENANT, "alice")).toMatchObject({ version: 1, head: one.after[0]?.head });
    expect(await next.account(TENANT, "bob")).toMatchObject({ version: 1 });
    first.release();
  });

  it("is refused where it contradicts itself, or cannot be read", async () => {
    await twoAccounts();
    const corrupt = coded("LOG_CORRUPT");
    const forked = claimOn([{ ...opened(account("alice")), version: 1 }], "forked");
    log.logClaim(forked.claim);
    await expect(open()).rejects.toThrow(corrupt);
    log.leaves.pop();
    log.logClaim(claimOn([opened(account("nobody"))], "unknown").claim);
    await expect(open()).rejects.toThrow(corrupt);
    log.leaves.pop();
    log.leaves.push({ kind: "account", holder: null, legs: [], blobs: [new Uint8Array(3)] });
    await expect(open()).rejects.toThrow(corrupt);
    log.leaves.pop();
    log.leaves.length = 1;
    await expect(open()).rejects.toThrow(coded("STORE_FOREIGN"));
  });

  it("is nothing of this path where no leg is one of its claims", async () => {
    expect(await changeOfLeaf({ kind: "policy", holder: null, legs: [], blobs: [new Uint8Array(1)] }, table)).toBeNull();
    const other = { kind: "receipt", holder: { tenant: TENANT, keyHash: ALICE }, legs: [{ digest: some("x"), mediaType: "x" }] };
    expect(await changeOfLeaf({ ...other, blobs: [] }, table)).toBeNull();
  });
});

describe("a database that several gateways use", () => {
  it("is refused where another log has accounts there, also before it has made one", async () => {
    const [here, there] = [new StateTable(db, "here/log"), new StateTable(db, "there/log")];
    await assertOnlyLog(here);
    await expect(assertOnlyLog(there)).rejects.toThrow(coded("CONFIG_INVALID"));
    await expect(assertOnlyLog(there)).rejects.toThrow("here/log");
    // Both are found by whoever comes then, and each by the other.
    await expect(assertOnlyLog(here)).rejects.toThrow("there/log");
    await expect(assertOnlyLog(table)).rejects.toThrow("here/log");
  });

  it("is taken by the log that was there before, whose accounts stay", async () => {
    await twoAccounts();
    await assertOnlyLog(table);
    expect([await table.mark(), await table.accountCount(TENANT), await table.others()]).toEqual([2, 2, []]);
  });
});

describe("what a run makes", () => {
  it("is read by those alone who may read all that went in", async () => {
    const auditor = "c0".repeat(32);
    const readable = (owner: string) => ({ acl: { read: [auditor], debit: [], credit: [], programs: "any" as const }, owner });
    await table.apply(changeOfAccount(bytesOf(account("alice", ALICE, readable(ALICE)))), 1);
    await table.apply(changeOfAccount(bytesOf(account("bob", BOB, readable(BOB)))), 2);
    const before = [opened(account("alice", ALICE, readable(ALICE))), opened(account("bob", BOB, readable(BOB)))];
    const first = claimOn(before, "first");
    await table.apply(await changeOfClaim(first.claim, holder, table), 3);
    const [alice] = first.after;
    const output = { n: "sum", t: "u64", digest: some("sum"), handle: someHandle("sum") };
    const { claim } = claimOn(first.after, "second", { outputs: [output], writes: [] });
    const change = await changeOfClaim(claim, holder, table);
    const sum = parseValueFacts(change.values.find(({ id }) => id === output.handle)?.document ?? "");
    expect(sum).toMatchObject({ readers: [auditor], proven: true, programs: "any" });
    const state = await table.value(TENANT, alice?.handle ?? "");
    expect(parseValueFacts(state?.document ?? "").readers).toEqual([ALICE, auditor]);
  });

  it("may be taken by those programs alone that may take all that went in", async () => {
    const other = some("another program");
    const limited = (programs: readonly (typeof PROGRAM)[]) => ({ acl: { read: [], debit: [], credit: [], programs } });
    await table.apply(changeOfAccount(bytesOf(account("alice", ALICE, limited([PROGRAM, other])))), 1);
    await table.apply(changeOfAccount(bytesOf(account("carol", ALICE, limited([PROGRAM])))), 2);
    const before = [
      opened(account("alice", ALICE, limited([PROGRAM, other]))),
      opened(account("carol", ALICE, limited([PROGRAM]))),
    ];
    const output = { n: "sum", t: "u64", digest: some("sum"), handle: someHandle("sum") };
    const { claim } = claimOn(before, "run", { outputs: [output], writes: [] });
    const change = await changeOfClaim(claim, holder, table);
    expect(parseValueFacts(change.values[0]?.document ?? "")).toMatchObject({ programs: [PROGRAM], readers: [ALICE] });
  });

  it("counts as unproven where a bare ciphertext went in, and whatever comes of that, too", async () => {
    const output = (n: string) => ({ n, t: "u64", digest: some(n), handle: someHandle(n) });
    const fresh = { n: "x", digest: some("fresh"), handle: null };
    const bare = claimOn([], "bare", { inputs: [fresh], outputs: [output("a")] }).claim;
    await table.apply(await changeOfClaim(bare, holder, table), 1);
    const derived = claimOn([], "derived", { inputs: [{ ...fresh, handle: output("a").handle }], outputs: [output("b")] }).claim;
    const proven = claimOn([], "proven", { inputs: [fresh], lists: [some("list")], outputs: [output("c")] }).claim;
    const facts = async (claim: typeof bare) =>
      parseValueFacts((await changeOfClaim(claim, holder, table)).values[0]?.document ?? "").proven;
    expect([await facts(bare), await facts(derived), await facts(proven)]).toEqual([false, false, true]);
    await table.apply(await changeOfClaim(proven, holder, table), 2);
    expect(await table.isUsed(some("list").slice("sha256:".length))).toBe(true);
  });
});
