import { describe, expect, it } from "vitest";
import { coreCodes, TrisealError } from "../../../src/core/errors.ts";
import { describeFault, logFault } from "../../../src/gateway/fault.ts";
import { problemOf } from "../../../src/gateway/problem.ts";

const SECRET = "patient 4711";

describe("a fault as the operator reads it", () => {
  it("has kind, code and places, and no message", () => {
    const cause = Object.assign(new SyntaxError(`Unexpected token in "${SECRET}"`), { code: "ERR_X" });
    const fault = describeFault(cause);
    expect(fault).toMatchObject({ kind: "SyntaxError", code: "ERR_X" });
    expect(fault["frames"]).toEqual(expect.arrayContaining([expect.stringMatching(/^at .*:\d+:\d+\)?$/)]));
    expect(JSON.stringify(fault)).not.toContain("4711");
  });

  it("takes no line of a message for a place", () => {
    const message = `no\n    at ${SECRET} (file:///x.ts:1:1)\n    at file:///4711.ts:1:1`;
    for (const cause of [new Error(message), Object.assign(new Error("x"), { stack: `Error: ${message}`, message })]) {
      expect(JSON.stringify(describeFault(cause))).not.toContain("4711");
    }
  });

  it("takes no content from what is no error, from a name or from a code", () => {
    const named = Object.assign(new Error("x"), { name: `${SECRET}!`, code: SECRET });
    for (const cause of [SECRET, { message: SECRET }, null, undefined, 4711, named]) {
      expect(JSON.stringify(describeFault(cause))).not.toContain("4711");
    }
  });

  it("is logged for what the caller is not told, and for nothing else", () => {
    const lines: unknown[] = [];
    const tell = (error: TrisealError) => logFault((line) => lines.push(line), error, "req-1");
    tell(new TrisealError("REQUEST_MALFORMED", "the caller's own"));
    expect(lines).toEqual([]);
    tell(new TrisealError("INTERNAL", "internal error", { cause: new Error(SECRET) }));
    tell(new TrisealError("LOG_CORRUPT", "blob 12 is missing"));
    expect(lines).toEqual([
      expect.objectContaining({ event: "internal", code: "INTERNAL", fault: expect.objectContaining({ kind: "Error" }) }),
      expect.objectContaining({ event: "fault", code: "LOG_CORRUPT", reason: "blob 12 is missing" }),
    ]);
    expect(JSON.stringify(lines)).not.toContain("4711");
  });
});

describe("a problem whose message is the operator's", () => {
  it("says only where to find it", () => {
    const codes = { ...coreCodes, WORKER_FAILED: { status: 500, retryable: false, action: "check the input" } };
    for (const code of ["INTERNAL", "LOG_CORRUPT", "CONFIG_INVALID", "LOG_UNAVAILABLE", "POLICY_UNAVAILABLE"] as const) {
      for (const protocol of ["oip", "aci"] as const) {
        const { body } = problemOf(new TrisealError(code, "see the file /etc/x"), codes, protocol, "req-1", null);
        expect(JSON.stringify(body)).not.toContain("/etc/x");
        expect(body["detail"]).toBe("the operator's log has the reason under this request id");
      }
    }
    const failed = problemOf(new TrisealError("WORKER_FAILED" as "INTERNAL", "the run failed"), codes, "oip", "req-1", null);
    expect(failed.body["detail"]).toBe("the run failed");
  });
});
