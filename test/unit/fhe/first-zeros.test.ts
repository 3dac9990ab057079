import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { wrongZero } from "../../../src/paths/fhe/evidence/first-zeros.ts";
import { type Claim, parseClaim } from "../../../src/paths/fhe/wire/claim.ts";

const { leg } = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));
const { claim: plain } = parseClaim(utf8(leg.json));
const [zero, other] = [digestOfJson("zero"), digestOfJson("other")];
const isZero = (_: string, digest: string) => digest === zero;
const fresh = (n: string, digest = zero) => ({ n, digest, handle: null });
const output = (n: string, mark: string) => ({ n, t: "u64", digest: other, handle: mark.repeat(64) });
const read = (account: string, version: number) => ({ account, version, handle: version === 0 ? null : "9".repeat(64) });
const write = (account: string, mark: string) => ({
  account,
  version: 1,
  handle: mark.repeat(64),
  digest: other,
  clear: null,
  prevHead: "e".repeat(64),
});

/** A payment into an account that nothing was written to. */
const payment: Claim = {
  ...plain,
  inputs: [{ n: "from", digest: other, handle: "9".repeat(64) }, fresh("to"), fresh("amount", other)],
  outputs: [output("from_after", "1"), output("to_after", "2")],
  reads: [read("alice", 3), read("bob", 0)],
  writes: [write("alice", "1"), write("bob", "2")],
};

describe("a first balance", () => {
  it("is wrong where the input is no zero, whatever else is one", () => {
    const [from, , amount] = payment.inputs;
    const swapped = [from, fresh("to", other), fresh("amount")].flatMap((input) => input ?? []);
    expect(wrongZero({ ...payment, inputs: swapped }, isZero)).toBe("bob was written by nobody, and to is no zero");
    const none = [from, fresh("to", other), amount].flatMap((input) => input ?? []);
    expect(wrongZero({ ...payment, inputs: none }, isZero)).toBe("bob was written by nobody, and to is no zero");
    const stored = [from, { n: "to", digest: zero, handle: "8".repeat(64) }, amount].flatMap((input) => input ?? []);
    expect(wrongZero({ ...payment, inputs: stored }, isZero)).toBe("bob was written by nobody, and to is no zero");
  });

  it("is wrong where fewer inputs are zero than accounts that nobody wrote", () => {
    const two = { ...payment, writes: [], outputs: [], reads: [read("bob", 0), read("carol", 0)] };
    expect(wrongZero(two, isZero)).toBe("bob, carol: written by nobody, and 1 of 2 went in as zero");
    expect(wrongZero({ ...two, inputs: [] }, isZero)).toBe("bob, carol: written by nobody, and 0 of 2 went in as zero");
  });

  it("is right where each is zero, and there is none of an asset, or of an account that was written before", () => {
    expect(wrongZero(payment, isZero)).toBeNull();
    const asset = { ...write("usd", "0"), handle: null, digest: null, clear: "5" };
    const mint = { ...payment, reads: [read("alice", 3), read("usd", 0)], writes: [write("alice", "1"), asset] };
    expect(wrongZero({ ...mint, inputs: [] }, isZero)).toBeNull();
    expect(wrongZero({ ...payment, reads: [read("alice", 3)], inputs: [] }, isZero)).toBeNull();
  });
});
