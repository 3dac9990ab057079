/**
 * A gateway that changes one place of one document, and signs and logs everything anew: the verifier never throws, and what it
 * accepts is what this file lists, with the reason why nothing false follows from it.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/core/jcs.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import type { Trust, Verdict } from "../../src/verify/index.ts";
import { buildBundle, type Kind } from "../fixtures/bundle.ts";
import { judge } from "../fixtures/verdict.ts";
import { createWorld, trustOf, type World } from "../fixtures/world.ts";
import { seededNumbers } from "./random.ts";
import { LAYERS, type Layer, type Opened, openBuilt, resign } from "./resign.ts";
import { type Tampered, tamper } from "./tamper-walk.ts";

const ATTRIBUTED = "the verdict says that policy read these facts as the operator or its backend stated them";
const REFUSAL = "a refusal is what the gateway says: its claim begins with these words, and no evidence stands behind it";

/** Places that a gateway can change at will, by kind of bundle, and why nothing false follows. */
const HARMLESS: readonly (readonly [kind: "any" | "answer" | "refusal", place: RegExp, why: string])[] = [
  ["any", /^receipt\.(receipt_id|chat_id|endpoint|method)$/, "the gateway's own names for the exchange; no claim repeats them"],
  ["any", /^receipt\.served_at$/, "the claim says `says the operator`; decision and witnesses bound it on both sides"],
  [
    "any",
    /^receipt\.event_log\[service\.described\]$/,
    "`mode` left out: how the gateway is run is its own word, and no claim repeats it",
  ],
  ["any", /^receipt\.event_log$/, "`request.forwarded` and `upstream.verified` may change places"],
  ["any", /^statement\.keyId$/, "a label beside the signed statement: the key is found by `publicKey`"],
  ["any", /^decision\.nonce$/, "the gateway draws it; a leg binds the one that was drawn"],
  ["any", /^decision\.facts\[(model\.version|model\.paths|request\.bytes|tenant\.id)\]\.value(\[0\])?$/, ATTRIBUTED],
  ["any", /^decision\.candidates\[0\]\.facts(\[backend\.jurisdiction\]\.value)?$/, ATTRIBUTED],
  ["answer", /^session\.(upstream_name|endpoint|verifier_id)$/, "the operator's own names for its worker; no claim repeats them"],
  ["answer", /^session\.(established_at|expires_at)$/, "the operator's times; the age of evidence is measured between witnesses"],
  [
    "answer",
    /^leg\.statement\.wire\.responseDigest$/,
    "sealed to the gateway, which opened it: the caller's response is bound unsealed",
  ],
  ["refusal", /^receipt\.event_log\[(request\.received|request\.forwarded|response\.returned)\]\.body_hash$/, REFUSAL],
  [
    "refusal",
    /^receipt\.event_log\[(request\.forwarded\]\.type|request\.refused\]\.code|upstream\.verified\](\.reason)?)$/,
    REFUSAL,
  ],
  ["refusal", /^decision\.(at|candidates|candidates\[0\]\.(id|path|facts\[backend\.\w+\]\.value))$/, REFUSAL],
  ["refusal", /^decision\.facts\[(model\.digest|request\.value_usd)\]\.value$/, REFUSAL],
];

/** Changes that are tried of each document, chosen by the seed; `RESIGN_ALL=1` tries every one. */
const CHANGES_EACH = process.env["RESIGN_ALL"] === "1" ? Number.POSITIVE_INFINITY : 70;
const KINDS: readonly Kind[] = ["gateway-sealed", "denied", "lost-after-forwarding"];
const seed = Number(process.env["TAMPER_SEED"] ?? Date.now() % 2 ** 32);
const TIMEOUT_MS = 240_000;

let world: World;
let trust: Trust;
const honest = new Map<Kind, Opened>();
beforeAll(async () => {
  world = await createWorld();
  trust = trustOf(world);
  for (const kind of KINDS) honest.set(kind, openBuilt(await buildBundle(world, { kind })));
});

