/** What a key holder said of a run, verified offline: every field of it, its evidence, and the trust file's entry. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeBase64 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import { canonicalJson, encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { encodeReveal, parseReveal, type Reveal, revealNonce, signReveal } from "../../src/paths/fhe/wire/reveal.ts";
import { parseHolderEvidence, workerFilesDigest } from "../../src/paths/tee/wire/keyset.ts";
import type { Trust } from "../../src/verify/index.ts";
import { verifyReveal } from "../../src/verify/verify-reveal.ts";
import { KEY_ID } from "../fixtures/fhe-leg.ts";
import {
  type Auction,
  auctionIn,
  configurationFor,
  HOLDER_NAME,
  holderFor,
  holderPlatform,
  OTHER_NONCE,
  trustHolder,
} from "../fixtures/reveal.ts";
import { testSigner } from "../fixtures/signer.ts";
import { createTestWorker, createWorld, NOW, serviceEntry, trustIn, type World } from "../fixtures/world.ts";
import { tamper } from "../tamper/tamper-walk.ts";

let world: World;
let auction: Auction;
let reveal: Uint8Array;
let trust: Trust;

const configuration = () => configurationFor(world);

beforeAll(async () => {
  world = await createWorld();
});

/** A holder needs a test to end with. */
async function prepare(): Promise<void> {
  if (auction !== undefined) return;
  auction = await auctionIn(world);
  reveal = await (await holderFor(world)).ask(auction);
  trust = trustHolder(world, configuration());
}

const judge = (bytes: Uint8Array = reveal, by: Trust = trust, bundle: Uint8Array = auction.bundle, now = NOW) =>
  verifyReveal(bytes, bundle, by, now);

const codeOf = async (...given: Parameters<typeof judge>) => {
  const { outcome, code, statement, claims, basis } = await judge(...given);
  if (outcome !== "accepted") expect([statement, claims, basis]).toEqual([null, [], null]);
  return code;
};

/** The reveal with changed parts, and whatever signature stands in it. */
const changed = (change: (parsed: Reveal) => Partial<Reveal>): Uint8Array => {
  const parsed = parseReveal(reveal);
  return encodeReveal({ ...parsed, ...change(parsed) });
};

