import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { nodeSuites } from "../../../src/paths/tee/sealing/node-suite.ts";
import { openRequest, parseEnvelope, sealRequest } from "../../../src/paths/tee/wire/envelope.ts";
import {
  makeSealKey,
  portableSuites,
  publicSealKey,
  SEAL_ALGORITHMS,
  type SealKeyPair,
} from "../../../src/paths/tee/wire/seal-suite.ts";

const implementations = { portable: portableSuites, node: nodeSuites };
const names = fc.constantFrom("portable" as const, "node" as const);
const keys = new Map<string, SealKeyPair>();

beforeAll(async () => {
  for (const algo of SEAL_ALGORITHMS) {
    for (const [name, suites] of Object.entries(implementations)) {
      keys.set(`${algo} ${name}`, await makeSealKey("seal-1", algo, suites));
    }
  }
});

describe.each(SEAL_ALGORITHMS)("any request sealed to %s", (algo) => {
  it("opens to the same bytes, and so does its answer, whichever implementation stands at either end", async () => {
    const bytes = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, names, names, async (request, answer, sender, recipient) => {
        const pair = keys.get(`${algo} ${recipient}`);
        if (pair === undefined) throw new Error("no key");
        const head = { model: "m", keysetDigest: digestOf(answer), facts: {}, exp: unixSeconds(1) };
        const sealed = await sealRequest(head, publicSealKey(pair), request, implementations[sender]);
        const opened = await openRequest(parseEnvelope(sealed.body), [pair]);
        expect(opened.plaintext).toEqual(request);
        expect(await sealed.openResponse(await opened.sealResponse(answer))).toEqual(answer);
      }),
      { numRuns: 30 },
    );
  });

  it("opens no more once any one bit of key, ciphertext or encapsulation changed", async () => {
    const pair = keys.get(`${algo} node`);
    if (pair === undefined) throw new Error("no key");
    const head = { model: "m", keysetDigest: digestOf(new Uint8Array(1)), facts: {}, exp: unixSeconds(1) };
    const sealed = await sealRequest(head, publicSealKey(pair), new Uint8Array(100), nodeSuites);
    const envelope = parseEnvelope(sealed.body);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("enc" as const, "ct" as const), fc.nat(), fc.nat(7), async (member, position, bit) => {
        const changed = Uint8Array.from(envelope[member]);
        const index = position % changed.length;
        changed[index] = (changed[index] ?? 0) ^ (1 << bit);
        await expect(openRequest({ ...envelope, [member]: changed }, [pair])).rejects.toEqual(
          expect.objectContaining({ code: "SEALED_UNOPENABLE" }),
        );
      }),
      { numRuns: 40 },
    );
  });
});
