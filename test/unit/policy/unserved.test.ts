/** A gateway loads no policy that it could obey only in part. */
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { parsePolicy, pathRoles, unservedRules } from "../../../src/policy/index.ts";

const policy = (require: string, more = "") =>
  parsePolicy(
    utf8(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
  - id: only
    when: "true"
    require: ${require}
${more}`),
  );

const mode = (text: string) => `    mode: ${text}\n`;
const tee = { id: "tee", confirms: false };
const zk = { id: "zk", confirms: true };

describe("a policy for a gateway with a path that answers and one that also confirms", () => {
  it.each([
    ["one path", policy("{ all: [tee] }")],
    ["the other one", policy("{ all: [zk] }")],
    ["both, of which the second confirms", policy("{ all: [tee, zk] }")],
    ["both, of which the second may follow", policy("{ all: [tee, zk] }", mode("{ zk: async, deadline: 15m }"))],
    ["both, of which the one named first may follow", policy("{ all: [zk, tee] }", mode("{ zk: async, deadline: 15m }"))],
    ["both, of which each may come later", policy("{ all: [tee, zk] }", mode("{ tee: async, zk: async, deadline: 15m }"))],
    ["one that may come later", policy("{ all: [tee] }", mode("{ tee: async, deadline: 15m }"))],
  ])("is served where it asks for %s", (_, served) => {
    expect(unservedRules(served, [tee, zk])).toEqual([]);
  });

  it.each([
    ["a path that is not there", policy("{ all: [zk] }"), [tee], /path `zk`, which this gateway does not have/],
    ["two paths of which one is not there", policy("{ all: [tee, zk] }"), [tee], /path `zk`/],
    ["a second path that confirms nothing", policy("{ all: [zk, tee] }"), [tee, zk], /`tee` cannot confirm what `zk` answers/],
    [
      "a path that is to follow and confirms nothing",
      policy("{ all: [zk, tee] }", mode("{ tee: async, deadline: 15m }")),
      [tee, zk],
      /`tee` cannot confirm what `zk` answers/,
    ],
    [
      "two paths of which each may come later, and the second confirms nothing",
      policy("{ all: [zk, tee] }", mode("{ tee: async, zk: async, deadline: 15m }")),
      [tee, zk],
      /`tee` cannot confirm/,
    ],
    [
      "a sample",
      policy("{ all: [tee] }", "    sample: { zk: 0.01 }\n"),
      [tee, zk],
      /`sample` of `zk`, and this gateway draws none/,
    ],
  ])("is refused for %s", (_, unserved, paths, message) => {
    const [finding, ...others] = unservedRules(unserved, paths);
    expect(finding).toMatchObject({ severity: "error", rule: "only", line: 4, message: expect.stringMatching(message) });
    expect(others).toEqual([]);
  });
});

describe("the roles of required paths", () => {
  const roles = (all: readonly string[], ...later: readonly (readonly [string, number])[]) =>
    pathRoles({ all, async: later.map(([path, deadlineSeconds]) => ({ path, deadlineSeconds })) });
  const zkLater = { path: "zk", deadlineSeconds: 900 };

  it("follow the order of `all`: the first answers, the others confirm in their order", () => {
    expect(roles(["tee", "zk", "fhe"])).toEqual({ answers: "tee", confirm: ["zk", "fhe"], follow: [], waitsSeconds: null });
    expect(roles(["zk", "fhe", "tee"])).toEqual({ answers: "zk", confirm: ["fhe", "tee"], follow: [], waitsSeconds: null });
    expect(roles(["zk"])).toEqual({ answers: "zk", confirm: [], follow: [], waitsSeconds: null });
  });

  it("give the answer to the first path that may not come later, wherever the others stand", () => {
    const expected = { answers: "tee", confirm: [], follow: [zkLater], waitsSeconds: null };
    expect(roles(["tee", "zk"], ["zk", 900])).toEqual(expected);
    expect(roles(["zk", "tee"], ["zk", 900])).toEqual(expected);
    expect(roles(["zk", "tee", "fhe"], ["zk", 900])).toEqual({ ...expected, confirm: ["fhe"] });
  });

  it("let the whole request wait where every path may come later, until the first deadline, with no leg that follows", () => {
    expect(roles(["zk"], ["zk", 900])).toEqual({ answers: "zk", confirm: [], follow: [], waitsSeconds: 900 });
    expect(roles(["tee", "zk"], ["tee", 60], ["zk", 900])).toEqual({
      answers: "tee",
      confirm: ["zk"],
      follow: [],
      waitsSeconds: 60,
    });
  });
});