describe("a reveal is refused", () => {
  it("where the trust file names no holder, names one by word alone, or names another configuration", async () => {
    await prepare();
    expect(await codeOf(reveal, trustIn(serviceEntry(world)))).not.toBe(null);
    const byWord = trustHolder(world, configuration(), ({ keyId, holder }) => ({ keyId: keyId ?? "", holder: holder ?? "" }));
    expect(await codeOf(reveal, byWord)).toBe("FHE_KEY_HOLDER_UNKNOWN");
    const other = configurationFor(world, (plain) => ({ ...plain, decryptsWith: digestOfJson("another program") }));
    expect(await codeOf(reveal, trustHolder(world, other))).toBe("FHE_KEY_HOLDER_UNKNOWN");
  });

  it("by a holder whose platform, build or keys the trust file does not accept", async () => {
    await prepare();
    const edit = (change: (attested: JsonObject) => JsonObject) =>
      trustHolder(world, configuration(), (plain) => ({ ...plain, attested: change(plain["attested"] as JsonObject) }));
    expect(
      await codeOf(
        reveal,
        edit((plain) => ({ ...plain, evidence: [] })),
      ),
    ).toBe("TRUST_SIMULATED");
    const platform = { type: "simulated", platformKeys: ["ab".repeat(32)], because: "a test" };
    expect(
      await codeOf(
        reveal,
        edit((plain) => ({ ...plain, evidence: [platform] })),
      ),
    ).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    expect(
      await codeOf(
        reveal,
        edit((plain) => ({ ...plain, workers: [] })),
      ),
    ).toBe("TRUST_UNKNOWN_WORKER");
    const revoked = trustHolder(world, configuration(), (plain, service) => {
      service.revoked.keys.push({ publicKey: parseReveal(reveal).publicKey, because: "a test" });
      return plain;
    });
    expect(await codeOf(reveal, revoked)).toBe("KEY_REVOKED");
  });

  it("with a trust file that cannot be read: nothing is accepted under it", async () => {
    await prepare();
    for (const attested of [{}, { configuration: "sha256:00", evidence: [], workers: [] }, { evidence: [], workers: [] }, null]) {
      const broken = trustHolder(world, configuration(), (plain) => ({ ...plain, attested }));
      expect(await codeOf(reveal, broken)).toBe("TRUST_FILE_INVALID");
    }
    const unknown = trustHolder(world, configuration(), (plain) => ({
      ...plain,
      attested: { ...(plain["attested"] as JsonObject), workers: "any" },
    }));
    expect(await codeOf(reveal, unknown)).toBe("TRUST_FILE_INVALID");
  });

  it("with the bundle of another run, or one that does not verify", async () => {
    await prepare();
    const other = await auctionIn(world, { nonce: OTHER_NONCE, bids: ["x", "y", "z"] });
    expect(await codeOf(reveal, trust, other.bundle)).toBe("FHE_REVEAL_INVALID");
    expect(await codeOf(reveal, trust, new Uint8Array())).toBe("BUNDLE_MALFORMED");
    const foreign = await auctionIn(await createWorld("beta", 30));
    expect(await codeOf(reveal, trust, foreign.bundle)).toBe("TRUST_UNKNOWN_LOG");
  });

  it("that says something else, under the old signature and under a new one", async () => {
    await prepare();
    const says = (more: Partial<Reveal["statement"]>) => changed(({ statement }) => ({ statement: { ...statement, ...more } }));
    expect(await codeOf(says({ value: "2" }))).toBe("FHE_REVEAL_SIGNATURE");
    expect(await codeOf(says({ receiptId: "rcpt-00" }))).toBe("FHE_REVEAL_INVALID");
    expect(await codeOf(says({ value: "9" }))).toBe("FHE_REVEAL_SIGNATURE");
    expect(await codeOf(changed(({ attestedAt }) => ({ attestedAt: (attestedAt + 1) as never })))).toBe("FHE_REVEAL_SIGNATURE");
    // Whoever makes a key of his own signs whatever he likes; the evidence names another.
    const forger = testSigner("forger", 99);
    const forged = changed(({ statement, attestedAt }) =>
      signReveal({ statement: { ...statement, value: "2" }, attestedAt }, forger),
    );
    expect(await codeOf(forged)).toBe("FHE_REVEAL_KEY");
  });

  it("with evidence that is about another statement, another key or another configuration, or is a worker's", async () => {
    await prepare();
    const other = await (await holderFor(world)).ask(auction);
    expect(await codeOf(changed(() => ({ evidence: parseReveal(other).evidence })))).toBe("FHE_REVEAL_KEY");
    // The holder's own key, over two statements: the evidence of one is not that of the other.
    const holder = await holderFor(world);
    const next = await auctionIn(world, {
      nonce: OTHER_NONCE,
      lists: [4, 5, 6].map((at) => new Uint8Array([at])),
      bids: ["x", "y", "z"],
    });
    const [first, second] = [await holder.ask(auction), await holder.ask(next)].map(parseReveal);
    if (first === undefined || second === undefined) throw new Error("no reveals");
    expect(await codeOf(encodeReveal({ ...first, evidence: second.evidence }))).toBe("FHE_REVEAL_EVIDENCE");
    const { evidence } = await withEvidence("ab".repeat(32), [digestOfJson("a model")]);
    expect(await codeOf(changed(() => ({ evidence })))).toBe("EVIDENCE_MALFORMED");
  });

  it("by a holder that was measured with another rule than it shows", async () => {
    await prepare();
    const other = configurationFor(world, (plain) => ({ ...plain, decryptsWith: digestOfJson("another program") }));
    const lax = await (await holderFor(world, { configuration: other })).ask(auction);
    // What it shows is not what it was measured with.
    const shown = encodeReveal({ ...parseReveal(lax), configuration: configuration() });
    expect(await codeOf(shown)).toBe("FHE_REVEAL_CONFIGURATION");
  });

  it("of an output, program or engine that its configuration does not name, though all is signed", async () => {
    await prepare();
    const engines = [{ publicKey: "ab".repeat(32), builds: [digestOfJson("a build")] }];
    const other = configurationFor(world, (plain) => ({ ...plain, engines }));
    const { statement, ...rest } = parseReveal(reveal);
    const made = encodeReveal({ ...rest, statement, configuration: other });
    expect(await codeOf(made, trustHolder(world, other))).toBe("FHE_REVEAL_CONFIGURATION");
    const checks = (await judge(made, trustHolder(world, other))).checks
      .filter(({ status }) => status === "fail")
      .map(({ id }) => id);
    expect(checks).toContain("reveal.permitted");
  });

  it("that lies ahead of the auditor's clock", async () => {
    await prepare();
    const early = (NOW - 200) as typeof NOW;
    expect(await codeOf(reveal, trust, auction.bundle, early)).toBe("FHE_REVEAL_TIME");
  });

  it("in whatever place it is changed", async () => {
    await prepare();
    const original = JSON.parse(new TextDecoder().decode(reveal)) as JsonValue;
    const same = canonicalJson(original);
    const passed: string[] = [];
    let count = 0;
    for (const { place, document } of tamper(original)) {
      if (canonicalJson(document) === same) continue;
      count++;
      const { outcome } = await judge(encodeJcs(document)).catch(() => ({ outcome: "threw" }));
      if (outcome !== "rejected" && outcome !== "malformed") passed.push(`${place}: ${outcome}`);
    }
    expect(count).toBeGreaterThan(300);
    expect(passed).toEqual([]);
  }, 240_000);

  it("whatever is changed inside its evidence", async () => {
    await prepare();
    const { evidence } = parseReveal(reveal);
    const original = JSON.parse(new TextDecoder().decode(evidence)) as JsonValue;
    const same = canonicalJson(original);
    const passed: string[] = [];
    for (const { place, document } of tamper(original)) {
      if (canonicalJson(document) === same) continue;
      const { outcome } = await judge(changed(() => ({ evidence: encodeJcs(document) }))).catch(() => ({ outcome: "threw" }));
      if (outcome !== "rejected" && outcome !== "malformed") passed.push(`${place}: ${outcome}`);
    }
    expect(passed).toEqual([]);
  }, 240_000);
});

