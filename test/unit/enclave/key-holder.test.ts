import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { RevealRecord } from "../../../enclave/key-holder/reveal-record.ts";
import { encodeBase64 } from "../../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { nodeFiles } from "../../../src/log/store/files.ts";
import { handleOf } from "../../../src/paths/fhe/wire/handle.ts";
import { encodeRevealRequest, MAX_REVEAL_REQUEST_BYTES, parseReveal } from "../../../src/paths/fhe/wire/reveal.ts";
import type { Changes } from "../../fixtures/bundle.ts";
import { otherEngine } from "../../fixtures/fhe-leg.ts";
import {
  AUCTION_DIGEST,
  type AuctionChanges,
  auctionIn,
  compressed,
  configurationFor,
  holderFor,
  listOf,
  newFolder,
  OTHER_NONCE,
  type TestHolder,
} from "../../fixtures/reveal.ts";
import { createWorld, type World } from "../../fixtures/world.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
});

/** Code of a refusal, with that of the bundle's verdict where there is one. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "revealed";
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    const { verdict } = error.details;
    return verdict === undefined ? error.code : `${error.code} ${String(verdict)}`;
  }
}

/** The answer of a new holder to an auction; what was refused was not decrypted, and is not kept. */
async function answerTo(change: AuctionChanges, asked: Partial<Awaited<ReturnType<typeof auctionIn>>> = {}): Promise<string> {
  const holder = await holderFor(world);
  const code = await codeOf(holder.ask({ ...(await auctionIn(world, change)), ...asked }));
  if (code !== "revealed") expect([holder.decrypted, holder.record.size]).toEqual([[], 0]);
  return code;
}

