import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { historyOf } from "../../../src/paths/fhe/evidence/history.ts";
import type { ReceiptedClaim } from "../../../src/paths/fhe/evidence/receipted-claim.ts";
import { type Claim, parseClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { type AccountState, headOf } from "../../../src/paths/fhe/wire/handle.ts";

const { leg } = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));
const { claim: plain } = parseClaim(utf8(leg.json));
const document = "d".repeat(64);

/** The state of version `version`, which tells apart by `mark`. */
function state(version: number, prevHead: string, mark = "a"): AccountState {
  return { account: "alice", version, handle: mark.repeat(64), digest: digestOfJson(mark), clear: null, prevHead };
}

function claim(receiptId: string, writes: readonly AccountState[], reads: Claim["reads"] = []): ReceiptedClaim {
  return { receiptId, claim: { ...plain, writes, reads }, opened: [] };
}

const first = state(1, document, "1");
const second = state(2, headOf(first), "2");
const third = state(3, headOf(second), "3");
const chain = [claim("rcpt-3", [third]), claim("rcpt-1", [first]), claim("rcpt-2", [second])];

describe("the history of an account", () => {
  it("is a chain from the account's document on, whatever the order of the claims", () => {
    const { versions, gaps, forks, opened } = historyOf("alice", chain);
    expect(versions.map(({ version, receiptId, head }) => [version, receiptId, head])).toEqual([
      [1, "rcpt-1", headOf(first)],
      [2, "rcpt-2", headOf(second)],
      [3, "rcpt-3", headOf(third)],
    ]);
    expect({ gaps, forks, opened }).toEqual({ gaps: [], forks: [], opened: document });
  });

  it("names a version that two receipts write, with both", () => {
    const { forks } = historyOf("alice", [...chain, claim("rcpt-x", [state(2, headOf(first), "9")])]);
    expect(forks).toEqual([{ version: 2, receiptIds: ["rcpt-2", "rcpt-x"], what: "two states were written" }]);
  });

  it("names two documents of one account", () => {
    const { forks } = historyOf("alice", [...chain, claim("rcpt-x", [state(1, "e".repeat(64), "1")])]);
    expect(forks).toEqual([{ version: 1, receiptIds: ["rcpt-1", "rcpt-x"], what: "two states were written" }]);
  });

  it("names a version that follows another one than was shown", () => {
    const { forks } = historyOf(
      "alice",
      [chain[1], claim("rcpt-x", [state(2, "f".repeat(64), "2")])].flatMap((c) => c ?? []),
    );
    expect(forks).toEqual([{ version: 1, receiptIds: ["rcpt-1", "rcpt-x"], what: "the next version follows another state" }]);
  });

  it("names a read of another state than was written", () => {
    const stale = claim("rcpt-x", [], [{ account: "alice", version: 2, handle: "7".repeat(64) }]);
    expect(historyOf("alice", [...chain, stale]).forks).toEqual([
      { version: 2, receiptIds: ["rcpt-2", "rcpt-x"], what: "another state was read" },
    ]);
    const honest = claim("rcpt-y", [], [{ account: "alice", version: 2, handle: second.handle }]);
    expect(historyOf("alice", [...chain, honest]).forks).toEqual([]);
  });

  it("names two reads of one version that no bundle shows written", () => {
    const read = (receiptId: string, handle: string) => claim(receiptId, [], [{ account: "alice", version: 5, handle }]);
    const { forks } = historyOf("alice", [...chain, read("rcpt-x", "7".repeat(64)), read("rcpt-y", "8".repeat(64))]);
    expect(forks).toEqual([{ version: 5, receiptIds: ["rcpt-x", "rcpt-y"], what: "another state was read" }]);
    const same = [read("rcpt-x", "7".repeat(64)), read("rcpt-y", "7".repeat(64))];
    expect(historyOf("alice", [...chain, ...same]).forks).toEqual([]);
  });

  it("names what is missing, also at the beginning", () => {
    const eighth = state(8, "b".repeat(64), "8");
    const { gaps, opened, forks } = historyOf("alice", [claim("rcpt-3", [third]), claim("rcpt-8", [eighth])]);
    expect({ gaps, opened, forks }).toEqual({
      gaps: [
        { from: 1, to: 2 },
        { from: 4, to: 7 },
      ],
      opened: null,
      forks: [],
    });
  });

  it("takes one claim in two bundles for one, and has nothing of another account", () => {
    expect(historyOf("alice", [...chain, ...chain]).forks).toEqual([]);
    expect(historyOf("bob", chain)).toEqual({ versions: [], gaps: [], forks: [], opened: null });
  });
});