/** Evidence of a worker on the holder's platform. */
async function withEvidence(nonce: string, models: readonly ReturnType<typeof digestOfJson>[]) {
  const worker = await createTestWorker("key-holder", 61, holderPlatform, models);
  const evidence = worker.evidence({ statement: (plain) => ({ ...plain, nonce }) });
  return { evidence, digest: workerFilesDigest(worker.files) };
}

describe("a reveal is accepted", () => {
  it("with the holder's name, the value, and the weakest thing that it rests on", async () => {
    await prepare();
    const verdict = await judge();
    const { outcome, code, holder, basis, statement, claims, bundle } = verdict;
    expect([outcome, code, holder, basis, bundle.outcome]).toEqual(["accepted", null, HOLDER_NAME, "assertion", "accepted"]);
    expect(statement).toMatchObject({ keyId: KEY_ID, output: "winner", value: "1", type: "u2", sequence: 1 });
    expect(claims.map((claim) => [claim.about, claim.basis])).toEqual([
      ["answer", "assertion"],
      ["answer", "signature"],
      ["confidentiality", "assertion"],
    ]);
    expect(claims[0]?.text).toContain("no hardware vouches for it");
    const parsed = parseReveal(reveal);
    expect(parseHolderEvidence(parsed.evidence).statement.nonce).toBe(revealNonce(parsed));
  });

  it("years later: keys of a process need not live longer than its statement", async () => {
    await prepare();
    expect(await codeOf(reveal, trust, auction.bundle, (NOW + 10 * 365 * 86_400) as typeof NOW)).toBe(null);
  });

  it("and the bundle's own verdict names the holder that the trust file attests", async () => {
    await prepare();
    const { bundle } = await judge();
    expect(bundle.claims.find(({ about }) => about === "confidentiality")?.text).toContain(HOLDER_NAME);
    expect(encodeBase64(reveal).length).toBeGreaterThan(1000);
  });
});
