/** Facts with their origin: what a decision rests on, who vouches for it, and how it reaches conditions. */
import { array, type Decoder, matching, object, oneOf } from "../core/decode.ts";
import { TrisealError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { type CallerFacts, decodeCallerFacts } from "../core/oip.ts";
import type { Backend, PathId } from "../paths/path.ts";
import { type Attribute, CANDIDATE_NAMES, ORIGINS, type Origin, ROOTS } from "./attribute.ts";

/** Value of a fact. */
export type FactValue = string | number | boolean | readonly string[];

/** One fact. */
export type Fact = {
  /** Dotted name, such as `request.classification`. */
  readonly name: string;
  readonly origin: Origin;
  readonly value: FactValue;
};

/** One backend that could answer, before policy. `facts` are all under `backend.`, without `backend.id` and `backend.path`. */
export type Candidate = {
  readonly id: string;
  readonly path: PathId;
  readonly facts: readonly Fact[];
};

/** Most facts about a request, and most about one candidate. */
export const MAX_FACTS = 64;
/** Most items of a list fact. */
export const MAX_LIST_ITEMS = 64;
const MAX_TEXT_LENGTH = 256;

/** Whether `value` is a text of 1 to `maxLength` UTF-16 code units, well-formed and without control characters. */
export function isText(value: unknown, maxLength = MAX_TEXT_LENGTH): value is string {
  // Any control character but those of the C1 block, as `core/decode.ts` has it.
  const control = /[^\P{Cc}\u0080-\u009f]/u;
  return (
    typeof value === "string" && value.length > 0 && value.length <= maxLength && value.isWellFormed() && !control.test(value)
  );
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_LIST_ITEMS && value.every((item) => isText(item));
}

const decodeFactValue: Decoder<FactValue> = (value: JsonValue | undefined, place) => {
  if (isText(value) || isTextList(value) || typeof value === "number" || typeof value === "boolean") return value;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected a text, a number, a boolean or a list of texts`);
};

/** Decodes a dotted name. Does not check that it is in a table. */
export const decodeFactName = matching(/[a-z]{1,16}\.[a-z][a-z0-9_]{0,47}/, "a dotted name");

/** Decodes a fact. Checks name, origin and value by form only, not against a table. */
export const decodeFact: Decoder<Fact> = object({ name: decodeFactName, origin: oneOf(...ORIGINS), value: decodeFactValue });

/** Decodes a list of facts. */
export const decodeFacts = array(decodeFact, MAX_FACTS);

function fits(value: unknown, attribute: Attribute): boolean {
  switch (attribute.type) {
    case "string":
      return isText(value) && (attribute.values === undefined || attribute.values.includes(value));
    case "double":
      return typeof value === "number" && Number.isFinite(value);
    case "bool":
      return typeof value === "boolean";
    case "list<string>":
      return isTextList(value);
  }
}

/** Facts that a decision may rest on, sorted by name, and the names of those that it may not. */
export interface ScreenedFacts {
  readonly usable: readonly Fact[];
  /** Sorted; `?` stands for a name that is not even well-formed. */
  readonly rejected: readonly string[];
}

/**
 * Facts in canonical order, without those that the table does not allow: unknown name, another origin, another type or
 * value, given twice, under the wrong root, or too many. Never throws.
 * @param scope `backend` for the facts of a candidate, `request` for all others.
 */
export function screenFacts(
  facts: readonly Fact[],
  attributes: readonly Attribute[],
  scope: "request" | "backend",
): ScreenedFacts {
  const rejected = new Set<string>();
  const usable = new Map<string, Fact>();
  const seen = new Set<string>();
  for (const [index, { name, origin, value }] of facts.entries()) {
    const attribute = attributes.find((known) => known.name === name);
    const placed =
      typeof name === "string" && name.startsWith("backend.") === (scope === "backend") && !CANDIDATE_NAMES.includes(name);
    const accepted = placed && attribute?.origin === origin && fits(value, attribute) && !seen.has(name) && index < MAX_FACTS;
    seen.add(name);
    if (accepted) {
      usable.set(name, { name, origin, value });
    } else {
      usable.delete(name);
      rejected.add(attribute === undefined ? "?" : name);
    }
  }
  return {
    usable: [...usable.values()].sort((left, right) => (left.name < right.name ? -1 : 1)),
    rejected: [...rejected].sort(),
  };
}

/** What conditions are evaluated on: one object per root. */
export type ConditionContext = Readonly<Record<string, Readonly<Record<string, FactValue>>>>;

/** The context of conditions that do not mention `backend`, or with `candidate` of those that do. */
export function conditionContext(facts: readonly Fact[], candidate: Candidate | null): ConditionContext {
  const context: Record<string, Record<string, FactValue>> = {};
  for (const root of ROOTS) context[root] = {};
  const add = (name: string, value: FactValue) => {
    const dot = name.indexOf(".");
    const members = context[name.slice(0, dot)];
    if (members !== undefined) members[name.slice(dot + 1)] = value;
  };
  for (const fact of facts) add(fact.name, fact.value);
  if (candidate !== null) {
    for (const fact of candidate.facts) add(fact.name, fact.value);
    add("backend.id", candidate.id);
    add("backend.path", candidate.path);
  }
  return context;
}

/** What the caller stated, as facts. */
export function factsFromCaller(stated: CallerFacts): readonly Fact[] {
  return Object.entries(stated).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name: `request.${name}`, origin: "caller" as const, value }],
  );
}

/**
 * The facts of caller origin among `facts`, as the caller stated them: the inverse of `factsFromCaller`.
 * @throws TrisealError `FORMAT_INVALID` where one of them is not such a fact.
 */
export function callerFactsOf(facts: { readonly facts: readonly Fact[] }): CallerFacts {
  const stated = facts.facts.filter((fact) => fact.origin === "caller");
  const outside = stated.find((fact) => !fact.name.startsWith("request."));
  if (outside !== undefined) throw new TrisealError("FORMAT_INVALID", `no caller states \`${outside.name}\``);
  return decodeCallerFacts(Object.fromEntries(stated.map((fact) => [fact.name.slice("request.".length), fact.value])), "facts");
}

/** A path's backend as a candidate: its fact names get the prefix `backend.`. */
export function candidateOf(backend: Backend): Candidate {
  return {
    id: backend.id,
    path: backend.path,
    facts: backend.facts.map(({ name, origin, value }) => ({ name: `backend.${name}`, origin, value })),
  };
}
