/** The documents of the fhe path against answers that were computed without its code (test/vectors/fhe). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeHex, parseHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../../src/core/digest.ts";
import { type JsonObject, parseJson } from "../../../src/core/json.ts";
import { encodeAccount, firstHead, parseAccount } from "../../../src/paths/fhe/wire/account.ts";
import { encodeClaim, MAX_CLAIM_BYTES, parseClaim, verifyClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { handleOf, headOf, seedOf } from "../../../src/paths/fhe/wire/handle.ts";
import { encodeKeyDocument, parseKeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { listMetadata } from "../../../src/paths/fhe/wire/list-metadata.ts";
import { accountsOf, encodeRun, encodeRunAnswer, parseRun, parseRunAnswer } from "../../../src/paths/fhe/wire/run.ts";

const answers = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

interface Known {
  readonly name: string;
  readonly json: string;
  readonly digest: string;
  readonly again: (bytes: Uint8Array) => Uint8Array;
  readonly refused: readonly (readonly [what: string, from: string | RegExp, to: string])[];
}

/** Each document with its parser and encoder, and changes of its text that must be refused. */
const DOCUMENTS: readonly Known[] = [
  {
    name: "a key document",
    ...answers.keyDocument,
    again: (bytes: Uint8Array) => encodeKeyDocument(parseKeyDocument(bytes)),
    refused: [
      ["another version", '"v":1', '"v":2'],
      ["a key id that is not the server key's digest", /"keyId":"(.)(.)/, '"keyId":"$2$1'],
      ["another kind", '"kind":"integer"', '"kind":"boolean"'],
      ["a tag of another length", '"tag":"10', '"tag":"'],
      ["a server key of no bytes", '"serverKey":{"bytes":12', '"serverKey":{"bytes":0'],
      ["a server key without end", '"serverKey":{"bytes":12', '"serverKey":{"bytes":999999999'],
      ["a member too many", '"v":1', '"v":1,"w":1'],
    ],
  },
  {
    name: "an account's document",
    ...answers.account,
    again: (bytes: Uint8Array) => encodeAccount(parseAccount(bytes)),
    refused: [
      ["another spelling", '"cap":null', '"cap": null'],
      ["a cap on an account", '"cap":null', '"cap":"1"'],
      ["a name in capitals", '"account":"alice"', '"account":"Alice"'],
      ["a type of no width", '"type":"u64"', '"type":"u7"'],
      ["a program that is no digest", '"programs":["', '"programs":["x'],
      ["programs by another word", /"programs":\[[^\]]*\]/, '"programs":"all"'],
      ["a reader twice", /"read":\[("[0-9a-f]+")\]/, '"read":[$1,$1]'],
    ],
  },
  {
    name: "a run document",
    ...answers.run,
    again: (bytes: Uint8Array) => encodeRun(parseRun(bytes)),
    refused: [
      ["a list that is not there", '"list":0', '"list":1'],
      ["a list that is not used", /"lists":\[/, '"lists":["YQ==",'],
      ["one value of a list twice", '"limit":{"clear":"100"}', '"limit":{"index":0,"list":0}'],
      ["an input of two kinds", '{"clear":"100"}', '{"clear":"100","account":"bob"}'],
      ["an input of no kind", '{"clear":"100"}', "{}"],
      ["a number that is no text", '{"clear":"100"}', '{"clear":100}'],
      ["a second spelling of a number", '{"clear":"100"}', '{"clear":"0100"}'],
      ["an input's name in capitals", '"limit":', '"Limit":'],
      ["a nonce of another length", '"nonce":"00', '"nonce":"'],
      ["base64 of another spelling", '"lists":["YSBsaXN0"]', '"lists":["YSBsaXN0="]'],
    ],
  },
  {
    name: "a run's answer",
    ...answers.answer,
    again: (bytes: Uint8Array) => encodeRunAnswer(parseRunAnswer(bytes)),
    refused: [
      ["an output of no bytes", '"bytes":1919', '"bytes":0'],
      ["a price below nothing", '"pbs":190', '"pbs":-1'],
      ["half a price", '"pbs":190', '"pbs":190.5'],
    ],
  },
  {
    name: "a leg",
    ...answers.leg,
    again: (bytes: Uint8Array) => encodeClaim(parseClaim(bytes)),
    refused: [
      ["a signature of another length", '"signature":"', '"signature":"00'],
      ["a member too many", '"pbs":190', '"pbs":190,"w":1'],
      ["a state that is clear and encrypted", '"clear":null', '"clear":"5"'],
      ["a state that is nothing", /"writes":\[\{(.*?)"handle":"[0-9a-f]+"/, '"writes":[{$1"handle":null'],
      ["a write of version 0", /"version":1/, '"version":0'],
      ["a read of version 0 that has a handle", '"handle":null,"version":0', `"handle":"${"ab".repeat(32)}","version":0`],
      ["an input that is clear and encrypted", '{"clear":"100"', `{"digest":"sha256:${"0".repeat(64)}","clear":"100"`],
      ["one name for two inputs", '"n":"limit"', '"n":"amount"'],
      ["an engine without a build", /"build":"[^"]*",/, ""],
      ["an output of no type", '"t":"u64"', '"t":"f32"'],
    ],
  },
];

for (const { name, json, digest, again, refused } of DOCUMENTS) {
  describe(name, () => {
    it("is parsed and encoded to the known bytes", () => {
      const bytes = again(utf8(json));
      expect(new TextDecoder().decode(bytes)).toBe(json);
      expect(digestOf(bytes)).toBe(digest);
    });

    it.each(refused)("is refused with %s", (_, from, to) => {
      const changed = json.replace(from, to);
      expect(changed).not.toBe(json);
      expect(() => again(utf8(changed))).toThrow(malformed);
    });

    it("is refused where it is cut short, has something after it, or is too large", () => {
      for (const changed of [json.slice(0, -1), `${json}{}`, "", "null", "[]", `${json}${" ".repeat(17 * 1024 * 1024)}`]) {
        expect(() => again(utf8(changed))).toThrow(malformed);
      }
    });
  });
}

describe("the names that are derived", () => {
  it("are the known ones", () => {
    const { parts, handle } = answers.handle;
    const [state, amount] = parts.inputs;
    const inputs = [{ handle: state }, { digest: amount }, { clear: "100" }];
    expect(handleOf({ ...parts, inputs })).toBe(handle);
    for (const { state: written, head } of answers.heads) expect(headOf(written)).toBe(head);
    expect(seedOf(answers.seed.binding)).toBe(answers.seed.seed);
    expect(firstHead(parseAccount(utf8(answers.account.json)))).toBe(answers.account.head0);
  });

  it("are others where any part is another", () => {
    const { parts } = answers.handle;
    const made = (change: object) => handleOf({ ...parts, inputs: [{ handle: "a".repeat(64) }], ...change });
    const changes = [
      {},
      { inputs: [{ handle: "b".repeat(64) }] },
      { inputs: [] },
      { inputs: [{ clear: "100" }] },
      { inputs: [{ clear: "true" }] },
      { programDigest: digestOfJson("another") },
      { keyId: "c".repeat(64) },
      { nonce: "d".repeat(32) },
      { output: "to" },
    ];
    expect(new Set(changes.map(made)).size).toBe(changes.length);
    const state = answers.heads[0].state;
    const states = [
      {},
      { account: "bob" },
      { version: 2 },
      { handle: "e".repeat(64) },
      { digest: null },
      { clear: "1" },
      { prevHead: "f".repeat(64) },
    ];
    expect(new Set(states.map((change) => headOf({ ...state, ...change }))).size).toBe(states.length);
    const { binding } = answers.seed;
    expect(seedOf({ ...binding, responseDigest: digestOfJson("another") } as typeof binding)).toBe(answers.seed.seed);
    expect(seedOf({ ...binding, nonce: "0".repeat(32) })).not.toBe(answers.seed.seed);
  });
});

describe("a run", () => {
  it("that writes two outputs to one account is refused as that", () => {
    const same = utf8(answers.run.json.replace('"to":"bob"', '"to":"alice"'));
    expect(() => parseRun(same)).toThrow(expect.objectContaining({ code: "FHE_SAME_ACCOUNT" }));
  });
});

describe("the metadata of a list", () => {
  it("names its accounts sorted, each once", () => {
    expect(encodeHex(listMetadata(answers.listMetadata.parts))).toBe(answers.listMetadata.hex);
  });

  it("is that of every account which a run reads or writes", () => {
    expect(accountsOf(parseRun(utf8(answers.run.json)))).toEqual(["alice", "bob"]);
  });
});

describe("a claim's signature", () => {
  const signed = parseClaim(utf8(answers.leg.json));

  it("is that of the known key", () => {
    expect(signed.claim.engine.key).toBe(answers.publicKey);
    expect(verifyClaim(signed)).toBe(true);
  });

  it("holds for no other claim, no other key, and not with a changed byte", () => {
    const { claim } = signed;
    expect(verifyClaim({ ...signed, claim: { ...claim, pbs: 191 } })).toBe(false);
    expect(verifyClaim({ ...signed, claim: { ...claim, engine: { ...claim.engine, key: "22".repeat(32) } } })).toBe(false);
    const signature = parseHex(encodeHex(signed.signature).replace(/^./, (digit) => (digit === "0" ? "1" : "0")));
    expect(verifyClaim({ ...signed, signature })).toBe(false);
  });

  it("has nothing of a leg that is too large", () => {
    const leg = parseJson(utf8(answers.leg.json)) as JsonObject;
    expect(() => parseClaim(utf8(JSON.stringify(leg).padEnd(MAX_CLAIM_BYTES + 1, " ")))).toThrow(malformed);
  });
});
