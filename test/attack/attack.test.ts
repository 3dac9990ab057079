/** Every way of the adversary's list ends in a no, at the place and with the code that its title names. */
import { beforeAll, describe, expect, it } from "vitest";
import { createScene, type Scene } from "../fixtures/attack.ts";
import { rowOf } from "./way.ts";
import { ways } from "./ways.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

describe("an adversary", () => {
  for (const [index, way] of ways.entries()) {
    it(`${index + 1} | ${rowOf(way)}`, async () => {
      expect(await way.tried(scene)).toEqual({ said: "no", stop: way.stop, code: way.code });
    });
  }
});