/** The place with names instead of positions: of facts, and of events. */
function named(place: string, document: JsonValue): string {
  const steps = place.split(/(?=[.[])/).slice(1);
  let value: JsonValue = document;
  let name = place.split(/[.[]/)[0] ?? "";
  for (const step of steps) {
    const index: number | string = step.startsWith("[") ? Number(step.slice(1, -1)) : step.slice(1);
    const inner: JsonValue = Array.isArray(value)
      ? ((value as readonly JsonValue[])[Number(index)] ?? null)
      : isJsonObject(value)
        ? (value[index] ?? null)
        : null;
    const label = isJsonObject(inner) && step.startsWith("[") ? (inner["name"] ?? inner["type"] ?? null) : null;
    name += typeof label === "string" ? `[${label}]` : step;
    value = inner;
  }
  return name;
}

/** All changes of a document, or as many as are tried, drawn without replacement. */
function chosen(document: JsonValue, layer: Layer): readonly Tampered[] {
  const same = canonicalJson(document);
  const all = [...tamper(document, layer)].filter((change) => canonicalJson(change.document) !== same);
  if (all.length <= CHANGES_EACH) return all;
  const random = seededNumbers(seed);
  return Array.from({ length: CHANGES_EACH }, () => all.splice(Number(random.next().value) % all.length, 1)).flat();
}

function isListed(kind: Kind, place: string): boolean {
  const side = kind === "gateway-sealed" ? "answer" : "refusal";
  return HARMLESS.some(([where, pattern]) => (where === "any" || where === side) && pattern.test(place));
}

/** What is wrong with the verdict on a changed bundle, or an empty text. */
function fault(kind: Kind, place: string, { outcome, code, claims }: Verdict): string {
  if (outcome === "accepted") return isListed(kind, place) ? "" : "accepted, and not listed as harmless";
  if (outcome !== "rejected" && outcome !== "malformed" && outcome !== "unsupported") return `outcome ${String(outcome)}`;
  if (code === null || code === "VERIFIER_FAILED") return `refused with ${code}`;
  return claims.length === 0 ? "" : "refused, with claims";
}

async function tried(
  kind: Kind,
  layer: Layer,
): Promise<{ readonly tried: number; readonly accepted: ReadonlySet<string>; readonly faults: readonly string[] } | null> {
  const opened = honest.get(kind);
  const document = opened?.documents[layer];
  if (opened === undefined || document === undefined) return null;
  const faults: string[] = [];
  const accepted = new Set<string>();
  const changes = chosen(document, layer);
  for (const change of changes) {
    const place = named(change.place, document);
    const bytes = resign(world, opened, layer, change.document);
    const verdict = await judge(bytes, trust).catch((error: unknown) => String(error));
    if (typeof verdict !== "string" && verdict.outcome === "accepted") accepted.add(place);
    const wrong = typeof verdict === "string" ? `threw ${verdict}` : fault(kind, place, verdict);
    if (wrong !== "") faults.push(`${place}: ${wrong}`);
  }
  return { tried: changes.length, accepted, faults };
}

describe("a gateway that changes one place and signs everything anew", () => {
  for (const kind of KINDS) {
    it(
      `gets nothing accepted of a bundle of kind ${kind} but what is harmless`,
      async () => {
        for (const layer of LAYERS) {
          const result = await tried(kind, layer);
          if (result === null) continue;
          console.log(
            `re-signed, ${kind}, ${layer}: ${result.tried} changes with TAMPER_SEED=${seed}, accepted: ${[...result.accepted].sort().join(", ") || "none"}`,
          );
          expect(result.tried).toBeGreaterThan(50);
          expect([...new Set(result.faults)]).toEqual([]);
        }
      },
      TIMEOUT_MS,
    );
  }

  it("gets the same bundle accepted with nothing changed", async () => {
    for (const kind of KINDS) {
      const opened = honest.get(kind);
      for (const layer of LAYERS) {
        const document = opened?.documents[layer];
        if (opened === undefined || document === undefined) continue;
        expect((await judge(resign(world, opened, layer, document), trust)).code).toBeNull();
      }
    }
  });
});