describe("a key holder decrypts nothing", () => {
  it("of a program that its configuration does not name", async () => {
    const configuration = configurationFor(world, (plain) => ({
      ...plain,
      programs: [{ name: world.model.name, digest: digestOfJson("another program"), outputs: ["winner"] }],
    }));
    const holder = await holderFor(world, { configuration });
    expect(await codeOf(holder.ask(await auctionIn(world)))).toBe("FHE_REVEAL_BUNDLE TRUST_UNKNOWN_MODEL");
    expect(holder.decrypted).toEqual([]);
  });

  it("of an output that its configuration does not name, or that the program does not have", async () => {
    expect(await answerTo({}, { output: "price" })).toBe("FHE_REVEAL_OUTPUT");
    const configuration = configurationFor(world, (plain) => ({
      ...plain,
      programs: [{ name: world.model.name, digest: AUCTION_DIGEST, outputs: ["price"] }],
    }));
    const holder = await holderFor(world, { configuration });
    expect(await codeOf(holder.ask(await auctionIn(world)))).toBe("FHE_REVEAL_OUTPUT");
    expect(await codeOf(holder.ask({ ...(await auctionIn(world)), output: "price" }))).toBe("FHE_REVEAL_OUTPUT");
  });

  it("that another engine, or another build of it, claimed", async () => {
    expect(await answerTo({ fhe: { signer: otherEngine } })).toBe("FHE_REVEAL_BUNDLE FHE_ENGINE_UNKNOWN");
    const claim = (plain: Parameters<NonNullable<AuctionChanges["claim"]>>[0]) => ({
      ...plain,
      engine: { ...plain.engine, build: digestOfJson("another build") },
    });
    expect(await answerTo({ claim })).toBe("FHE_REVEAL_BUNDLE FHE_BUILD_UNKNOWN");
  });

  it("under another key set", async () => {
    const configuration = configurationFor(world, (plain) => ({ ...plain, keyId: "ab".repeat(32) }));
    const holder = await holderFor(world, { configuration });
    expect(await codeOf(holder.ask(await auctionIn(world)))).toBe("FHE_REVEAL_BUNDLE FHE_KEY_HOLDER_UNKNOWN");
  });

  it("without a proof that the receipt is in the log, or with one that no witness cosigned", async () => {
    const without: Changes = { parts: (made) => ({ ...made, log: new Map() }) };
    expect(await answerTo({ more: without })).toBe("FHE_REVEAL_BUNDLE LOG_INCLUSION_INVALID");
    expect(await answerTo({ more: { checkpoint: { receipt: { witnesses: [] } } } })).toMatch(/^FHE_REVEAL_BUNDLE LOG_/);
  });

  it("of another service", async () => {
    const other = await createWorld("beta", 30);
    const holder = await holderFor(world);
    expect(await codeOf(holder.ask(await auctionIn(other)))).toBe("FHE_REVEAL_BUNDLE TRUST_UNKNOWN_LOG");
  });

  it("but the bytes that the claim names", async () => {
    const bytes = compressed("winner");
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    expect(await answerTo({}, { ciphertext: bytes })).toBe("FHE_REVEAL_CIPHERTEXT");
    expect(await answerTo({}, { ciphertext: compressed("bid 0") })).toBe("FHE_REVEAL_CIPHERTEXT");
    expect(await answerTo({}, { ciphertext: new Uint8Array() })).toBe("FHE_REVEAL_CIPHERTEXT");
  });

  it("of a run document that was not the submitted one, or that the claim is not about", async () => {
    const { run } = await auctionIn(world, { nonce: OTHER_NONCE });
    expect(await answerTo({}, { run })).toBe("FHE_REVEAL_RUN");
    expect(await answerTo({}, { run: new Uint8Array() })).toBe("FHE_REVEAL_RUN");
    expect(await answerTo({ run: (plain) => ({ ...plain, nonce: OTHER_NONCE }) })).toBe("FHE_REVEAL_RUN");
    expect(await answerTo({ run: (plain) => ({ ...plain, keyId: "ab".repeat(32) }) })).toBe("FHE_REVEAL_RUN");
    expect(await answerTo({ run: (plain) => ({ ...plain, lists: ["AAAA"] }) })).toBe("FORMAT_INVALID");
  });

  const handle = "aa".repeat(32);
  /** The inputs, with a balance in place of the first bid; output handles follow. */
  const withBalance = (plain: Parameters<NonNullable<AuctionChanges["claim"]>>[0]) => {
    const inputs = plain.inputs.map((input, at) => (at === 0 && !("clear" in input) ? { ...input, handle } : input));
    const named = inputs.map((input) =>
      "clear" in input ? { clear: input.clear } : input.handle === null ? { digest: input.digest } : { handle: input.handle },
    );
    const { programDigest, keyId, binding } = plain;
    const outputs = plain.outputs.map((made) => ({
      ...made,
      handle: handleOf({ programDigest, inputs: named, keyId, nonce: binding.nonce, output: made.n }),
    }));
    return { ...plain, inputs, outputs };
  };

  it("of an allow-listed program over somebody's balance, by handle or by account", async () => {
    const withHandle = (plain: object) => ({ ...plain, inputs: { ...inputsOf(plain), bid0: { handle } }, lists: lists(1, 2) });
    expect(await answerTo({ run: withHandle, claim: withBalance, lists: [listOf(1), listOf(2)] })).toBe("FHE_REVEAL_INPUT");
    const withAccount = (plain: object) => ({
      ...plain,
      inputs: { ...inputsOf(plain), bid0: { account: "alice" } },
      lists: lists(1, 2),
    });
    const reading = (plain: Parameters<typeof withBalance>[0]) => ({
      ...withBalance(plain),
      reads: [{ account: "alice", version: 4, handle }],
    });
    expect(await answerTo({ run: withAccount, claim: reading, lists: [listOf(1), listOf(2)] })).toBe("FHE_REVEAL_INPUT");
  });

  it("of a homomorphic copy of a secret that was submitted as a fresh ciphertext, also where the claim does not show it", async () => {
    const copied = { ciphertext: encodeBase64(compressed("a copy of a balance")) };
    const run = (plain: object) => ({ ...plain, inputs: { bid0: copied, bid1: copied, bid2: copied }, lists: [] });
    expect(await answerTo({ run, lists: [] })).toBe("FHE_REVEAL_INPUT");
    const one = (plain: object) => ({ ...plain, inputs: { ...inputsOf(plain), bid0: copied }, lists: lists(1, 2) });
    expect(await answerTo({ run: one, lists: [listOf(1), listOf(2)] })).toBe("FHE_REVEAL_INPUT");
  });

  it("of lists that the claim does not name, or of a run that writes", async () => {
    expect(await answerTo({ claim: (plain) => ({ ...plain, lists: plain.lists.slice(1) }) })).toBe("FHE_REVEAL_INPUT");
    expect(await answerTo({ claim: (plain) => ({ ...plain, lists: plain.lists.toReversed() }) })).toBe("FHE_REVEAL_INPUT");
    expect(await answerTo({ run: (plain) => ({ ...plain, writes: { winner: "alice" } }) })).toBe("FHE_REVEAL_INPUT");
  });

  const inputsOf = (plain: object) => {
    const { inputs } = plain as { inputs: Record<string, object> };
    return { ...inputs, bid1: { list: 0, index: 0 }, bid2: { list: 1, index: 0 } };
  };
  const lists = (...bidders: readonly number[]) => bidders.map((bidder) => encodeBase64(listOf(bidder)));

  it("for a body that is no request", async () => {
    const { holder } = await holderFor(world);
    const whole = encodeRevealRequest(await auctionIn(world));
    const never = new AbortController().signal;
    const bodies = [
      new Uint8Array(),
      whole.subarray(0, whole.length - 1),
      whole.subarray(1),
      new TextEncoder().encode('{"v":1}'),
      new Uint8Array(MAX_REVEAL_REQUEST_BYTES + 1),
    ];
    for (const body of bodies) expect(await codeOf(holder.reveal(body, never))).toBe("FORMAT_INVALID");
    expect(await answerTo({}, { bundle: new TextEncoder().encode("{}") })).toBe("FHE_REVEAL_BUNDLE BUNDLE_MALFORMED");
    expect(await answerTo({}, { bundle: new Uint8Array(4 * 1024 * 1024 + 16) })).toBe("FORMAT_INVALID");
  });

  it("for a caller that is gone", async () => {
    const holder = await holderFor(world);
    const gone = AbortSignal.abort();
    await expect(holder.holder.reveal(encodeRevealRequest(await auctionIn(world)), gone)).rejects.toThrow();
    expect(holder.record.size).toBe(0);
  });
});

