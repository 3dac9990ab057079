import { describe, expect, it } from "vitest";
import { hashApiKey } from "../../../src/gateway/authenticate.ts";
import { COLLEAGUE_KEY } from "../../contract/gateway-fixture.ts";
import { COPY, handleIn, OWNER, sameApart, startWorld, TRANSFER, type World } from "./fhe-world.ts";

const COLLEAGUE = hashApiKey(COLLEAGUE_KEY);
const asColleague = { apiKey: COLLEAGUE_KEY };
const AUDITOR = "c0".repeat(32);
const acl = (read: readonly string[], more = {}) => ({ read, debit: [], credit: [], programs: "any" as const, ...more });

/** Gives an account of the caller the value 1. */
async function filled(world: World, name: string, read: readonly string[], more = {}): Promise<void> {
  expect((await world.makeAccount(name, { acl: acl(read, more) })).status).toBe(201);
  expect((await world.run(COPY, { inputs: { x: 1 }, writes: { y: name } })).status).toBe(200);
}

describe("what a program writes to an account", () => {
  it("may not come of an account that fewer may read, or that fewer programs may take", async () => {
    const world = await startWorld();
    await filled(world, "secret", []);
    await filled(world, "audited", [AUDITOR]);
    await filled(world, "limited", [AUDITOR], { programs: [COPY.digest] });
    await world.makeAccount("wide", { acl: acl([AUDITOR, COLLEAGUE]) });
    await world.makeAccount("theirs", { owner: COLLEAGUE, acl: acl([], { debit: [OWNER] }) }, asColleague);
    const copy = (from: string, to: string) => world.run(COPY, { inputs: { x: { account: from } }, writes: { y: to } });
    for (const [from, to] of [
      ["secret", "wide"],
      ["secret", "audited"],
      ["audited", "wide"],
      ["secret", "theirs"],
      ["limited", "audited"],
    ] as const) {
      const answer = await copy(from, to);
      expect([from, to, answer.status, answer.code]).toEqual([from, to, 403, "FHE_READERS_WIDENED"]);
    }
    expect([await world.version("wide"), await world.version("audited"), await world.version("theirs")]).toEqual([0, 1, 0]);
    // What may not even be read answers as what is not there, whoever reads the account that would be written.
    const unknown = await copy("nobody", "wide");
    expect(unknown.code).toBe("FHE_FORBIDDEN_HANDLE");
    expect(sameApart(await copy("theirs", "wide"))).toEqual(sameApart(unknown));
    // As many or more may read what it comes of.
    expect((await copy("audited", "secret")).status).toBe(200);
    expect((await copy("audited", "limited")).status).toBe(200);
    expect(await world.version("secret")).toBe(2);
  });

  it("may not come of a handle that fewer may read, by a program of the ledger either", async () => {
    const world = await startWorld();
    await filled(world, "secret", []);
    await filled(world, "mine", []);
    await world.makeAccount("wide", { acl: acl([AUDITOR]) });
    const copied = await world.run(COPY, { inputs: { x: { account: "secret" } } });
    const handle = { handle: handleIn(copied) };
    expect((await world.run(COPY, { inputs: { x: handle }, writes: { y: "wide" } })).code).toBe("FHE_READERS_WIDENED");
    const pay = (amount: typeof handle | number) =>
      world.run(TRANSFER, {
        inputs: { from: { account: "mine" }, to: { account: "wide" }, amount },
        writes: { from_after: "mine", to_after: "wide" },
      });
    expect((await pay(handle)).code).toBe("FHE_READERS_WIDENED");
    expect((await pay({ handle: "77".repeat(32) })).code).toBe("FHE_FORBIDDEN_HANDLE");
    expect([await world.version("mine"), await world.version("wide")]).toEqual([1, 0]);
    // A payment between accounts of different readers is what the ledger is for.
    expect((await pay(1)).status).toBe(200);
    expect((await world.run(COPY, { inputs: { x: handle }, writes: { y: "mine" } })).status).toBe(200);
    expect((await world.run(COPY, { inputs: { x: handle } }, asColleague)).code).toBe("FHE_FORBIDDEN_HANDLE");
  });
});
