/** A gateway that holds its own keys and no others cannot make the verifier say something false. */
import { beforeAll, describe, expect, it } from "vitest";
import { answerOf, createScene, mount, type Scene, wanted } from "../fixtures/attack.ts";
import { gatewayAttacks } from "./gateway-attacks.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

for (const [name, list] of Object.entries(gatewayAttacks)) {
  describe(`${name}: a bundle`, () => {
    for (const attack of list) {
      it(`${attack.name} is refused`, async () => {
        expect(answerOf(await mount(attack, scene))).toEqual(wanted(attack));
      });
    }
  });
}
