import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { EMPTY_TRUST, parseTrust, pathSection, revokedBy } from "../../../src/trust/index.ts";

const KEY = "0a".repeat(32);
const OTHER = "0b".repeat(32);
const DIGEST = `sha256:${"0c".repeat(32)}`;

const service = {
  name: "production",
  gateway: { keys: [{ publicKey: KEY }], teeTypes: [{ accept: "triseal-none", because: "no TEE here" }] },
  logs: [{ origin: "log.example/one", publicKey: KEY }],
  witnesses: {
    quorum: 2,
    keys: [
      { name: "w1", publicKey: KEY },
      { name: "w2", publicKey: OTHER },
    ],
  },
  policySigners: [{ publicKey: KEY, minSequence: 3 }],
  paths: { tee: { anything: [1, { deep: true }] } },
};

const file = (change: object = {}, top: object = {}) =>
  utf8(JSON.stringify({ apiVersion: "triseal.dev/trust/v1", services: [{ ...service, ...change }], ...top }));
const invalid = expect.objectContaining({ code: "TRUST_FILE_INVALID" });

describe("a trust file", () => {
  it("is YAML, and JSON with it", () => {
    const yaml = `# comment
apiVersion: triseal.dev/trust/v1
services:
  - name: staging
    gateway: { keys: [{ publicKey: "${KEY}", because: ours }], teeTypes: [] }
    logs: [{ origin: log.example/one, publicKey: "${KEY}" }]
    witnesses: { accept: none, because: staging has none }
    policySigners: []
    paths: {}
`;
    const [staging] = parseTrust(utf8(yaml)).services;
    expect(staging).toMatchObject({ name: "staging", revoked: { keys: [], measurements: [] }, witnesses: { accept: "none" } });
    expect(parseTrust(file()).services[0]).toMatchObject(service);
    expect(EMPTY_TRUST.services).toEqual([]);
  });

  it("gives a path its own section, as it is written, and null where it has none", () => {
    const [parsed] = parseTrust(file()).services;
    if (parsed === undefined) throw new Error("no service");
    expect(pathSection(parsed, "tee")).toEqual({ anything: [1, { deep: true }] });
    for (const path of ["zk", "constructor", "toString", ""]) expect(pathSection(parsed, path)).toBeNull();
  });

  it("lists what is withdrawn", () => {
    const revoked = { keys: [{ publicKey: OTHER, because: "lost" }], measurements: [{ digest: DIGEST, because: "a bug" }] };
    const [parsed] = parseTrust(file({ revoked })).services;
    if (parsed === undefined) throw new Error("no service");
    expect(revokedBy(parsed)).toEqual({ keys: new Set([OTHER]), measurements: new Set([DIGEST]) });
  });

  it.each<[string, object]>([
    ["an unknown member of a service", { more: 1 }],
    ["an unknown member of the gateway", { gateway: { ...service.gateway, more: 1 } }],
    ["no gateway key", { gateway: { ...service.gateway, keys: [] } }],
    ["a gateway key in upper case", { gateway: { ...service.gateway, keys: [{ publicKey: KEY.toUpperCase() }] } }],
    ["a gateway type without a reason", { gateway: { ...service.gateway, teeTypes: [{ accept: "triseal-none" }] } }],
    ["an empty reason", { gateway: { ...service.gateway, teeTypes: [{ accept: "triseal-none", because: "  " }] } }],
    ["no log", { logs: [] }],
    ["a log origin with a space", { logs: [{ origin: "a b", publicKey: KEY }] }],
    ["a log origin with a plus", { logs: [{ origin: "a+b", publicKey: KEY }] }],
    ["a quorum above its keys", { witnesses: { ...service.witnesses, quorum: 3 } }],
    ["a quorum of none", { witnesses: { ...service.witnesses, quorum: 0 } }],
    [
      "one witness key under two names",
      {
        witnesses: {
          quorum: 1,
          keys: [
            { name: "w1", publicKey: KEY },
            { name: "w2", publicKey: KEY },
          ],
        },
      },
    ],
    ["no witnesses and no reason", { witnesses: { accept: "none" } }],
    ["witnesses of another kind", { witnesses: { accept: "any", because: "x" } }],
    ["witnesses of both kinds", { witnesses: { ...service.witnesses, accept: "none", because: "x" } }],
    ["no word about witnesses", { witnesses: undefined }],
    ["a policy signer without a sequence", { policySigners: [{ publicKey: KEY }] }],
    ["a fractional sequence", { policySigners: [{ publicKey: KEY, minSequence: 0.5 }] }],
    ["development mode without a reason", { dev: { accept: true } }],
    ["development mode as a plain word", { dev: true }],
    ["development mode that is not accepted", { dev: { accept: false, because: "x" } }],
    ["a path section that is no map", { paths: { tee: [] } }],
    ["a path name in upper case", { paths: { TEE: {} } }],
    ["a revoked key without a reason", { revoked: { keys: [{ publicKey: KEY }], measurements: [] } }],
    ["a revoked measurement that is no digest", { revoked: { keys: [], measurements: [{ digest: "x", because: "y" }] } }],
    ["an unknown member of what is revoked", { revoked: { keys: [], measurements: [], more: [] } }],
    ["a service without a name", { name: "" }],
  ])("with %s is refused", (_, change) => {
    expect(() => parseTrust(file(change))).toThrow(invalid);
  });

  it("with two services of one name is refused", () => {
    expect(() => parseTrust(file({}, { services: [service, service] }))).toThrow(invalid);
    expect(parseTrust(file({}, { services: [service, { ...service, name: "staging" }] })).services).toHaveLength(2);
  });

  it.each<[string, string]>([
    ["nothing", ""],
    ["another version", '{"apiVersion":"triseal.dev/trust/v2","services":[]}'],
    ["an unknown member", '{"apiVersion":"triseal.dev/trust/v1","services":[],"more":1}'],
    ["a duplicate key", "apiVersion: triseal.dev/trust/v1\nservices: []\nservices: []\n"],
    ["a duplicate key further in", `${new TextDecoder().decode(file()).replace('"quorum":2', '"quorum":2,"quorum":1')}`],
    ["an alias", "apiVersion: triseal.dev/trust/v1\nx: &a []\nservices: *a\n"],
    [
      "a billion laughs",
      `a: &a [x, x]\n${"bcdefghij"
        .split("")
        .map((name, index) => `${name}: &${name} [*${"abcdefghi"[index]}, *${"abcdefghi"[index]}]`)
        .join("\n")}\n`,
    ],
    ["a merge key", "base: &b { services: [] }\n<<: *b\napiVersion: triseal.dev/trust/v1\n"],
    ["two documents", "apiVersion: triseal.dev/trust/v1\nservices: []\n---\na: 1\n"],
    ["a tag", "!!js/function 'x'"],
    ["a tab as indentation", "apiVersion: triseal.dev/trust/v1\nservices:\n\t- x\n"],
    ["a plain text", "trust everyone"],
    ["a list", "- apiVersion: triseal.dev/trust/v1"],
  ])("of %s is refused", (_, text) => {
    expect(() => parseTrust(utf8(text))).toThrow(invalid);
  });

  it("that is no UTF-8 or too large is refused", () => {
    expect(() => parseTrust(Uint8Array.of(0xff, 0xfe))).toThrow(invalid);
    expect(() => parseTrust(new Uint8Array(1024 * 1024 + 1).fill(0x20))).toThrow(invalid);
  });

  it("is refused with the place of the problem in one line", () => {
    expect(() => parseTrust(file({ policySigners: [{ publicKey: KEY, minSequence: -1 }] }))).toThrow(
      /^services\.0\.policySigners\.0\.minSequence: [^\n]+$/,
    );
  });

  it("does not take a key of an object's prototype for one of its own", () => {
    const text = new TextDecoder().decode(file()).replace('"paths":{', '"paths":{"__proto__":{"zk":{}},');
    const [parsed] = parseTrust(utf8(text)).services;
    if (parsed === undefined) throw new Error("no service");
    expect(pathSection(parsed, "zk")).toBeNull();
    expect(pathSection(parsed, "__proto__")).toBeNull();
    expect(Object.getPrototypeOf(parsed.paths)).not.toHaveProperty("zk");
  });
});

describe("a tag in a trust file", () => {
  it.each(["!unknown ours", "!!binary YQ==", "!<x> ours"])("`%s` is refused where a text is expected", (because) => {
    const yaml = `apiVersion: triseal.dev/trust/v1
services:
  - name: staging
    gateway: { keys: [{ publicKey: "${KEY}", because: ${because} }], teeTypes: [] }
    logs: [{ origin: log.example/one, publicKey: "${KEY}" }]
    witnesses: { accept: none, because: staging has none }
    policySigners: []
    paths: {}
`;
    expect(() => parseTrust(utf8(yaml))).toThrow(invalid);
  });
});
