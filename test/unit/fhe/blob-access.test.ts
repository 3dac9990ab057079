import { describe, expect, it } from "vitest";
import { digestHex, digestOf } from "../../../src/core/digest.ts";
import { hashApiKey } from "../../../src/gateway/authenticate.ts";
import { encodeAccount } from "../../../src/paths/fhe/wire/account.ts";
import { parseClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { parseBundle } from "../../../src/receipt/index.ts";
import { COLLEAGUE_KEY } from "../../contract/gateway-fixture.ts";
import {
  type Answer,
  accountOf,
  COPY,
  digestIn,
  handleIn,
  OWNER,
  sameApart,
  startWorld,
  TRANSFER,
  type World,
} from "./fhe-world.ts";

const COLLEAGUE = hashApiKey(COLLEAGUE_KEY);
const asColleague = { apiKey: COLLEAGUE_KEY };
const own = (read: readonly string[] = []) => ({
  owner: COLLEAGUE,
  acl: { read, debit: [], credit: [OWNER], programs: "any" as const },
});

const blob = (world: World, digest: string, more = {}) => world.call("GET", `/v1/fhe/blobs/${digest}`, undefined, more);

/** Digests of what went in, in the program's order. */
async function inputsOf(world: World, answer: Answer): Promise<readonly string[]> {
  const { receipt, blobs } = parseBundle(await world.gateway.bundle(answer.headers.get("x-receipt-id") ?? ""));
  const leg = receipt.event_log.find(({ type }) => type === "leg.sealed") as unknown as { leg_digest: never };
  const { claim } = parseClaim(blobs.get(leg.leg_digest) ?? new Uint8Array());
  return claim.inputs.map((input) => ("clear" in input ? "" : digestHex(input.digest)));
}

/**
 * Pays nothing from an account of the caller into one of a colleague. The engine of clear values gives equal bytes for equal values: 1
 * is the caller's, 3 the colleague's, and 0 what was paid.
 */
async function paid(world: World, read: readonly string[] = []): Promise<Answer> {
  expect((await world.makeAccount("alice")).status).toBe(201);
  expect((await world.makeAccount("bob", own(read), asColleague)).status).toBe(201);
  expect((await world.run(COPY, { inputs: { x: 1 }, writes: { y: "alice" } })).status).toBe(200);
  expect((await world.run(COPY, { inputs: { x: 3 }, writes: { y: "bob" } }, asColleague)).status).toBe(200);
  const answer = await world.run(TRANSFER, {
    inputs: { from: { account: "alice" }, to: { account: "bob" }, amount: 0 },
    writes: { from_after: "alice", to_after: "bob" },
  });
  expect([answer.status, answer.code]).toEqual([200, undefined]);
  return answer;
}

describe("the bytes of a value", () => {
  it("of an account are for its readers, and otherwise as if they were nowhere", async () => {
    const world = await startWorld();
    const answer = await paid(world);
    const [alice, bob] = [digestIn(answer, 0), digestIn(answer, 1)];
    const unknown = await blob(world, "77".repeat(32));
    expect([unknown.status, unknown.code]).toEqual([404, "FHE_FORBIDDEN_HANDLE"]);
    for (const form of ["", "?form=compressed", "?form=expanded"]) {
      expect(sameApart(await blob(world, `${bob}${form}`))).toEqual(sameApart(unknown));
      expect(sameApart(await blob(world, `${alice}${form}`, asColleague))).toEqual(sameApart(unknown));
    }
    expect((await blob(world, alice)).status).toBe(200);
    expect((await blob(world, bob, asColleague)).status).toBe(200);
    expect((await blob(world, `${bob}?form=expanded`, asColleague)).status).toBe(200);
  });

  it("that went in are for whoever may read them, a fresh one for its caller alone", async () => {
    const world = await startWorld();
    const [from = "", to = "", amount = ""] = await inputsOf(world, await paid(world, [OWNER]));
    expect((await blob(world, to)).status).toBe(200);
    expect((await blob(world, amount)).status).toBe(200);
    expect((await blob(world, from)).status).toBe(200);
    for (const digest of [from, amount]) expect((await blob(world, digest, asColleague)).code).toBe("FHE_FORBIDDEN_HANDLE");
    // A fresh value's type stands nowhere.
    expect((await blob(world, `${amount}?form=expanded`)).code).toBe("FHE_FORBIDDEN_HANDLE");
  });

  it("that a run made of nobody's account are its caller's, also where two callers made the same", async () => {
    const world = await startWorld();
    const copied = await world.run(COPY, { inputs: { x: 2 } });
    expect((await blob(world, digestIn(copied), asColleague)).code).toBe("FHE_FORBIDDEN_HANDLE");
    const again = await world.run(COPY, { inputs: { x: 2 } }, asColleague);
    expect(digestIn(again)).toBe(digestIn(copied));
    expect((await blob(world, digestIn(copied), asColleague)).status).toBe(200);
    expect((await blob(world, digestIn(copied))).status).toBe(200);
    expect((await world.run(COPY, { inputs: { x: { handle: handleIn(copied) } } }, asColleague)).code).toBe(
      "FHE_FORBIDDEN_HANDLE",
    );
  });

  it("are found by their reader behind values of the same bytes that are another's", async () => {
    const world = await startWorld();
    for (let run = 0; run < 4; run++) expect((await world.run(COPY, { inputs: { x: 3 } })).status).toBe(200);
    const last = await world.run(COPY, { inputs: { x: 3 } }, asColleague);
    expect((await blob(world, `${digestIn(last)}?form=expanded`, asColleague)).status).toBe(200);
  });
});

describe("what is no value", () => {
  it("is for every API key of the tenant where it is a key or a program, and for its readers where it is an account's document", async () => {
    const world = await startWorld();
    await world.makeAccount("alice");
    const document = digestHex(digestOf(encodeAccount(accountOf("alice", world.keyId))));
    expect((await blob(world, document)).status).toBe(200);
    expect((await blob(world, document, asColleague)).code).toBe("FHE_FORBIDDEN_HANDLE");
    expect((await blob(world, world.keyId, asColleague)).status).toBe(200);
    expect((await blob(world, digestHex(TRANSFER.digest), asColleague)).status).toBe(200);
  });
});
