/** A gateway loads no policy that it could obey only in part. */
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { parsePolicy, unservedRules } from "../../../src/policy/index.ts";

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

describe("a policy for a gateway with the path tee", () => {
  it("is served where every rule asks for that path alone", () => {
    expect(unservedRules(policy("{ all: [tee] }"), ["tee"])).toEqual([]);
  });

  it.each([
    ["another path", policy("{ all: [zk] }"), /path `zk`/],
    ["two paths", policy("{ all: [tee, zk] }"), /path `zk`/],
    ["a mode", policy("{ all: [tee] }", "    mode: { tee: async, deadline: 15m }\n"), /mode/],
    ["a sample", policy("{ all: [tee] }", "    sample: { zk: 0.01 }\n"), /sample/],
  ])("is refused for %s", (_, unserved, message) => {
    const [finding] = unservedRules(unserved, ["tee"]);
    expect(finding).toMatchObject({ severity: "error", rule: "only", message: expect.stringMatching(message) });
  });

  it("is refused for two paths of a gateway that has both, because it answers on one", () => {
    expect(unservedRules(policy("{ all: [tee, zk] }"), ["tee", "zk"])).toMatchObject([{ rule: "only" }]);
  });
});
