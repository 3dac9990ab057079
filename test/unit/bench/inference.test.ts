import { describe, expect, test } from "vitest";
import type { InferenceRow } from "../../../bench/fhe/inference-result.ts";
import { rivalOf } from "../../../bench/fhe/inference-suite.ts";

const row = (system: string, accuracy: number | null, p50: number): InferenceRow => ({
  system,
  unavailable: accuracy === null ? "did not install" : null,
  accuracy,
  evaluateMs: accuracy === null ? null : { n: 7, p50, p95: p50, p99: p50 },
  encryptMs: null,
  decryptMs: null,
  bootstraps: null,
  keygenMs: null,
  evaluationKeyBytes: null,
  inputBytes: null,
  wrong: null,
  about: {},
});

describe("what an encrypted model is held against", () => {
  test("the fastest of those that are at least as accurate", () => {
    const others = [row("slow", 0.95, 900), row("equal", 0.92, 500), row("fast and wrong", 0.8, 10)];
    expect(rivalOf({ accuracy: 0.92 }, others)).toBe("equal");
  });

  test("never a faster one that is less accurate while another is as accurate", () => {
    expect(rivalOf({ accuracy: 0.96 }, [row("less", 0.9599, 1), row("as good", 0.96, 1000)])).toBe("as good");
  });

  test("the most accurate where none is as accurate", () => {
    expect(rivalOf({ accuracy: 0.98 }, [row("worse", 0.8, 10), row("better", 0.9, 700)])).toBe("better");
  });

  test("nothing where no other system ran", () => {
    expect(rivalOf({ accuracy: 0.92 }, [])).toBeNull();
    expect(rivalOf({ accuracy: 0.92 }, [row("absent", null, 0)])).toBeNull();
  });
});
