/** Bundles that nobody spoiled: the verifier accepts every kind, or the other suites would prove nothing. */
import { beforeAll, describe, expect, it } from "vitest";
import { buildBundle, KINDS } from "../fixtures/bundle.ts";
import { failedChecks, judge, judgeChanged } from "../fixtures/verdict.ts";
import { at, createWorld, trustOf, type World } from "../fixtures/world.ts";
import { SECOND_LOG, sessionInSecondLog } from "./record-attacks.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

describe("an honest bundle", () => {
  for (const kind of KINDS) {
    it(`of kind ${kind} is accepted`, async () => {
      const verdict = await judgeChanged(world, { kind });
      expect(failedChecks(verdict)).toEqual([]);
      expect(verdict).toMatchObject({ outcome: "accepted", code: null, service: "alpha" });
    });
  }

  it("is accepted with its session in another log of the service, seen there before the receipt", async () => {
    const built = await buildBundle(world, { parts: sessionInSecondLog(world, at(3)) });
    const trust = trustOf(world, (entry) => void entry.logs.push({ origin: SECOND_LOG, publicKey: world.logSigner.publicKey }));
    expect(failedChecks(await judge(built.bundle, trust))).toEqual([]);
  });

  it("is accepted with its exchange shown, on the wire or opened", async () => {
    for (const kind of ["gateway-sealed", "caller-sealed"] as const) {
      const built = await buildBundle(world, { kind });
      for (const form of ["wire", "opened"] as const) {
        const shown = { request: built.request[form], response: built.response[form] };
        expect((await judge(built.bundle, trustOf(world), shown)).code).toBeNull();
      }
    }
  });
});
