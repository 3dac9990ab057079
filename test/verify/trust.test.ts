/** An attacker's own well-formed bundle is refused for every entry that the trust file lacks or withdrew. */
import { beforeAll, describe, expect, it } from "vitest";
import { EMPTY_TRUST } from "../../src/verify/index.ts";
import { answerOf, createScene, mount, type Scene, wanted } from "../fixtures/attack.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { judge } from "../fixtures/verdict.ts";
import { serviceEntry, trustIn, trustOf } from "../fixtures/world.ts";
import { crossedEntries, missingEntries, revokedEntries } from "./trust-attacks.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

describe("a bundle", () => {
  for (const attack of [...missingEntries, ...revokedEntries, ...crossedEntries]) {
    it(`${attack.name} is refused`, async () => {
      expect(answerOf(await mount(attack, scene))).toEqual(wanted(attack));
    });
  }

  it("of a whole other service is refused, however well it fits itself", async () => {
    const { bundle } = await buildBundle(scene.other);
    expect(await judge(bundle, trustOf(scene.other))).toMatchObject({ outcome: "accepted", service: "beta" });
    expect(await judge(bundle, trustOf(scene.world))).toMatchObject({ outcome: "rejected", code: "TRUST_UNKNOWN_LOG" });
    expect(await judge(bundle, EMPTY_TRUST)).toMatchObject({ outcome: "rejected", code: "TRUST_UNKNOWN_LOG", claims: [] });
  });

  it("is accepted under a trust file that names other services beside its own", async () => {
    const trust = trustIn(serviceEntry(scene.other), serviceEntry(scene.world));
    expect(await judge(scene.honest.bundle, trust)).toMatchObject({ outcome: "accepted", service: "alpha" });
  });

  it("repeats the reason of every weak entry that it relied on", async () => {
    const { waivers } = await judge(scene.honest.bundle, trustOf(scene.world));
    expect(waivers.map(({ entry }) => entry).sort()).toEqual([
      "development mode",
      "gateway attestation triseal-none",
      "paths.tee.evidence.0",
      "witness witness.alpha.test",
    ]);
  });
});
