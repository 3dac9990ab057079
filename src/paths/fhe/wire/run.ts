/** A run (SPEC 6): what a caller asks for under a challenge, and what it gets. */
import { encodeBase64 } from "../../../core/bytes.ts";
import {
  array,
  base64Bytes,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  integer,
  map,
  object,
  oneOf,
} from "../../../core/decode.ts";
import { digestHex, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import { fheError } from "./codes.ts";
import { accountName, assertDistinct, clearValue, MAX_VALUES, outputType, readDocument, valueName } from "./document.ts";

/** Media type of the leg of a run, and what policies read in `request.submits`. */
export const SUBMITS_RUN = "fhe-run";

/** What policies read as `request.kind` of a program's run. */
export const STATE_WORK = "state";

/** What policies read as `request.kind` of a model's run. */
export const INFERENCE_WORK = "inference";

/** Largest run document, in bytes. */
export const MAX_RUN_BYTES = 16 * 1024 * 1024;

/** Largest input list, in bytes. */
export const MAX_LIST_BYTES = 1024 * 1024;

/** Largest ciphertext of a fresh input, in bytes: an expanded `u64` has half a MiB. */
export const MAX_CIPHERTEXT_BYTES = 1024 * 1024;

/** Most input lists of a run: an auction has one for each bidder. */
export const MAX_LISTS = 16;

const MAX_RUN_ANSWER_BYTES = 65_536;
const MAX_PBS = 2 ** 32 - 1;

const decodeAccount = object(
  { account: accountName },
  {
    /** The version that it must have, or the run is refused; any where it is left out. */
    version: integer(),
  },
);
const decodeListed = object({ list: integer(0, MAX_LISTS - 1), index: integer(0, 255) });
const decodeClear = object({ clear: clearValue });
const decodeHandle = object({ handle: hexText(32) });
const decodeCiphertext = object({ ciphertext: base64Bytes(MAX_CIPHERTEXT_BYTES) });

/**
 * An input of a run: the state of an account, a value of a proven list, a clear value, the value of a handle, or a ciphertext
 * that proves nothing (a `FheUint…` by tfhe-rs's `safe_serialize`).
 */
export type RunInput =
  | Decoded<typeof decodeAccount>
  | Decoded<typeof decodeListed>
  | Decoded<typeof decodeClear>
  | Decoded<typeof decodeHandle>
  | Decoded<typeof decodeCiphertext>;

const decodeInput: Decoder<RunInput> = (value, place) => {
  const has = (name: string): boolean => isJsonObject(value) && Object.hasOwn(value, name);
  if (has("account")) return decodeAccount(value, place);
  if (has("list")) return decodeListed(value, place);
  if (has("clear")) return decodeClear(value, place);
  return has("handle") ? decodeHandle(value, place) : decodeCiphertext(value, place);
};

const decodeRun = object({
  v: oneOf(1),
  /** The challenge's. */
  nonce: hexText(16),
  programDigest: digest,
  keyId: hexText(32),
  /** By the names of the program's inputs. */
  inputs: map(valueName, decodeInput, MAX_VALUES),
  lists: array(base64Bytes(MAX_LIST_BYTES), MAX_LISTS),
  /** Account that an output of the program becomes the state of, by the output's name. */
  writes: map(valueName, accountName, MAX_VALUES),
});

/** A parsed run document. That it fits its program is not checked. */
export type RunDocument = Omit<Decoded<typeof decodeRun>, "v">;

/**
 * Parses a run document.
 * @throws TrisealError `FORMAT_INVALID`, also where a list is missing, is unused, or gives one value twice; `FHE_SAME_ACCOUNT`
 *   where two outputs are written to one account.
 */
export function parseRun(bytes: Uint8Array): RunDocument {
  const { v: _, ...run } = decodeRun(readDocument(bytes, MAX_RUN_BYTES, "a run"), "run");
  assertLists(run);
  const written = [...run.writes.values()];
  if (new Set(written).size !== written.length) throw fheError("FHE_SAME_ACCOUNT", "two outputs would be written to one account");
  return run;
}

function assertLists({ inputs, lists }: RunDocument): void {
  const used = [...inputs.values()].flatMap((input) => ("list" in input ? [input] : []));
  assertDistinct(
    used.map(({ list, index }) => `${list} ${index}`),
    "run.inputs",
  );
  const named = new Set(used.map(({ list }) => list));
  if (used.some(({ list }) => list >= lists.length))
    throw new TrisealError("FORMAT_INVALID", "run.inputs: there is no such list");
  if (named.size !== lists.length) throw new TrisealError("FORMAT_INVALID", "run.lists: a list is not used");
}

/** The bytes of a run document, in JCS form. */
export function encodeRun({ nonce, programDigest, keyId, inputs, lists, writes }: RunDocument): Uint8Array {
  const input = (given: RunInput): JsonObject =>
    "ciphertext" in given ? { ciphertext: encodeBase64(given.ciphertext) } : { ...given };
  const named = Object.fromEntries([...inputs].map(([name, given]) => [name, input(given)]));
  return encodeJcs({
    v: 1,
    nonce,
    programDigest,
    keyId,
    inputs: named,
    lists: lists.map(encodeBase64),
    writes: Object.fromEntries(writes),
  });
}

/** Every account that a run reads or writes, each once, sorted: what its lists must be bound to. */
export function accountsOf({ inputs, writes }: Pick<RunDocument, "inputs" | "writes">): readonly string[] {
  const read = [...inputs.values()].flatMap((input) => ("account" in input ? [input.account] : []));
  return [...new Set([...read, ...writes.values()])].toSorted((left, right) => (left < right ? -1 : 1));
}

/** What a run costs: programmable bootstraps, and the longest chain of them. */
export const decodePrice = object({ pbs: integer(0, MAX_PBS), depth: integer(0, MAX_PBS) });

const decodeAnswer = object({
  v: oneOf(1),
  /** In the program's order. `bytes` is the length of the compressed value that `digest` is of. */
  outputs: array(object({ n: valueName, t: outputType, handle: hexText(32), digest, bytes: integer(1) }), MAX_VALUES),
  price: decodePrice,
});

/** What a caller gets: where the outputs are, and none of them. */
export type RunAnswer = Omit<Decoded<typeof decodeAnswer>, "v">;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseRunAnswer(bytes: Uint8Array): RunAnswer {
  const { v: _, ...answer } = decodeAnswer(readDocument(bytes, MAX_RUN_ANSWER_BYTES, "a run's answer"), "answer");
  return answer;
}

/** The bytes of an answer, in JCS form. */
export function encodeRunAnswer(answer: RunAnswer): Uint8Array {
  return encodeJcs({ v: 1, ...answer });
}

/** What a challenge says beside nonce and decision; `program` is for whoever knows the form of programs. */
export const decodeRunTerms = object({
  program: (value, place) => {
    if (isJsonObject(value)) return value;
    throw new TrisealError("FORMAT_INVALID", `${place}: expected an object`);
  },
  programDigest: digest,
  price: decodePrice,
  /** The common reference string that proofs of input lists are made with. */
  crs: object({ digest, bytes: integer(1, 256 * 1024 * 1024) }),
});

/** What a challenge says beside nonce and decision. */
export type RunTerms = Decoded<typeof decodeRunTerms>;

/** The address of a key, a ciphertext, a program or an account's document. @param form as node-tfhe reads it, or as it is at rest. */
export function blobAddress(named: Sha256Digest, form: "compressed" | "expanded" = "compressed"): string {
  return `/v1/fhe/blobs/${digestHex(named)}${form === "expanded" ? "?form=expanded" : ""}`;
}
