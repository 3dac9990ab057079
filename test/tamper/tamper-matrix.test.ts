/** Whatever is changed about a bundle, the verifier answers with a code: it accepts nothing and never throws. */
import { beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { canonicalJson } from "../../src/core/jcs.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import type { Trust, Verdict } from "../../src/verify/index.ts";
import { buildBundle, KINDS, type Kind, requestBody } from "../fixtures/bundle.ts";
import { judge } from "../fixtures/verdict.ts";
import { createWorld, trustOf, type World } from "../fixtures/world.ts";
import { seededNumbers } from "./random.ts";
import { reversed, splice, type Tampered, tamper } from "./tamper-walk.ts";

let world: World;
let trust: Trust;
const bundles = new Map<Kind, Uint8Array>();

beforeAll(async () => {
  world = await createWorld();
  trust = trustOf(world);
  for (const kind of KINDS) bundles.set(kind, (await buildBundle(world, { kind })).bundle);
});

function bundleOf(kind: Kind): Uint8Array {
  const bundle = bundles.get(kind);
  if (bundle === undefined) throw new Error(`no bundle of kind ${kind}`);
  return bundle;
}

function textOf(bundle: Uint8Array): string {
  return new TextDecoder().decode(bundle);
}

function documentOf(kind: Kind): JsonValue {
  return JSON.parse(textOf(bundleOf(kind))) as JsonValue;
}

/** Whether a verdict is a refusal with a code and without claims. */
function isRefusal({ outcome, code, claims }: Verdict): boolean {
  return (outcome === "rejected" || outcome === "malformed") && typeof code === "string" && claims.length === 0;
}

async function describeVerdict(bytes: Uint8Array): Promise<string> {
  try {
    const verdict = await judge(bytes, trust);
    return isRefusal(verdict) ? "" : `${verdict.outcome} ${verdict.code}`;
  } catch (error) {
    return `threw ${String(error)}`;
  }
}

/** Changes to which the verifier did not answer with a refusal. */
async function notRefused(changes: Iterable<{ readonly place: string; readonly bytes: Uint8Array }>): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { place, bytes } of changes) {
    const answer = await describeVerdict(bytes);
    if (answer !== "") wrong.push(`${place}: ${answer}`);
  }
  return wrong;
}

/** The changed documents as bytes, without those that are still the same document as `original`. */
function* encoded(
  changes: Iterable<Tampered>,
  ...originals: readonly JsonValue[]
): Generator<{ place: string; bytes: Uint8Array }> {
  const same = originals.map((original) => canonicalJson(original));
  for (const { place, document } of changes) {
    if (!same.includes(canonicalJson(document))) yield { place, bytes: utf8(JSON.stringify(document)) };
  }
}

/** The one change that is no refusal: a version that only a later verifier can judge. It is not accepted either. */
const LATER_VERSION = "unsupported BUNDLE_VERSION_UNSUPPORTED";

const seed = Number(process.env["TAMPER_SEED"] ?? Date.now() % 2 ** 32);
const TIMEOUT_MS = 240_000;

