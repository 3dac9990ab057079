import fc from "fast-check";
import { expect, it } from "vitest";
import { ReplayGuard } from "../../../enclave/worker/replay-guard.ts";

it("never calls one envelope fresh twice, however clock and expiry move, and never holds more than its capacity", () => {
  const claim = fc.record({ enc: fc.integer({ min: 0, max: 8 }), now: fc.integer({ min: 0, max: 40 }) });
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 200 }), fc.integer({ min: 1, max: 6 }), (claims, capacity) => {
      const guard = new ReplayGuard(capacity);
      const fresh = new Set<number>();
      for (const { enc, now } of claims) {
        // One envelope always has one expiry: it is authenticated.
        if (guard.claim(`enc-${enc}`, 10 + enc * 3, now) !== "fresh") continue;
        expect(fresh.has(enc)).toBe(false);
        fresh.add(enc);
        expect(guard.size).toBeLessThanOrEqual(capacity);
      }
    }),
  );
});
