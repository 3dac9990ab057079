import { describe, expect, it, vi } from "vitest";
import { TrisealError } from "../../../src/core/errors.ts";
import { permissionsOf } from "../../../src/paths/fhe/server/ledger-rules.ts";
import type { StatePort } from "../../../src/paths/fhe/server/ports.ts";
import { FHE_CLAIM_TYPE, parseClaim, verifyClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { parseBundle } from "../../../src/receipt/index.ts";
import { OTHER_KEY } from "../../contract/gateway-fixture.ts";
import {
  bare,
  COPY,
  digestIn,
  handleIn,
  MINT,
  MODEL,
  OTHER,
  OWNER,
  runDocument,
  sameApart,
  startWorld,
  TRANSFER,
  type World,
} from "./fhe-world.ts";

/** An asset, and two accounts of it: of the caller with three units, and of somebody who lets the caller pay in. */
async function ledger(world: World): Promise<void> {
  const programs = [TRANSFER.digest, MINT.digest];
  const acl = { read: [], debit: [], credit: [], programs };
  await world.makeAccount("usd", { kind: "asset", cap: "3", acl });
  await world.makeAccount("alice", { asset: "usd", acl });
  await world.makeAccount("bob", { asset: "usd", acl });
  const minted = await world.run(MINT, {
    inputs: { balance: { account: "alice" }, amount: { clear: "3" } },
    writes: { balance_after: "alice", supply: "usd" },
  });
  expect([minted.status, minted.code]).toEqual([200, undefined]);
}

const transfer = (amount: number) => ({
  inputs: { from: { account: "alice" }, to: { account: "bob" }, amount },
  writes: { from_after: "alice", to_after: "bob" },
});

describe("a run on accounts", () => {
  it("writes what its receipt says, and its claim is signed", async () => {
    const world = await startWorld();
    await ledger(world);
    const paid = await world.run(TRANSFER, transfer(2));
    expect([paid.status, await world.balance("alice"), await world.balance("bob")]).toEqual([200, 1, 2]);
    const bundle = await world.gateway.bundle(paid.headers.get("x-receipt-id") ?? "");
    const { receipt, blobs } = parseBundle(bundle);
    const leg = receipt.event_log.find(({ type }) => type === "leg.sealed") as unknown as {
      leg_digest: never;
      leg_media_type: string;
    };
    expect(leg.leg_media_type).toBe(FHE_CLAIM_TYPE);
    const signed = parseClaim(blobs.get(leg.leg_digest) ?? new Uint8Array());
    expect(verifyClaim(signed)).toBe(true);
    expect(signed.claim.writes.map(({ account, version }) => [account, version])).toEqual([
      ["alice", 2],
      ["bob", 1],
    ]);
    expect(signed.claim.reads.map(({ account, version }) => [account, version])).toEqual([
      ["alice", 1],
      ["bob", 0],
    ]);
    const shown = await world.call("GET", "/v1/fhe/accounts/alice");
    expect(shown.json).toMatchObject({ version: 2, handle: handleIn(paid) });
    const blob = await world.call("GET", `/v1/fhe/blobs/${digestIn(paid)}`);
    expect([blob.status, JSON.parse(new TextDecoder().decode(blob.bytes)).b]).toEqual([200, [1]]);
    expect((await world.call("GET", `/v1/fhe/blobs/${digestIn(paid)}?form=expanded&type=u2`)).status).toBe(200);
    expect((await world.call("GET", `/v1/fhe/blobs/${digestIn(paid)}`, undefined, { apiKey: OTHER_KEY })).code).toBe(
      "FHE_FORBIDDEN_HANDLE",
    );
  });

  it("is refused where one account is both sides", async () => {
    const world = await startWorld();
    await ledger(world);
    const inputs = { from: { account: "alice" }, to: { account: "alice" }, amount: 1 };
    expect((await world.run(TRANSFER, { inputs, writes: { from_after: "alice", to_after: "alice" } })).code).toBe(
      "FHE_SAME_ACCOUNT",
    );
    expect((await world.run(TRANSFER, { inputs, writes: { from_after: "alice", to_after: "bob" } })).code).toBe(
      "FHE_SAME_ACCOUNT",
    );
    expect(await world.version("alice")).toBe(1);
  });

  it("is refused where a write is missing, is another account's, or names no output", async () => {
    const world = await startWorld();
    await ledger(world);
    const { inputs } = transfer(1);
    for (const writes of [
      { to_after: "bob" },
      { from_after: "bob", to_after: "alice" },
      { from_after: "alice", to_after: "bob", more: "usd" },
      {},
    ] as Record<string, string>[])
      expect((await world.run(TRANSFER, { inputs, writes })).code).toBe("FHE_RUN_INVALID");
    const mint = { balance: { account: "alice" }, amount: { clear: "1" } };
    expect((await world.run(MINT, { inputs: mint, writes: { balance_after: "alice" } })).code).toBe("FHE_RUN_INVALID");
    expect((await world.run(MINT, { inputs: mint, writes: { balance_after: "alice", supply: "bob" } })).code).toBe(
      "FHE_RUN_INVALID",
    );
    expect([await world.version("alice"), await world.version("bob"), await world.version("usd")]).toEqual([1, 0, 1]);
  });

  it("mints no more than the cap, and only for the asset that the account holds", async () => {
    const world = await startWorld();
    await ledger(world);
    const over = await world.run(MINT, {
      inputs: { balance: { account: "bob" }, amount: { clear: "1" } },
      writes: { balance_after: "bob", supply: "usd" },
    });
    expect([over.status, over.code]).toEqual([409, "FHE_SUPPLY_EXCEEDED"]);
    await world.makeAccount("eur", {
      kind: "asset",
      cap: null,
      acl: { read: [], debit: [], credit: [], programs: [TRANSFER.digest, MINT.digest] },
    });
    const other = await world.run(MINT, {
      inputs: { balance: { account: "bob" }, amount: { clear: "1" } },
      writes: { balance_after: "bob", supply: "eur" },
    });
    expect(other.code).toBe("FHE_RUN_INVALID");
    // Whoever chose the programs of an account of the asset could make units of it.
    expect((await world.makeAccount("mine", { asset: "usd" })).code).toBe("FHE_ACCOUNT_INVALID");
    expect((await world.makeAccount("mine", { asset: "gbp" })).code).toBe("FHE_FORBIDDEN_HANDLE");
  });

  it("makes no units by a program that the asset permits for something else", async () => {
    const world = await startWorld();
    const acl = { read: [], debit: [], credit: [], programs: [TRANSFER.digest, MINT.digest, COPY.digest] };
    await world.makeAccount("usd", { kind: "asset", cap: "1", acl });
    await world.makeAccount("alice", { asset: "usd", acl });
    await world.makeAccount("bob", { asset: "usd", acl });
    // The sum of whatever was encrypted would be alice's.
    expect((await world.run(COPY, { inputs: { x: 3 }, writes: { y: "alice" } })).code).toBe("FHE_RUN_INVALID");
    const doubled = await world.run(COPY, { inputs: { x: { account: "alice" } }, writes: { y: "bob" } });
    expect(doubled.code).toBe("FHE_RUN_INVALID");
    expect([await world.version("alice"), await world.version("bob")]).toEqual([0, 0]);
    expect((await world.run(COPY, { inputs: { x: { account: "alice" } } })).status).toBe(200);
  });

  it("needs the right to read of whom a program of somebody's own takes from", () => {
    const run = (writes: Record<string, string>) => ({
      inputs: new Map([["x", { account: "theirs" }] as const]),
      writes: new Map(Object.entries(writes)),
    });
    const needed = (program: typeof COPY, writes: Record<string, string>) => [...permissionsOf(program, run(writes) as never)];
    expect(needed(COPY, { y: "mine", x_after: "theirs" })).toEqual([
      ["theirs", ["read", "debit"]],
      ["mine", ["debit"]],
    ]);
    expect(needed(COPY, {})).toEqual([["theirs", ["read"]]]);
    expect(needed(TRANSFER, { from_after: "theirs" })).toEqual([["theirs", ["debit"]]]);
    expect(needed(TRANSFER, { to_after: "theirs" })).toEqual([["theirs", ["credit"]]]);
  });

  it("answers alike for what is not there, what is not permitted, and a program that may not", async () => {
    const world = await startWorld();
    await ledger(world);
    const theirs = { owner: OTHER };
    // Nobody makes an account for somebody else; the row is put there as a second API key of the tenant would.
    expect((await world.makeAccount("carol", theirs)).code).toBe("FHE_ACCOUNT_INVALID");
    const debit = (account: string) => world.run(COPY, { inputs: { x: { account } } });
    const unknown = await debit("nobody");
    expect([unknown.status, unknown.code]).toEqual([404, "FHE_FORBIDDEN_HANDLE"]);
    // `alice` is there and the caller's, and permits two other programs only.
    expect(sameApart(await debit("alice"))).toEqual(sameApart(unknown));
    const handle = await world.run(COPY, { inputs: { x: { handle: "77".repeat(32) } } });
    expect(sameApart(handle)).toEqual(sameApart(unknown));
    const shown = await world.call("GET", "/v1/fhe/accounts/nobody");
    expect(shown.code).toBe("FHE_FORBIDDEN_HANDLE");
    expect(sameApart(await world.call("GET", "/v1/fhe/accounts/alice", undefined, { apiKey: OTHER_KEY }))).toEqual(
      sameApart(shown),
    );
  });

  it("takes fresh inputs from lists alone that are bound to it, each once", async () => {
    const world = await startWorld();
    await ledger(world);
    const { inputs, writes } = transfer(1);
    const unproven = await world.run(TRANSFER, { inputs: { ...inputs, amount: bare(world.keyId, 1) }, writes });
    expect(unproven.code).toBe("FHE_INPUT_UNPROVEN");
    for (const bound of [
      { accounts: ["alice", "carol"] },
      { nonce: "0".repeat(32) },
      { tenant: "other" },
      { programDigest: MINT.digest },
      { exp: 1 as never },
    ])
      expect((await world.run(TRANSFER, { inputs, writes, bound })).code).toBe("FHE_INPUT_UNPROVEN");
    const copied = await world.run(COPY, { inputs: { x: bare(world.keyId, 3) } });
    const laundered = { ...inputs, amount: { handle: handleIn(copied) } };
    expect((await world.run(TRANSFER, { inputs: laundered, writes })).code).toBe("FHE_INPUT_UNPROVEN");
    expect([await world.version("alice"), await world.version("bob")]).toEqual([1, 0]);
    const asked = await world.ask(TRANSFER);
    const document = runDocument(asked, world.keyId, transfer(1));
    expect((await world.call("POST", "/v1/fhe/run", document)).status).toBe(200);
    expect((await world.call("POST", "/v1/fhe/run", document)).code).toBe("CHALLENGE_UNKNOWN");
    const used = (JSON.parse(new TextDecoder().decode(document)) as { lists: string[] }).lists[0] ?? "";
    const again = await world.run(TRANSFER, { ...transfer(1), list: new Uint8Array(Buffer.from(used, "base64")) });
    expect([again.status, again.code]).toEqual([409, "FHE_INPUT_REUSED"]);
  });

  it("finds the version that it names, or changes nothing", async () => {
    const world = await startWorld();
    await ledger(world);
    const wish = (version: number) => ({
      ...transfer(1),
      inputs: { ...transfer(1).inputs, from: { account: "alice", version } },
    });
    const stale = await world.run(TRANSFER, wish(0));
    expect([stale.status, stale.code]).toEqual([409, "FHE_STATE_CONFLICT"]);
    expect((await world.run(TRANSFER, wish(1))).status).toBe(200);
  });

  it("is refused to the second of two writers, and the first goes on", async () => {
    const world = await startWorld({ fault: "slow" });
    await ledger(world);
    const [first, second] = [await world.ask(TRANSFER), await world.ask(TRANSFER)];
    const both = await Promise.all([
      world.run(TRANSFER, transfer(1), { asked: first }),
      world.run(TRANSFER, transfer(1), { asked: second }),
    ]);
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect(both.map(({ code }) => code)).toContain("FHE_STATE_CONFLICT");
    expect([await world.balance("alice"), await world.balance("bob")]).toEqual([2, 1]);
    // The challenge of the refused one is open still: what failed may succeed.
    const refused = both[0]?.status === 409 ? first : second;
    expect((await world.run(TRANSFER, transfer(1), { asked: refused })).status).toBe(200);
  });

  it("malformed in any way is refused without a change", async () => {
    const world = await startWorld();
    await ledger(world);
    const wish = transfer(1);
    const codeOf = async (change: object) => (await world.run(TRANSFER, { ...wish, change: change as never })).code;
    expect(await codeOf({ more: 1 })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ nonce: "0" })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ nonce: "0".repeat(32) })).toBe("CHALLENGE_UNKNOWN");
    expect(await codeOf({ programDigest: MINT.digest })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ keyId: "0".repeat(64) })).toBe("FHE_INPUT_FOREIGN_KEY");
    expect(await codeOf({ lists: [] })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ inputs: { from: { account: "alice" } } })).toBe("FHE_RUN_INVALID");
    const clear = await world.run(TRANSFER, { ...wish, inputs: { ...wish.inputs, amount: { clear: "1" } } });
    expect(clear.code).toBe("FHE_RUN_INVALID");
    expect(
      (await world.call("POST", "/v1/fhe/challenges", `{"model":"transfer-u64","parameters":{"kind":"inference"}}`)).code,
    ).toBe("REQUEST_MALFORMED");
    expect((await world.call("POST", "/v1/fhe/challenges", `{"model":"none"}`)).code).toBe("MODEL_UNKNOWN");
    expect([await world.version("alice"), await world.version("bob")]).toEqual([1, 0]);
  });
});