for (const kind of KINDS) {
  describe(`a bundle of kind ${kind}`, () => {
    it(
      "is refused with any one place of its document changed",
      async () => {
        const document = documentOf(kind);
        const changes = [...encoded(tamper(document), document)];
        console.log(`tamper matrix, ${kind}: ${changes.length} changed documents`);
        expect(changes.length).toBeGreaterThan(500);
        expect(await notRefused(changes)).toEqual([`bundle.v: ${LATER_VERSION}`]);
      },
      TIMEOUT_MS,
    );

    it("is accepted in another spelling of the same document", async () => {
      const document = documentOf(kind);
      const text = JSON.stringify(document);
      const spellings = [
        JSON.stringify(document, null, 3),
        `\n\t ${text} \r\n`,
        JSON.stringify(reversed(document)),
        text.replace('"receipt_id"', '"\\u0072eceipt_id"').replaceAll('"sha256:', '"\\u0073ha256:'),
        text.replaceAll("/", "\\/"),
        text.replace(/"(served_at|not_after)":(\d+)/g, '"$1":$2.0'),
        text.replace(/"served_at":(\d+)(\d{3})\b/, '"served_at":$1$2000e-3'),
      ];
      for (const spelling of spellings) {
        expect(spelling).not.toBe(text);
        expect(await judge(utf8(spelling), trust)).toMatchObject({ outcome: "accepted", code: null });
      }
    });

    it("is refused cut short, with more behind it, or with a byte order mark", async () => {
      const bundle = bundleOf(kind);
      const cuts = Array.from({ length: 400 }, (_, index) => Math.floor((index * bundle.length) / 400));
      const edges = Array.from({ length: 40 }, (_, index) => bundle.length - 1 - index);
      const changes = [
        ...[...cuts, ...edges].map((length) => ({ place: `first ${length} bytes`, bytes: bundle.subarray(0, length) })),
        ...["0", "{}", "null", "\u0000", "}", ",", "\u00a0", textOf(bundle)].map((tail) => ({
          place: `tail ${tail.slice(0, 8)}`,
          bytes: utf8(textOf(bundle) + tail),
        })),
        { place: "byte order mark", bytes: Uint8Array.of(0xef, 0xbb, 0xbf, ...bundle) },
        { place: "not UTF-8", bytes: Uint8Array.of(...bundle.subarray(0, -1), 0xff, 0x7d) },
        { place: "UTF-16", bytes: new Uint8Array(Buffer.from(textOf(bundle), "utf16le")) },
      ];
      expect(await notRefused(changes)).toEqual([]);
    });

    it("is refused with a member given twice, with `__proto__`, or nested without end", async () => {
      const text = textOf(bundleOf(kind));
      const changes = [...text.matchAll(/[{,]("(?:[^"\\]|\\.)*"):/g)].flatMap(({ index, 1: name = "" }) => {
        const before = text.slice(0, index + 1);
        const after = text.slice(index + 1);
        return [
          { place: `${name} twice`, bytes: utf8(`${before}${name}:0,${after}`) },
          { place: `__proto__ before ${name}`, bytes: utf8(`${before}"__proto__":{},${after}`) },
          { place: `__proto__ in escapes before ${name}`, bytes: utf8(`${before}"\\u005f_proto__":{},${after}`) },
        ];
      });
      expect(changes.length).toBeGreaterThan(100);
      const deep = "[".repeat(100_000);
      changes.push({ place: "deep", bytes: utf8(deep) });
      changes.push({
        place: "deep member",
        bytes: utf8(text.replace('"chat_id":null', `"chat_id":${"[".repeat(5000)}${"]".repeat(5000)}`)),
      });
      expect(await notRefused(changes)).toEqual([]);
    });

    it(
      "is refused with any single bit changed",
      async () => {
        const bundle = bundleOf(kind);
        const random = seededNumbers(seed);
        console.log(`tamper matrix, ${kind}: bit flips with TAMPER_SEED=${seed}`);
        const changes = Array.from({ length: 500 }, () => {
          const place = Number(random.next().value) % (bundle.length * 8);
          const bytes = Uint8Array.from(bundle);
          bytes[place >>> 3] = (bytes[place >>> 3] ?? 0) ^ (1 << (place & 7));
          return { place: `bit ${place}`, bytes };
        });
        // A flip that only moves between spellings of one document, such as of white space, does not occur in JCS.
        expect((await notRefused(changes)).filter((line) => !line.endsWith(LATER_VERSION))).toEqual([]);
      },
      TIMEOUT_MS,
    );
  });
}

describe("two valid bundles of one service", () => {
  async function pairs(): Promise<readonly (readonly [string, JsonValue, JsonValue])[]> {
    const parsed = (bundle: Uint8Array) => JSON.parse(textOf(bundle)) as JsonValue;
    const second = parsed(
      (await buildBundle(world, { body: requestBody({ id: "the-second-request-0123456789" }), nonce: "1".repeat(32) })).bundle,
    );
    const all = [...KINDS.map((kind) => [kind, documentOf(kind)] as const), ["second", second] as const];
    return all.flatMap(([left, from]) =>
      all.filter(([right]) => right !== left).map(([right, to]) => [`${left} with ${right}`, from, to] as const),
    );
  }

  it(
    "do not mix: any part of one in the other is refused",
    async () => {
      for (const [name, left, right] of await pairs()) {
        // The whole of the other bundle is no mix.
        const changes = [...encoded(splice(left, right), left, right)];
        expect(changes.length).toBeGreaterThan(10);
        expect(await notRefused(changes), name).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  it("do not mix as receipt and supplement", async () => {
    const document = documentOf("gateway-sealed");
    const other = documentOf("caller-sealed");
    if (!isJsonObject(document) || !isJsonObject(other)) throw new Error("not an object");
    const verdict = await judge(utf8(JSON.stringify({ ...document, supplements: [other["receipt"] ?? null] })), trust);
    expect(verdict).toMatchObject({ outcome: "rejected", code: "LOG_INCLUSION_INVALID", claims: [] });
  });
});

describe("bytes that are no bundle", () => {
  it("are malformed, whatever they are", async () => {
    const texts = ["", " ", "null", "[]", "{}", '"x"', "0", "{", '{"v":"triseal.dev/bundle/v1"}', "--- yaml", "\ud800"];
    for (const text of texts) {
      expect(await judge(utf8(text), trust)).toMatchObject({ outcome: "malformed", code: "BUNDLE_MALFORMED", claims: [] });
    }
  });

  it("of a later version are unsupported, and of no version malformed", async () => {
    const text = textOf(bundleOf("denied"));
    const named = (version: string) => judge(utf8(text.replace("triseal.dev/bundle/v1", version)), trust);
    expect(await named("triseal.dev/bundle/v2")).toMatchObject({ outcome: "unsupported", code: "BUNDLE_VERSION_UNSUPPORTED" });
    for (const version of [
      "triseal.dev/bundle/",
      "triseal.dev/bundle/v01",
      "triseal.dev/bundle/v1.0",
      "triseal.dev/bundle/V2",
      "x",
    ]) {
      expect(await named(version)).toMatchObject({ outcome: "malformed", code: "BUNDLE_MALFORMED" });
    }
  });
});
