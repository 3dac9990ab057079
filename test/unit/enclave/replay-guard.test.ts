import { describe, expect, it } from "vitest";
import { ReplayGuard } from "../../../enclave/worker/replay-guard.ts";

describe("the replay guard", () => {
  it("accepts an envelope once, until it expires", () => {
    const guard = new ReplayGuard(10);
    expect(guard.claim("aa", 100, 50)).toBe("fresh");
    expect(guard.claim("aa", 100, 50)).toBe("replayed");
    expect(guard.claim("aa", 100, 100)).toBe("replayed");
    expect(guard.claim("bb", 100, 100)).toBe("fresh");
    expect(guard.size).toBe(2);
  });

  it("forgets what has expired, and then vouches for nothing of that time, even when the clock is set back", () => {
    const guard = new ReplayGuard(10);
    expect(guard.claim("aa", 100, 50)).toBe("fresh");
    expect(guard.claim("bb", 200, 101)).toBe("fresh");
    expect(guard.size).toBe(1);
    expect(guard.claim("aa", 100, 50)).toBe("forgotten");
    expect(guard.claim("cc", 100, 50)).toBe("forgotten");
    expect(guard.claim("bb", 200, 50)).toBe("replayed");
  });

  it("refuses new envelopes while it is full, and takes them again when old ones have expired", () => {
    const guard = new ReplayGuard(2);
    expect(guard.claim("aa", 100, 50)).toBe("fresh");
    expect(guard.claim("bb", 101, 50)).toBe("fresh");
    expect(guard.claim("cc", 102, 50)).toBe("full");
    expect(guard.claim("aa", 100, 50)).toBe("replayed");
    expect(guard.claim("cc", 102, 101)).toBe("fresh");
    expect(guard.claim("dd", 102, 101)).toBe("full");
  });
});
