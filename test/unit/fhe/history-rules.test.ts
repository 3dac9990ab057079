import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson, type Sha256Digest } from "../../../src/core/digest.ts";
import { findShipped } from "../../../src/paths/fhe/compile/shipped.ts";
import { brokenRules } from "../../../src/paths/fhe/evidence/history-rules.ts";
import type { ReceiptedClaim } from "../../../src/paths/fhe/evidence/receipted-claim.ts";
import { type AccountDocument, firstHead } from "../../../src/paths/fhe/wire/account.ts";
import { type Claim, parseClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { account } from "./state-fixture.ts";

const { leg } = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));
const { claim: plain } = parseClaim(utf8(leg.json));
const programs = ["mint-u64", "transfer-u64", "threshold-u64"].map((name) => findShipped(name)?.program.digest as Sha256Digest);
const [MINT, TRANSFER, OTHER] = programs as unknown as readonly [Sha256Digest, Sha256Digest, Sha256Digest];

const TENANT = "acme";
const documentOf = (name: string, more: Partial<AccountDocument> = {}): AccountDocument =>
  account(name, "a1".repeat(32), { keyId: plain.keyId, acl: { read: [], debit: [], credit: [], programs }, ...more });
const usd = documentOf("usd", { kind: "asset", cap: "100" });
const alice = documentOf("alice", { asset: "usd" });
const bob = documentOf("bob", { asset: "usd" });

type Write = Claim["writes"][number];
const head = (document: AccountDocument | undefined, version: number) =>
  version === 1 && document !== undefined ? firstHead(document) : "ee".repeat(32);
const supply = (version: number, clear: string, of: AccountDocument = usd): Write => ({
  account: of.account,
  version,
  handle: null,
  digest: null,
  clear,
  prevHead: head(of, version),
});
const units = (of: AccountDocument, version: number): Write => ({
  account: of.account,
  version,
  handle: "ab".repeat(32),
  digest: digestOfJson("units"),
  clear: null,
  prevHead: head(of, version),
});

let receipts = 0;
function run(
  programDigest: Sha256Digest,
  writes: readonly Write[],
  amount: string | null,
  opened: readonly AccountDocument[] = [],
) {
  const inputs: Claim["inputs"] = amount === null ? [] : [{ n: "amount", clear: amount }];
  const claim: Claim = { ...plain, programDigest, inputs, reads: [], writes };
  return { receiptId: `rcpt-${receipts++}`, claim, opened } satisfies ReceiptedClaim;
}
const mint = (version: number, amount: string, clear: string, opened: readonly AccountDocument[] = []) =>
  run(MINT, [units(alice, version), supply(version, clear)], amount, opened);
const first = mint(1, "30", "30", [alice, usd]);

const broken = (name: string, claims: readonly ReceiptedClaim[], tenant = TENANT) =>
  brokenRules(name, tenant, claims).map(({ version, what }) => `${version}: ${what}`);

describe("the history of an asset", () => {
  it("breaks a rule where it grew by another amount than was minted", () => {
    for (const [amount, clear] of [
      ["20", "51"],
      ["20", "49"],
      ["20", "30"],
      ["0", "29"],
    ] as const)
      expect(broken("usd", [first, mint(2, amount, clear)])).toEqual([
        `2: it grew from 30 to ${clear} where ${amount} was minted`,
      ]);
  });

  it("breaks a rule beyond its cap, also where only a later version is", () => {
    expect(broken("usd", [first, mint(2, "71", "101")])).toEqual(["2: 101 is more than the asset's cap"]);
    expect(broken("usd", [first, mint(4, "71", "101")])).toEqual(["4: 101 is more than the asset's cap"]);
    expect(broken("usd", [mint(1, "101", "101", [usd])])).toEqual(["1: 101 is more than the asset's cap"]);
  });

  it("breaks a rule where it shrank over what is not shown, or anything but a mint wrote it", () => {
    expect(broken("usd", [first, mint(3, "5", "34")])).toEqual(["3: it grew from 30 to 34 where 5 was minted"]);
    const other = run(TRANSFER, [units(alice, 2), supply(2, "50")], "20");
    expect(broken("usd", [first, other])).toEqual(["2: an asset was written by a program that mints nothing"]);
    expect(broken("usd", [first, run(MINT, [units(alice, 2), supply(2, "50")], null)])).toEqual([
      "2: nothing says what was minted",
    ]);
  });

  it("follows the rules where each version is the one before and what was minted, up to the cap", () => {
    expect(broken("usd", [mint(3, "50", "100"), first, mint(2, "20", "50")])).toEqual([]);
    expect(broken("usd", [first, first, mint(5, "20", "90")])).toEqual([]);
    // Whose document is not shown has no cap here.
    expect(broken("usd", [mint(7, "1", "1000")])).toEqual([]);
    expect(broken("usd", [mint(1, "30", "30", [{ ...usd, cap: null }])])).toEqual([]);
  });
});

describe("the history of an account of an asset", () => {
  const opened = run(TRANSFER, [units(alice, 2), units(bob, 1)], null, [bob]);

  it("breaks a rule where a program that is none of the ledger's wrote units, or one of another asset", () => {
    const made = run(OTHER, [units(bob, 2)], null);
    expect(broken("bob", [first, opened, made])).toEqual([
      "2: units of an asset were written by a program that is none of the ledger's",
    ]);
    const eur = documentOf("eur", { kind: "asset", cap: null });
    const foreign = run(MINT, [units(bob, 2), supply(1, "5", eur)], "5", [eur]);
    expect(broken("bob", [first, opened, foreign])).toEqual(["2: it was written together with eur, which is of another asset"]);
    const carol = documentOf("carol", {});
    const paid = run(TRANSFER, [units(bob, 2), units(carol, 1)], null, [carol]);
    expect(broken("bob", [first, opened, paid])).toEqual(["2: it was written together with carol, which is of another asset"]);
    expect(broken("carol", [first, opened, paid])).toEqual(["1: it was written together with bob, which is of another asset"]);
  });

  it("breaks a rule where its document is of another tenant, key or kind, or permits another program", () => {
    const written = (document: AccountDocument, write = units(document, 1)) =>
      broken("bob", [run(TRANSFER, [write], null, [document])]);
    expect(written({ ...bob, tenant: "other" })).toEqual(["1: the account's document is of another tenant"]);
    expect(written({ ...bob, keyId: "99".repeat(32) })).toEqual(["1: it was written under another key than the account's"]);
    expect(written({ ...bob, acl: { ...bob.acl, programs: [OTHER] } })).toEqual(["1: its document does not permit the program"]);
    const { asset: _, ...free } = bob;
    const asAsset: AccountDocument = { ...free, kind: "asset" };
    expect(written(asAsset)).toEqual(["1: an asset has a clear state, an account an encrypted one"]);
    expect(broken("bob", [first, opened], "other")).toEqual(["1: the account's document is of another tenant"]);
  });

  it("follows the rules where the ledger moves units between accounts of one asset", () => {
    for (const name of ["alice", "bob"]) expect(broken(name, [first, opened])).toEqual([]);
    expect(broken("nobody", [first, opened])).toEqual([]);
  });
});