describe("a run of a model", () => {
  it("is refused under a key set of another kind, and where it names accounts, lists or handles", async () => {
    const world = await startWorld();
    await ledger(world);
    const own = { input: bare(world.keyId, 1) };
    expect((await world.run(MODEL, { inputs: own })).code).toBe("FHE_KEY_INVALID");
    expect((await world.run(MODEL, { inputs: own, writes: { output: "alice" } })).code).toBe("FHE_RUN_INVALID");
    expect((await world.run(MODEL, { inputs: { input: { account: "alice" } } })).code).toBe("FHE_RUN_INVALID");
    expect((await world.run(MODEL, { inputs: { input: { handle: "77".repeat(32) } } })).code).toBe("FHE_RUN_INVALID");
    expect((await world.run(MODEL, { inputs: { input: 1 } })).code).toBe("FHE_RUN_INVALID");
    expect((await world.run(MODEL, { inputs: { x: bare(world.keyId, 1) } })).code).toBe("FHE_RUN_INVALID");
    expect(await world.version("alice")).toBe(1);
  });

  it("is inference and no work on state, and its model is given to nobody", async () => {
    const world = await startWorld();
    const asked = (kind: string) =>
      world.call("POST", "/v1/fhe/challenges", JSON.stringify({ model: MODEL.name, parameters: { kind } }));
    expect((await asked("state")).code).toBe("REQUEST_MALFORMED");
    expect((await asked("inference")).json["terms"]).toMatchObject({ kind: "lwe", programDigest: MODEL.digest });
    expect((await world.call("GET", `/v1/fhe/programs/${MODEL.name}`)).code).toBe("MODEL_UNKNOWN");
    expect((await world.call("GET", `/v1/fhe/blobs/${MODEL.digest.slice(7)}`)).code).toBe("FHE_FORBIDDEN_HANDLE");
    const { json } = await world.call("GET", "/v1/fhe/programs");
    expect(json["models"]).toMatchObject([{ name: MODEL.name, digest: MODEL.digest }]);
    expect(JSON.stringify(json["shipped"])).not.toContain(MODEL.name);
  });
});

