/** Two receipts of one answer: with the same leg, or with another proof of the same statement. */
import { describe, expect, it } from "vitest";
import { findReusedLegs } from "../../src/verify/index.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { createWorld } from "../fixtures/world.ts";
import { withZk } from "../fixtures/zk-leg.ts";

const world = await createWorld();
const named = (digit: string, changes: Changes): Changes => ({
  ...changes,
  receipt: (receipt) => ({ ...receipt, receiptId: `rcpt-${digit.repeat(32)}` }),
});
const built = async (digit: string, changes: Changes) => buildBundle(world, named(digit, changes));
const spelled = () => withZk({ leg: (leg) => ({ ...leg, prover: "rust" }) });

/** The last digits of the receipts in each pair. */
function pairs(...bundles: readonly { readonly bundle: Uint8Array }[]): readonly string[] {
  return findReusedLegs(bundles.map(({ bundle }) => bundle)).map(({ receiptIds }) => receiptIds.map((id) => id.at(-1)).join());
}

describe("two receipts", () => {
  it("of one leg are one answer", async () => {
    expect(pairs(await built("1", withZk()), await built("2", withZk()))).toEqual(["1,2"]);
  });

  it("of one proof are one answer, however the leg is spelled, and whatever the receipts are called", async () => {
    expect(pairs(await built("1", withZk()), await built("2", spelled()))).toEqual(["1,2"]);
    expect(pairs(await built("1", withZk()), await built("1", spelled()))).toEqual(["1,1"]);
  });

  it("of two decisions are two answers, and one receipt given twice is one", async () => {
    const [one, other] = [await built("1", withZk()), await built("2", withZk({}, { nonce: "f".repeat(32) }))];
    expect(pairs(one, other, one)).toEqual([]);
  });

  it("of a refusal beside an answer under the same decision are no reuse", async () => {
    expect(pairs(await built("1", {}), await built("2", { kind: "lost-after-forwarding" }))).toEqual([]);
  });
});
