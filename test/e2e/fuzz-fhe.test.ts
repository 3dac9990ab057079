/** A short campaign on the protocol of the real engine. Skipped where it is not built. The long one: `npm run fuzz -- fhe`. */
import { expect, it } from "vitest";
import { isNativeBuilt } from "../../src/main/fhe/native-program.ts";
import { fheTarget } from "../campaign/fhe-target.ts";
import { runCampaign } from "../campaign/run-campaign.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it.skipIf(!built)(
  "an engine answers every changed message with a code, dies of none, and computes what it computed before",
  async () => {
    console.log(`fuzz fhe: FUZZ_SEED=${seed}`);
    const target = await fheTarget.open();
    try {
      const options = { seed, seconds: 10, casesPerSubject: null, minCases: 4000, maxFailures: 3 };
      const { failures, inspections, outcomes } = await runCampaign(target, options);
      const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
      expect({ named, inspections }).toEqual({ named: [], inspections: [] });
      expect(target.numbers()).toMatchObject({ deaths: 0, containedPanics: 0 });
      expect(outcomes["message"]?.["ok"]).toBeGreaterThan(0);
    } finally {
      await target.close();
    }
  },
  300_000,
);
