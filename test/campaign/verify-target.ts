/** The fuzz target `verify`: the verifier itself on changed bundles, and every parser of bytes that it or the SDK reads. */
import { parseUtf8 } from "../../src/core/bytes.ts";
import { canonicalJson, encodeJcs } from "../../src/core/jcs.ts";
import { parseJson } from "../../src/core/json.ts";
import { parseInferenceRequest } from "../../src/core/oip.ts";
import { parseTrust, type Trust } from "../../src/trust/index.ts";
import { buildBundle, KINDS } from "../fixtures/bundle.ts";
import { judge } from "../fixtures/verdict.ts";
import { createWorld, serviceEntry, trustOf, trustText } from "../fixtures/world.ts";
import type { FuzzTarget, Judged, Subject } from "./fuzz-target.ts";
import { parserSubjects, parsing } from "./verify-parsers.ts";

/** No case of these sizes takes a tenth of this on an idle machine. */
const CASE_TIMEOUT_MS = 10_000;

/** The document in `bytes` in its canonical form; null where a strict reader sees none. */
function canonical(bytes: Uint8Array): string | null {
  try {
    return canonicalJson(parseJson(bytes));
  } catch {
    return null;
  }
}

/**
 * The verifier: no case may make it throw; what it accepts is one of the examples in another spelling, and every other
 * spelling of an example is accepted.
 */
function bundleSubject(examples: readonly Uint8Array[], trust: Trust): Subject {
  const originals = new Set(examples.map(canonical));
  return {
    name: "bundle",
    examples,
    judge: async (bytes): Promise<Judged> => {
      const { outcome, code, claims, checks } = await judge(bytes, trust);
      const same = originals.has(canonical(bytes));
      const named = `${outcome}${code === null ? "" : ` ${code}`}`;
      if (outcome === "accepted" && !same) return { outcome: named, fault: "accepted: a bundle whose document was changed" };
      if (outcome !== "accepted" && same) return { outcome: named, fault: `refused: a spelling that is free, with ${code}` };
      if (outcome !== "accepted" && claims.length > 0)
        return { outcome: named, fault: "claims: a refusal that claims something" };
      const unread = checks.find((check) => check.id === "bundle.verifiable" && check.status === "fail");
      return { outcome: named, fault: unread === undefined ? null : `unread: a reader threw ${unread.message}` };
    },
  };
}

/** A trust file that was changed: read or refused, and a verification under it ends in a verdict. */
function trustSubject(trustFile: Uint8Array, bundle: Uint8Array): Subject {
  const read = parsing("trust", [trustFile], parseTrust);
  return {
    ...read,
    judge: async (bytes): Promise<Judged> => {
      const judged = await read.judge(bytes);
      if (judged.outcome !== "read") return judged;
      const verdict = await judge(bundle, parseTrust(bytes));
      return { outcome: `read, ${verdict.outcome}`, fault: null };
    },
  };
}

/** Strict JSON, and its canonical form: reading that form again gives that form again. */
const jsonSubject = (examples: readonly Uint8Array[]): Subject =>
  parsing("json", examples, (bytes) => {
    const form = encodeJcs(parseJson(bytes));
    if (parseUtf8(encodeJcs(parseJson(form))) !== parseUtf8(form)) throw new Error("the canonical form is not stable");
  });

/** A request body: what a strict reader takes, `JSON.parse` reads as the same document. */
const requestSubject = (examples: readonly Uint8Array[]): Subject =>
  parsing("oip request", examples, (bytes) => {
    parseInferenceRequest(bytes);
    const text = parseUtf8(bytes);
    if (canonicalJson(parseJson(text)) !== canonicalJson(JSON.parse(text))) throw new Error("two readers see two documents");
  });

/** The target. */
export const verifyTarget: FuzzTarget = {
  name: "verify",
  startsPrograms: false,
  open: async () => {
    const world = await createWorld();
    const built = await Promise.all(KINDS.map((kind) => buildBundle(world, { kind })));
    const bundles = built.map(({ bundle }) => bundle);
    const [first] = built;
    if (first === undefined) throw new Error("no bundle");
    const trustFile = new TextEncoder().encode(trustText(serviceEntry(world)));
    const bundle = bundleSubject(bundles, trustOf(world));
    return {
      // The bundle stands for all parsers at once, so that it gets a larger share.
      subjects: [
        ...Array.from({ length: 8 }, () => bundle),
        trustSubject(trustFile, first.bundle),
        jsonSubject(bundles),
        requestSubject(built.map(({ request }) => request.opened)),
        ...(await parserSubjects(world, built)),
      ],
      concurrency: 1,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect: async () => {
        const { outcome } = await judge(first.bundle, trustOf(world));
        return outcome === "accepted" ? null : `a good bundle is ${outcome} after a batch`;
      },
      numbers: () => ({ rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }),
      close: async () => undefined,
    };
  },
};
