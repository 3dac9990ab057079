/** A gateway that holds its own keys and no others cannot make the verifier say something false. */
import { beforeAll, describe, expect, it } from "vitest";
import { answerOf, createScene, mount, type Scene, wanted } from "../fixtures/attack.ts";
import * as attacks from "./gateway-attacks.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

const groups = {
  "a spliced leg": attacks.splicedLegs,
  "a false decision": attacks.falseDecisions,
  "a false backend": attacks.falseBackends,
  "a policy out of force": attacks.oldPolicies,
  "false evidence": attacks.falseEvidence,
  "a false gateway": attacks.falseGateways,
  "a false log": attacks.falseLogs,
  "a false story": attacks.falseStories,
  "a pending leg": attacks.pendingLegs,
  "stray parts": attacks.strayParts,
};

for (const [name, list] of Object.entries(groups)) {
  describe(`${name}: a bundle`, () => {
    for (const attack of list) {
      it(`${attack.name} is refused`, async () => {
        expect(answerOf(await mount(attack, scene))).toEqual(wanted(attack));
      });
    }
  });
}