describe("a key holder reveals an auction once", () => {
  const ask = async (holder: TestHolder, change: AuctionChanges = {}) => codeOf(holder.ask(await auctionIn(world, change)));

  it("and gives the same statement again, whoever asks", async () => {
    const holder = await holderFor(world);
    const request = await auctionIn(world);
    const [first, second] = await Promise.all([holder.ask(request), holder.ask(request)]);
    expect(parseReveal(second).statement).toEqual(parseReveal(first).statement);
    expect([holder.record.size, parseReveal(first).statement.value]).toEqual([1, "1"]);
  });

  it("and no second run under its challenge", async () => {
    const holder = await holderFor(world);
    expect(await ask(holder)).toBe("revealed");
    const others = { lists: [3, 4, 5].map((bidder) => listOf(bidder)), bids: ["x", "y", "z"] };
    expect(await ask(holder, others)).toBe("FHE_REVEAL_REPEATED");
    expect([holder.record.size, holder.decrypted.length]).toEqual([1, 1]);
  });

  it("and no run that shares a list or a bid with it, under whatever challenge", async () => {
    const holder = await holderFor(world);
    expect(await ask(holder)).toBe("revealed");
    const oneList = { nonce: OTHER_NONCE, lists: [listOf(7), listOf(8), listOf(2)], bids: ["x", "y", "z"] };
    expect(await ask(holder, oneList)).toBe("FHE_REVEAL_REPEATED");
    const oneBid = { nonce: OTHER_NONCE, lists: [listOf(7), listOf(8), listOf(9)], bids: ["x", "bid 2", "z"] };
    expect(await ask(holder, oneBid)).toBe("FHE_REVEAL_REPEATED");
    const another = { nonce: OTHER_NONCE, lists: [listOf(7), listOf(8), listOf(9)], bids: ["x", "y", "z"] };
    expect(await ask(holder, another)).toBe("revealed");
    expect(holder.record.size).toBe(2);
  });

  it("of two that come at once, one", async () => {
    const holder = await holderFor(world);
    const other = { lists: [listOf(7), listOf(8), listOf(9)], bids: ["x", "y", "z"] };
    const answers = await Promise.all([ask(holder), ask(holder, other)]);
    expect(answers.toSorted()).toEqual(["FHE_REVEAL_REPEATED", "revealed"]);
    expect(holder.record.size).toBe(1);
  });

  it("after a death between record and answer: the same run again, and no other", async () => {
    const folder = await newFolder();
    const dead = await holderFor(world, { folder, decrypt: () => Promise.reject(new Error("killed")) });
    await expect(dead.ask(await auctionIn(world))).rejects.toThrow("killed");
    await dead.record.close();
    const next = await holderFor(world, { folder });
    const other = { lists: [listOf(7), listOf(8), listOf(9)], bids: ["x", "y", "z"] };
    expect(await ask(next, other)).toBe("FHE_REVEAL_REPEATED");
    const { statement } = parseReveal(await next.ask(await auctionIn(world)));
    expect([statement.sequence, statement.value, next.record.size]).toEqual([1, "1", 1]);
  });

  it("and not again under a changed configuration", async () => {
    const folder = await newFolder();
    const first = await holderFor(world, { folder });
    expect(await ask(first)).toBe("revealed");
    await first.record.close();
    const configuration = configurationFor(world, (plain) => ({
      ...plain,
      decryptsWith: digestOf(compressed("another program")),
    }));
    expect(await ask(await holderFor(world, { folder, configuration }))).toBe("FHE_REVEAL_REPEATED");
  });
});

