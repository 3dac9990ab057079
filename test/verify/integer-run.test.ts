/** What an auditor learns of an honest integer run, by what is shown to it. */
import { beforeAll, describe, expect, it } from "vitest";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { createBundleVerifier, type Verdict, type VerifyOptions } from "../../src/verify/index.ts";
import { type Built, buildBundle, type Changes } from "../fixtures/bundle.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import { PLAIN } from "../fixtures/verdict.ts";
import { createWorld, trustOf, type World } from "../fixtures/world.ts";
import { committedRun } from "./integer-attacks.ts";
import { commitment, integerRun, OUTPUTS, opening, trustInteger } from "./integer-run.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

async function judged(changes: Changes, options: (built: Built) => Partial<VerifyOptions>): Promise<Verdict> {
  const built = await buildBundle(world, changes);
  return createBundleVerifier([teeAppraiser, echo])(built.bundle, trustOf(world, trustInteger), { ...PLAIN, ...options(built) });
}

const exchangeOf = ({ request, response }: Built) => ({ request: request.opened, response: response.opened });

function statuses({ checks }: Verdict): readonly (string | undefined)[] {
  return ["exchange.input-opens", "exchange.outputs-match"].map((id) => checks.find((check) => check.id === id)?.status);
}

function committedClaim({ claims }: Verdict): string | undefined {
  return claims.find(({ text }) => text.includes("for a committed input"))?.text;
}

describe("an integer run", () => {
  it("says that nothing ties it to an exchange where nothing is shown", async () => {
    const verdict = await judged(integerRun(), () => ({}));
    expect(verdict.outcome).toBe("accepted");
    expect(statuses(verdict)).toEqual(["skipped", "skipped"]);
    expect(committedClaim(verdict)).toBe(
      "signed for a committed input and stated outputs; that they are those of this exchange was not checked",
    );
  });

  it.each([
    ["with the outputs in its leg", integerRun()],
    ["with a commitment to them", committedRun],
    ["sealed by the caller", { ...committedRun, kind: "caller-sealed" as const }],
  ])("%s is tied to request and response by salt and model", async (_name, changes) => {
    const verdict = await judged(changes, (built) => ({ ...exchangeOf(built), opening }));
    expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
    expect(statuses(verdict)).toEqual(["pass", "pass"]);
    expect(committedClaim(verdict)).toContain("they are those of the exchange that you showed");
  });

  it("is not opened without salt, without the model, or by sealed bytes, and each verdict says so", async () => {
    const noModel = { ...opening, model: async () => null };
    const sealed = { ...committedRun, kind: "caller-sealed" as const };
    expect(statuses(await judged(integerRun(), exchangeOf))).toEqual(["skipped", "pass"]);
    expect(statuses(await judged(committedRun, exchangeOf))).toEqual(["skipped", "skipped"]);
    expect(statuses(await judged(committedRun, (built) => ({ ...exchangeOf(built), opening: noModel })))).toEqual([
      "skipped",
      "pass",
    ]);
    const wire = await judged(sealed, ({ request, response }) => ({ request: request.wire, response: response.wire, opening }));
    expect(wire.outcome).toBe("accepted");
    expect(statuses(wire)).toEqual(["skipped", "skipped"]);
  });

  it("agrees with a second leg that states the same input and outputs", async () => {
    const claims = { inputCommitment: commitment, outputs: [...OUTPUTS] };
    expect((await judged(withEcho(claims, integerRun()), () => ({}))).code).toBeNull();
  });

  it("agrees with a leg that states what it commits to, where the salt is shown", async () => {
    const claims = { inputCommitment: commitment, outputs: [...OUTPUTS] };
    expect((await judged(withEcho(claims, committedRun), () => ({ opening }))).code).toBeNull();
  });
});