describe("a run that something befalls", () => {
  it("leaves everything as it was where the engine dies, and succeeds when it is repeated", async () => {
    const world = await startWorld({ fault: "die-in-run" });
    await world.makeAccount("alice", { acl: { read: [], debit: [], credit: [OWNER], programs: "any" } });
    await world.makeAccount("bob");
    const asked = await world.ask(TRANSFER);
    const died = await world.run(TRANSFER, transfer(1), { asked });
    expect([died.status, died.code, await world.version("alice")]).toEqual([503, "FHE_ENGINE_LOST", 0]);
    expect((await world.run(TRANSFER, transfer(1), { asked })).status).toBe(200);
    expect([await world.version("alice"), await world.balance("bob")]).toEqual([1, 1]);
  });

  it("is receipted by no claim but the one that was asked for", async () => {
    const world = await startWorld({ fault: "liar" });
    await world.makeAccount("alice");
    await world.makeAccount("bob");
    expect((await world.run(TRANSFER, transfer(1))).code).toBe("FHE_PROTOCOL");
    expect(await world.version("alice")).toBe(0);
  });

  it("keeps its accounts where nobody knows whether it was logged, until the log says", async () => {
    const world = await startWorld();
    await ledger(world);
    const failing = vi.spyOn(world.gateway.ledger, "logExchange");
    failing.mockRejectedValueOnce(new TrisealError("LOG_UNAVAILABLE", "the disk is full"));
    const asked = await world.ask(TRANSFER);
    expect((await world.run(TRANSFER, transfer(1), { asked })).code).toBe("LOG_UNAVAILABLE");
    expect((await world.run(TRANSFER, transfer(1), { asked })).code).toBe("FHE_STATE_CONFLICT");
    await world.reborn();
    expect(await world.version("alice")).toBe(1);
    expect((await world.run(TRANSFER, transfer(1), { asked })).status).toBe(200);
  });

  it("is made up for by the next process where it was logged and not written", async () => {
    let broken = false;
    const wrap = (table: StatePort): StatePort =>
      Object.assign(Object.create(table) as StatePort, {
        apply: (...change: Parameters<StatePort["apply"]>) =>
          broken ? Promise.reject(new Error("gone")) : table.apply(...change),
      });
    const world = await startWorld({ wrap });
    await ledger(world);
    broken = true;
    expect((await world.run(TRANSFER, transfer(1))).status).toBe(200);
    expect(await world.version("alice")).toBe(1);
    broken = false;
    await world.reborn();
    expect([await world.balance("alice"), await world.balance("bob")]).toEqual([2, 1]);
    expect((await world.run(TRANSFER, transfer(1))).status).toBe(200);
    await world.reborn();
    expect([await world.balance("alice"), await world.balance("bob"), await world.version("alice")]).toEqual([1, 2, 3]);
  });
});