describe("the record of what was revealed", () => {
  const revealed = async () => {
    const folder = await newFolder();
    const holder = await holderFor(world, { folder });
    await holder.ask(await auctionIn(world));
    await holder.ask(
      await auctionIn(world, { nonce: OTHER_NONCE, lists: [7, 8, 9].map((at) => listOf(at)), bids: ["x", "y", "z"] }),
    );
    await holder.record.close();
    return { folder, file: join(folder, "reveals") };
  };

  it("forgets a line that was never whole, and goes on", async () => {
    const { folder, file } = await revealed();
    await appendFile(file, '{"marks":["nonce');
    const record = await RevealRecord.open(nodeFiles, folder);
    await record.close();
    expect([record.size, (await readFile(file, "utf8")).endsWith("}\n")]).toEqual([2, true]);
  });

  it("refuses to start with a line missing, changed or of another place", async () => {
    const { folder, file } = await revealed();
    const text = await readFile(file, "utf8");
    const [first = "", second = ""] = text.split("\n");
    const damaged = [
      `${second}\n`,
      `${second}\n${first}\n`,
      text.replace('"output":"winner"', '"output":"price"'),
      `${text}\n`,
      `${text}${first}\n`,
    ];
    for (const content of damaged) {
      await writeFile(file, content);
      await expect(RevealRecord.open(nodeFiles, folder)).rejects.toThrow(expect.objectContaining({ code: "LOG_CORRUPT" }));
    }
    // A file that was cut back to its first line is one that was never longer, to whoever has nothing else: statements show it.
    await writeFile(file, `${first}\n`);
    const record = await RevealRecord.open(nodeFiles, folder);
    expect(record.size).toBe(1);
    await record.close();
  });

  it("is kept before anything is decrypted, or nothing is decrypted", async () => {
    const folder = await newFolder();
    const failing = {
      ...nodeFiles,
      openAppend: async (path: string) => ({
        ...(await nodeFiles.openAppend(path)),
        append: () => Promise.reject(new Error("disk full")),
      }),
    };
    const record = await RevealRecord.open(failing, folder);
    const permitted = { claim: digestOfJson("a claim"), output: "winner" } as never;
    expect(await codeOf(record.decide(permitted, [], 1 as never))).toBe("STORE_UNAVAILABLE");
    expect(await codeOf(record.decide(permitted, [], 1 as never))).toBe("STORE_UNAVAILABLE");
    expect(record.size).toBe(0);
    await record.close();
  });
});
