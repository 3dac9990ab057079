import { describe, expect, it } from "vitest";
import { bindingDigest, decodeBinding, makeBinding } from "../../../src/core/binding.ts";
import { utf8 } from "../../../src/core/bytes.ts";
import { BASES, Checklist, weaker } from "../../../src/core/check.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { coreCodes, type ErrorTable, isTrisealError, pathErrors, TrisealError } from "../../../src/core/errors.ts";
import { codes as teeCodes } from "../../../src/paths/tee/wire/codes.ts";

/** Statuses of the HTTP status code registry that a refusal can have, and 499. */
const STATUSES = [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 431, 499, 500, 502, 503, 504];
const tables: ErrorTable = { ...coreCodes, ...teeCodes };

describe("the table of error codes", () => {
  it.each(Object.entries(tables))(
    "gives %s a status, an action and a word about retrying that fit together",
    (code, { status, retryable, action }) => {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]{1,63}$/);
      expect(STATUSES).toContain(status);
      expect(action).toMatch(/^\S.{2,}\S$/);
      expect(action).not.toMatch(/[\n\r]/);
      // What is wrong with the request itself is not mended by time: only what the caller makes anew may be tried again.
      if ([400, 401, 403, 404, 405, 410, 413, 415, 422, 431].includes(status) && retryable) expect(action).toMatch(/\banew\b/);
      if (status === 409 && retryable) expect(action).toMatch(/\banew\b|retry later/);
      if ([429, 503, 504].includes(status)) expect(retryable).toBe(true);
      if (status === 500) expect(retryable).toBe(false);
    },
  );

  it("shares no code between core and a path", () => {
    expect(Object.keys(teeCodes).filter((code) => code in coreCodes)).toEqual([]);
  });

  it("has one class of errors, with code, cause and details", () => {
    const cause = new Error("inner");
    const error = new TrisealError("INTERNAL", "outer", { cause, details: { pid: 1 } });
    expect(error).toMatchObject({ name: "TrisealError", code: "INTERNAL", message: "outer", cause, details: { pid: 1 } });
    expect(new TrisealError("INTERNAL", "x").details).toEqual({});
    expect(isTrisealError(error)).toBe(true);
    expect(isTrisealError(error, "INTERNAL")).toBe(true);
    for (const [value, code] of [
      [error, "NOT_FOUND"],
      [cause, undefined],
      [{ code: "INTERNAL" }, "INTERNAL"],
      [null, undefined],
    ] as const)
      expect(isTrisealError(value, code)).toBe(false);
    expect(pathErrors({ ONE: { status: 400, retryable: false, action: "do" } })("ONE", "m")).toMatchObject({
      code: "ONE",
      message: "m",
    });
  });
});

describe("a checklist", () => {
  const table = {
    "a.first": { code: "A", spec: "S 1", states: "the first holds" },
    "a.second": { code: "B", spec: "S 2", states: "the second holds" },
  };

  it("keeps the order of its table, and the code of what failed or was skipped", () => {
    const checks = new Checklist(table);
    checks.skip("a.second", "assertion", "not shown");
    expect(checks.expect("a.second", false, "signature", "got 1")).toBe(false);
    expect(checks.expect("a.first", true, "proof")).toBe(true);
    expect(checks.all()).toEqual([
      { id: "a.first", status: "pass", basis: "proof", code: null, message: "the first holds", spec: "S 1" },
      { id: "a.second", status: "skipped", basis: "assertion", code: "B", message: "the second holds (not shown)", spec: "S 2" },
      { id: "a.second", status: "fail", basis: "signature", code: "B", message: "not so: the second holds (got 1)", spec: "S 2" },
    ]);
  });

  it("records what a reader throws, and nothing of what it reads", () => {
    const checks = new Checklist(table);
    expect(checks.attempt("a.first", "assertion", () => 5)).toBe(5);
    expect(checks.all()).toEqual([]);
    const thrown = checks.attempt("a.first", "assertion", () => {
      throw new Error("unreadable thing");
    });
    expect(thrown).toBeNull();
    expect(checks.all()).toEqual([
      expect.objectContaining({ status: "fail", code: "A", message: "not so: the first holds (unreadable thing)" }),
    ]);
  });

  it("knows no check that is not in its table", () => {
    expect(() => new Checklist(table).expect("a.third" as "a.first", true, "proof")).toThrow("no such check");
  });

  it("takes the weaker of two bases", () => {
    for (const [place, basis] of BASES.entries()) {
      for (const other of BASES.slice(place)) {
        expect(weaker(basis, other)).toBe(other);
        expect(weaker(other, basis)).toBe(other);
      }
    }
  });
});

it("a message is one line, whatever names it quotes", () => {
  for (const [quoted, shown] of [
    ["a\rb", "a\\u000db"],
    ["a\nb\tc", "a\\u000ab\\u0009c"],
    ["\u009b31m", "\\u009b31m"],
    ["a b", "a b"],
  ] as const) {
    expect(new TrisealError("INTERNAL", quoted).message).toBe(shown);
  }
});

describe("a binding", () => {
  const digest = digestOf(utf8("x"));
  const binding = makeBinding({ modelDigest: digest, decisionDigest: digest, nonce: "00".repeat(16) }, digest, digest);

  it("is refused with any member missing, unknown or malformed", () => {
    expect(decodeBinding(binding, "binding")).toEqual(binding);
    const names = Object.keys(binding);
    for (const name of names) {
      const rest = Object.fromEntries(Object.entries(binding).filter(([other]) => other !== name));
      for (const document of [rest, { ...binding, [name]: "x" }, { ...binding, [name]: null }, { ...binding, more: 1 }]) {
        expect(() => decodeBinding(document, "binding")).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
      }
    }
  });

  it("has another digest after a change of any member", () => {
    const other = digestOf(utf8("y"));
    const changes = [
      { requestDigest: other },
      { responseDigest: other },
      { modelDigest: other },
      { decisionDigest: other },
      { nonce: "01".repeat(16) },
    ];
    const digests = [{}, ...changes].map((change) => bindingDigest({ ...binding, ...change }));
    expect(new Set(digests).size).toBe(6);
  });
});
