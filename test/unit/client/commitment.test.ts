import { describe, expect, it } from "vitest";
import { commitmentOf } from "../../../src/client/commitment.ts";
import type { Check, Verdict } from "../../../src/verify/index.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

const salt = new Uint8Array(16).fill(7);

function check(id: string, status: Check["status"]): Check {
  return { id, status, basis: "assertion", code: null, message: id, spec: "SPEC" };
}

/** A verdict of which only the checks are read. */
function verdict(...checks: readonly Check[]): Verdict {
  return {
    outcome: "accepted",
    code: null,
    service: "test",
    receiptId: null,
    checks,
    claims: [],
    waivers: [],
    notes: [],
  } as unknown as Verdict;
}

const matched = check("exchange.outputs-match", "pass");

describe("the commitment of an answer", () => {
  it("is opened where the verdict compared input and outputs", () => {
    const opened = verdict(check("exchange.input-opens", "pass"), matched);
    expect(commitmentOf(opened, salt, true)).toEqual({ salt: "07".repeat(16), opened: true });
  });

  it("may stay closed for an attested worker whose model is confidential", () => {
    const closed = verdict(check("exchange.input-opens", "skipped"), matched);
    expect(commitmentOf(closed, salt, true)).toEqual({ salt: "07".repeat(16), opened: false });
  });

  it("is none where no leg states one", () => {
    expect(commitmentOf(verdict(), salt, false)).toBeNull();
  });

  it.each([
    [
      "a proof stands beside it, whatever the key's basis",
      [check("exchange.input-opens", "skipped"), matched, check("zk.proof", "pass")],
      true,
    ],
    ["the outputs were not compared", [check("exchange.input-opens", "pass"), check("exchange.outputs-match", "skipped")], true],
    ["the answer names no salt", [check("exchange.input-opens", "pass"), matched], false],
  ])("is refused unopened where %s", (_, checks, committed) => {
    expect(() => commitmentOf(verdict(...checks), salt, committed)).toThrow(code("VERIFICATION_FAILED"));
  });
});
