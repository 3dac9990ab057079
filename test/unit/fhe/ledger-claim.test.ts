import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson, type Sha256Digest } from "../../../src/core/digest.ts";
import { findShipped } from "../../../src/paths/fhe/compile/shipped.ts";
import { unlinkedState } from "../../../src/paths/fhe/evidence/state-checks.ts";
import { type Claim, parseClaim } from "../../../src/paths/fhe/wire/claim.ts";

const { leg } = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));
const { claim: plain } = parseClaim(utf8(leg.json));
const hex = (mark: string) => mark.repeat(64);
const digestOfProgram = (name: string) => findShipped(name)?.program.digest as Sha256Digest;
const value = digestOfJson("value");
const written = (account: string, version: number, mark: string) => ({
  account,
  version,
  handle: hex(mark),
  digest: value,
  clear: null,
  prevHead: hex("e"),
});
const output = (n: string, mark: string) => ({ n, t: "u64", digest: value, handle: hex(mark) });

/** From alice, of version 3, to bob, whom nobody paid before. */
const transfer: Claim = {
  ...plain,
  programDigest: digestOfProgram("transfer-u64"),
  inputs: [
    { n: "from", digest: value, handle: hex("a") },
    { n: "to", digest: value, handle: null },
    { n: "amount", digest: value, handle: null },
  ],
  outputs: [output("from_after", "1"), output("to_after", "2"), { ...output("ok", "3"), t: "bool" }],
  reads: [
    { account: "alice", version: 3, handle: hex("a") },
    { account: "bob", version: 0, handle: null },
  ],
  writes: [written("alice", 4, "1"), written("bob", 1, "2")],
};

const supply = { account: "usd", version: 1, handle: null, digest: null, clear: "5", prevHead: hex("d") };
const mint: Claim = {
  ...transfer,
  programDigest: digestOfProgram("mint-u64"),
  inputs: [
    { n: "balance", digest: value, handle: null },
    { n: "amount", clear: "5" },
  ],
  outputs: [output("balance_after", "1")],
  reads: [
    { account: "bob", version: 0, handle: null },
    { account: "usd", version: 0, handle: null },
  ],
  writes: [written("bob", 1, "1"), supply],
};

describe("a claim about a program of the ledger", () => {
  it("is balanced where every unit goes where the program says", () => {
    expect(unlinkedState(transfer)).toBeNull();
    expect(unlinkedState(mint)).toBeNull();
    expect(unlinkedState({ ...transfer, reads: [], writes: [] })).toBeNull();
  });

  it.each([
    ["the debit is left out", { writes: [written("bob", 1, "2")] }, "from_after was written to no account"],
    ["the credit is left out", { writes: [written("alice", 4, "1")] }, "to_after was written to no account"],
    ["nothing is written", { writes: [] }, "from_after was written to no account"],
    [
      "both sides are exchanged",
      { writes: [written("alice", 4, "2"), written("bob", 1, "1")] },
      "from_after was written to another account than it came of",
    ],
    [
      "the payer pays by another's balance",
      { writes: [written("mallory", 4, "1"), written("bob", 1, "2")] },
      "from_after was written to another account than it came of",
    ],
    [
      "the outcome becomes a state, too",
      { writes: [...transfer.writes, written("carol", 1, "3")] },
      "more was written than the program is made for",
    ],
    [
      "an asset is written beside",
      { writes: [...transfer.writes, supply] },
      "what was minted stands in one asset, and nothing else does",
    ],
  ] as const)("of a transfer is refused where %s", (_, change, why) => {
    expect(unlinkedState({ ...transfer, ...change })).toBe(why);
  });

  it("of a mint is refused where the asset says something else than was minted", () => {
    const [balance] = mint.writes;
    const none = { ...mint, writes: mint.writes.slice(0, 1) };
    expect(unlinkedState(none)).toBe("what was minted stands in one asset, and nothing else does");
    for (const clear of ["1", "6"])
      expect(unlinkedState({ ...mint, writes: [balance, { ...supply, clear }].flatMap((w) => w ?? []) })).toBe(
        "the asset does not say what was minted",
      );
    const unread = { ...mint, reads: mint.reads.slice(0, 1) };
    expect(unlinkedState(unread)).toBe("the asset does not say what was minted");
  });
});

describe("a read of a state that has no handle", () => {
  it("is refused of any account that is no asset, whatever the program", () => {
    const read = (account: string) => ({ ...plain, reads: [{ account, version: 5, handle: null }], writes: [] });
    expect(unlinkedState(read("alice"))).toBe("the state of alice was read, and nothing says which");
    const later = { ...mint, reads: [{ account: "bob", version: 2, handle: null }], writes: [written("bob", 3, "1"), supply] };
    expect(unlinkedState(later)).toBe("the state of bob was read, and nothing says which");
  });
});
