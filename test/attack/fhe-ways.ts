import { encodeBase64 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { makeBalanceKey, openBalance, sealBalance } from "../../src/paths/fhe/client/sealed-balance.ts";
import { historyOf } from "../../src/paths/fhe/evidence/history.ts";
import { claimOfBundle } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import type { Claim } from "../../src/paths/fhe/wire/claim.ts";
import { encodeReveal, parseReveal, signReveal } from "../../src/paths/fhe/wire/reveal.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import { verifyReveal } from "../../src/verify/verify-reveal.ts";
import type { Attack } from "../fixtures/attack.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { account, engine, type FheChanges, type FheEntry, otherEngine, PROGRAM, trustFhe, withFhe } from "../fixtures/fhe-leg.ts";
import { auctionIn, compressed, holderFor, listOf, OTHER_NONCE, trustHolder } from "../fixtures/reveal.ts";
import { testSigner } from "../fixtures/signer.ts";
import { NOW } from "../fixtures/world.ts";
import { forged, found, refused, type Way } from "./way.ts";

const stranger = digestOfJson("another");
const strange = "99".repeat(32);

interface Claimed {
  readonly fhe?: FheChanges;
  readonly more?: Changes;
  readonly section?: (section: FheEntry) => void;
  readonly options?: Attack["options"];
}

function claim(way: string, stop: string, code: string, { fhe, more, section, options }: Claimed): Way {
  const shown = options === undefined ? {} : { options };
  return forged("fhe", way, stop, code, {
    changes: () => withFhe(fhe, more),
    trust: (entry) => trustFhe(entry, section),
    ...shown,
  });
}

const changed = (change: (claim: Claim) => Claim): FheChanges => ({ claim: change });
const write = (name: string, change: Partial<Claim["writes"][number]>): FheChanges =>
  changed((made) => ({ ...made, writes: made.writes.map((one) => (one.account === name ? { ...one, ...change } : one)) }));
const input = (name: string, change: object): FheChanges =>
  changed((made) => ({
    ...made,
    inputs: made.inputs.map((one) => (one.n === name ? { ...one, ...change } : one)) as Claim["inputs"],
  }));

const engines: readonly Way[] = [
  claim("own engine, which signs what nobody ran", "fhe.engine-accepted", "FHE_ENGINE_UNKNOWN", { fhe: { signer: otherEngine } }),
  claim("own engine under the key of the trusted one", "fhe.claim-signed", "FHE_CLAIM_INVALID", {
    fhe: { signer: otherEngine, ...changed((made) => ({ ...made, engine: { ...made.engine, key: engine.publicKey } })) },
  }),
  claim("a build of the engine that nobody accepted", "fhe.build-accepted", "FHE_BUILD_UNKNOWN", {
    fhe: changed((made) => ({ ...made, engine: { ...made.engine, build: stranger } })),
  }),
  claim("a server key of the adversary's, whose holder reads everything", "fhe.key-holder-named", "FHE_KEY_HOLDER_UNKNOWN", {
    section: (section) => {
      section.keys = [{ keyId: strange, holder: "somebody" }];
    },
  }),
];

const runs: readonly Way[] = [
  claim("a program of the adversary's, which the trust file does not name", "fhe.program-accepted", "TRUST_UNKNOWN_MODEL", {
    section: (section) => {
      section.programs = [{ name: "risk", digest: stranger }];
    },
  }),
  claim("another circuit than the program compiles to", "fhe.circuit-recompiled", "FHE_CIRCUIT_MISMATCH", {
    fhe: changed((made) => ({ ...made, circuitDigest: stranger })),
  }),
  claim("fewer bootstraps than the circuit has, as of a run that was cut short", "fhe.price-recomputed", "FHE_PRICE_MISMATCH", {
    fhe: changed((made) => ({ ...made, pbs: made.pbs - 1 })),
  }),
  claim("a seed that was chosen, so that a run repeats an earlier one", "fhe.seed-derived", "FHE_SEED_MISMATCH", {
    fhe: changed((made) => ({ ...made, seed: strange })),
  }),
  claim(
    "another clear input than the caller gave: the circuit is compiled with it",
    "fhe.circuit-recompiled",
    "FHE_CIRCUIT_MISMATCH",
    {
      fhe: input("fee", { clear: "6" }),
    },
  ),
  claim("another request's claim under this decision", "binding.facts", "BINDING_FACTS_MISMATCH", {
    fhe: changed((made) => ({ ...made, factsDigest: stranger })),
  }),
  claim(
    "a ciphertext that was swapped for another after the run, where the run is executed again",
    "fhe.re-executed",
    "FHE_REPLAY_MISMATCH",
    {
      options: (_, built) => {
        const { claim: made } = claimOfBundle(parseBundle(built.bundle)) ?? { claim: null };
        if (made === null) throw new Error("the bundle has no claim");
        const given = made.inputs.flatMap((one) => ("clear" in one ? [] : [one.digest]));
        const outputs = made.outputs.map(() => stranger);
        const ran = { seed: made.seed, circuitDigest: made.circuitDigest, inputs: given, outputs };
        return { programs: new Map([["fhe", new Map([[PROGRAM, ran]])]]) };
      },
    },
  ),
];

const accounts: readonly Way[] = [
  claim("another tenant's ciphertext as an input of one's own", "fhe.handles-derived", "FHE_HANDLE_MISMATCH", {
    fhe: input("amount", { handle: strange }),
  }),
  claim("another tenant's account, opened by its real document", "fhe.account-opened", "FHE_ACCOUNT_MISMATCH", {
    fhe: { account: { tenant: "other" } },
  }),
  claim("another tenant's asset, in which is minted", "fhe.account-opened", "FHE_ACCOUNT_MISMATCH", {
    fhe: { asset: { tenant: "other" } },
  }),
  claim("the wrong account: what came of one state is written to another account", "fhe.account-opened", "FHE_ACCOUNT_MISMATCH", {
    fhe: { account: { account: "mallory" } },
  }),
  claim("one output as the new state of two accounts", "fhe.state-linked", "FHE_STATE_MISMATCH", {
    fhe: changed((made) => {
      const [paid] = made.outputs;
      const same = { handle: paid?.handle ?? null, digest: paid?.digest ?? null };
      return { ...made, writes: made.writes.map((one) => (one.account === "bob" ? { ...one, ...same } : one)) };
    }),
  }),
  claim("a version that was skipped, and with it a payment", "fhe.state-linked", "FHE_STATE_MISMATCH", {
    fhe: write("alice", { version: 6 }),
  }),
  claim("a state that was read and did not go in", "fhe.state-linked", "FHE_STATE_MISMATCH", {
    fhe: changed((made) => ({ ...made, reads: [...made.reads, { account: "carol", version: 2, handle: strange }] })),
  }),
  claim("more minted than the asset's cap", "fhe.account-opened", "FHE_ACCOUNT_MISMATCH", { fhe: { asset: { cap: "699" } } }),
  claim("a program that the account's owner did not permit", "fhe.account-opened", "FHE_ACCOUNT_MISMATCH", {
    fhe: { account: { acl: { ...account.acl, programs: [stranger] } } },
  }),
  claim("a run that policy took for a computation of the service", "decision.submission", "DECISION_SUBMISSION_MISMATCH", {
    fhe: { submits: null },
  }),
  found("fhe", "two histories of one account, each with verified receipts", "historyOf", "STATE_FORKED", async ({ world }) => {
    const claims = await Promise.all(
      ["1", "2"].map(async (digit) => {
        const { bundle, receipt } = await buildBundle(world, withFhe({}, { nonce: digit.repeat(32) }));
        const made = claimOfBundle(parseBundle(bundle));
        return made === null ? [] : [{ receiptId: receipt.receipt_id, claim: made.claim, opened: [] }];
      }),
    );
    return historyOf("bob", claims.flat()).forks.length > 0 ? "STATE_FORKED" : null;
  }),
];

const holder = testSigner("holder", 91);

const statements: readonly Way[] = [
  refused(
    "fhe",
    "a balance statement that somebody else than the key's holder signed",
    "openBalance",
    "FHE_STATEMENT_INVALID",
    async () => {
      const mine = await makeBalanceKey();
      await openBalance(await sealBalance(balanceTo(mine.publicKey), testSigner("mallory", 92)), mine, holder.publicKey);
    },
  ),
  refused("fhe", "a balance statement that was made for another reader", "openBalance", "FHE_STATEMENT_INVALID", async () => {
    const [mine, theirs] = [await makeBalanceKey(), await makeBalanceKey()];
    await openBalance(
      await sealBalance(balanceTo(theirs.publicKey), holder),
      { ...mine, publicKey: theirs.publicKey },
      holder.publicKey,
    );
  }),
];

function balanceTo(to: string) {
  return {
    keyId: "11".repeat(32),
    account: "alice",
    version: 3,
    handle: "22".repeat(32),
    digest: stranger,
    type: "u64" as const,
    value: "1250",
    receiptId: "rcpt-1",
    to,
    issuedAt: unixSeconds(5),
  };
}

/** Of a key holder that reveals an auction's result. */
const reveals: readonly Way[] = [
  refused(
    "fhe",
    "an allow-listed run over a copy of somebody's secret, for a key holder to decrypt",
    "permittedReveal",
    "FHE_REVEAL_INPUT",
    async ({ world }) => {
      const copy = { ciphertext: encodeBase64(compressed("a copy of a balance")) };
      const run = (plain: JsonObject) => ({ ...plain, inputs: { bid0: copy, bid1: copy, bid2: copy }, lists: [] });
      await (await holderFor(world)).ask(await auctionIn(world, { run, lists: [] }));
    },
  ),
  refused("fhe", "another run over a bid of a revealed auction", "RevealRecord", "FHE_REVEAL_REPEATED", async ({ world }) => {
    const holder = await holderFor(world);
    await holder.ask(await auctionIn(world));
    const lists = [listOf(7), listOf(8), listOf(9)];
    await holder.ask(await auctionIn(world, { nonce: OTHER_NONCE, lists, bids: ["mine", "bid 1", "mine too"] }));
  }),
  found(
    "fhe",
    "a result that no key holder said, under a key of one's own",
    "reveal.key-attested",
    "FHE_REVEAL_KEY",
    async ({ world }) => {
      const { configuration, ask } = await holderFor(world);
      const auction = await auctionIn(world);
      const { statement, attestedAt, ...shown } = parseReveal(await ask(auction));
      const said = signReveal({ statement: { ...statement, value: "2" }, attestedAt }, testSigner("mallory", 92));
      const forged = encodeReveal({ ...shown, ...said });
      return (await verifyReveal(forged, auction.bundle, trustHolder(world, configuration), NOW)).code;
    },
  ),
];

/** All of them. */
export const fheWays: readonly Way[] = [...engines, ...runs, ...accounts, ...statements, ...reveals];
