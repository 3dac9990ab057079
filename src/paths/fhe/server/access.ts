/** Who may do what with accounts and values (SPEC.md section 5). Whatever is not permitted answers as if it were not there. */
import { array, boolean, type Decoded, type Decoder, digest, hexText, object, text } from "../../../core/decode.ts";
import type { TrisealError } from "../../../core/errors.ts";
import { canonicalJson } from "../../../core/jcs.ts";
import { parseJson } from "../../../core/json.ts";
import { type AccountDocument, allowsProgram } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import { outputType } from "../wire/document.ts";

/** What a run does to an account. */
export type Permission = "read" | "debit" | "credit";

/** Who asks, and by which program. */
export interface Asking {
  /** SHA-256 of the API key. */
  readonly principal: string;
  readonly programDigest: string;
}

const MAX_READERS = 256;

const programsDecoder: Decoder<"any" | readonly string[]> = (value, place) =>
  value === "any" ? "any" : array(digest, MAX_READERS)(value, place);

const decodeFacts = object({
  t: outputType,
  keyId: hexText(32),
  /** Principals that may give the value to a run, and read what comes of it. */
  readers: array(hexText(32), MAX_READERS),
  /** Digests of programs that may take it. */
  programs: programsDecoder,
  /** Whether every ciphertext that it comes of was proven to be well-formed, or is the state of an account. */
  proven: boolean,
  /** What it is: text for people. */
  of: text(32),
});

/** What is kept of a value. */
export type ValueFacts = Decoded<typeof decodeFacts>;

/** Reads what is kept of a value. @throws TrisealError `FORMAT_INVALID`. */
export function parseValueFacts(document: string): ValueFacts {
  return decodeFacts(parseJson(document), "value");
}

/** What is kept of a value, as text. */
export function encodeValueFacts(facts: ValueFacts): string {
  return canonicalJson(facts);
}

/** Those who may read an account's state: its owner, and whom its document names. */
export function readersOf({ owner, acl }: AccountDocument): readonly string[] {
  return [...new Set([owner, ...acl.read])];
}

/** Whether an account may be used so. */
export function permits(account: AccountDocument, permission: Permission, { principal, programDigest }: Asking): boolean {
  const { owner, acl } = account;
  const may = principal === owner || acl[permission].includes(principal);
  return may && allowsProgram(acl.programs, programDigest);
}

/** What is in all of the lists, in the order of the first; `any` is everything. */
export function intersection(lists: readonly ("any" | readonly string[])[]): "any" | readonly string[] {
  return lists.reduce((left, right) => {
    if (left === "any") return right;
    return right === "any" ? left : left.filter((item) => right.includes(item));
  }, "any");
}

/** The one answer for what does not exist and for what the caller may not use. */
export function forbidden(): TrisealError {
  return fheError("FHE_FORBIDDEN_HANDLE", "no such account or handle for this key");
}
