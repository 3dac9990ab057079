/** What an accepted bundle is said to support: no line says more than was checked. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Claim } from "../../src/verify/index.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { withCallerProof } from "../fixtures/caller-proof.ts";
import { judge, judgeChanged } from "../fixtures/verdict.ts";
import { at, createWorld, trustOf, type World } from "../fixtures/world.ts";
import { trustZk } from "../fixtures/zk-leg.ts";
import { allowedPending } from "./leg-attacks.ts";
import { supplemented } from "./supplement-attacks.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

async function claimsOf(changes: Changes, now = at(1000), allowPending = false): Promise<readonly Claim[]> {
  const verdict = await judgeChanged(world, changes, { now, allowPending });
  expect(verdict.outcome).toBe("accepted");
  return verdict.claims;
}

function textsAbout(claims: readonly Claim[], about: Claim["about"]): readonly string[] {
  return claims.filter((claim) => claim.about === about).map(({ text }) => text);
}

describe("the claims of a verdict", () => {
  it("rest on no more than an assertion where evidence is simulated", async () => {
    const claims = await claimsOf({});
    const weak = claims.filter(({ about }) => about === "answer" || about === "input" || about === "confidentiality");
    expect(weak.map(({ basis }) => basis)).toEqual(["assertion", "assertion", "assertion"]);
  });

  it("never rest on attestation or proof here, whatever happened", async () => {
    for (const kind of ["gateway-sealed", "caller-sealed", "denied", "refused-before-policy", "lost-after-forwarding"] as const) {
      for (const { basis } of await claimsOf({ kind })) expect(["signature", "assertion"]).toContain(basis);
    }
  });

  it("name every origin of the facts that policy read, the operator's claims about its backends among them", async () => {
    const [, origins] = textsAbout(await claimsOf({}), "policy");
    expect(origins).toContain("caller, claim, evidence, gateway");
  });

  it("say of a caller's own proof that the input stayed with the caller, and claim to know no input", async () => {
    const { bundle } = await buildBundle(world, withCallerProof());
    const { outcome, claims, checks } = await judge(bundle, trustOf(world, trustZk));
    expect(outcome).toBe("accepted");
    expect(textsAbout(claims, "confidentiality")).toEqual([
      "the gateway saw what the caller submitted and its answer in the clear; the input never left the caller: what it submitted is in the bundle, a salted commitment, the outputs and a proof",
    ]);
    expect(textsAbout(claims, "input")[1]).toContain("which input the caller took is known to the caller alone");
    expect(checks.find(({ id }) => id === "exchange.input-opens")?.status).toBe("skipped");
  });

  it("say that the gateway saw what the caller did not seal", async () => {
    expect(textsAbout(await claimsOf({ kind: "gateway-sealed" }), "confidentiality")[0]).toContain(
      "saw request and answer in the clear",
    );
    expect(textsAbout(await claimsOf({ kind: "caller-sealed" }), "confidentiality")[0]).toContain(
      "is known only to whoever has the exchange",
    );
  });

  it("say of a pending leg that nothing supports it yet", async () => {
    const claims = await claimsOf(allowedPending, at(500), true);
    expect(textsAbout(claims, "answer")).toHaveLength(1);
    expect(textsAbout(claims, "answer")[0]).toMatch(/pending until .*: nothing supports/);
    expect(textsAbout(claims, "input")).toEqual([]);
  });

  it("say nothing of waiting once a supplement brought the leg, whoever asks when", async () => {
    for (const now of [at(500), at(1000)]) {
      const claims = await claimsOf(supplemented({}), now);
      expect(textsAbout(claims, "answer")).toEqual([expect.stringContaining("the tee leg says")]);
    }
  });

  it("say that the content was not shown, unless both bodies were", async () => {
    const built = await buildBundle(world);
    const half = await judge(built.bundle, trustOf(world), { request: built.request.wire });
    expect(textsAbout(half.claims, "input")[0]).toContain("content not shown");
    const whole = await judge(built.bundle, trustOf(world), { request: built.request.wire, response: built.response.wire });
    expect(textsAbout(whole.claims, "input")[0]).toContain("that you showed");
  });

  it("call the time the operator's word where no witness is trusted", async () => {
    const trust = trustOf(world, (entry) => void Object.assign(entry, { witnesses: { accept: "none", because: "a test" } }));
    const none = { witnesses: [] };
    const { bundle } = await buildBundle(world, { checkpoint: { receipt: none, session: none, policy: none } });
    const verdict = await judge(bundle, trust);
    expect(verdict.outcome).toBe("accepted");
    expect(verdict.judgedAt?.basis).toBe("assertion");
    expect(verdict.claims.find(({ about }) => about === "time")).toMatchObject({ basis: "assertion" });
  });

  it("give a time far beyond the calendar as a number", async () => {
    const trust = trustOf(world, (entry) => void Object.assign(entry, { witnesses: { accept: "none", because: "a test" } }));
    const { bundle } = await buildBundle(world, { servedAt: at(9e14) });
    await expect(judge(bundle, trust)).resolves.toMatchObject({ outcome: "rejected" });
  });
});
