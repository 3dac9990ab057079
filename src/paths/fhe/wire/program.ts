/** Programs over encrypted values: the strict parser (SPEC 2). What the ops mean is in `operation.ts`. */
import { array, boolean, type Decoder, object, oneOf, text } from "../../../core/decode.ts";
import { digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { JsonValue } from "../../../core/json.ts";
import { fheError } from "./codes.ts";
import { assertDistinct, MAX_VALUES, readDocument, typeName, valueName } from "./document.ts";
import { checkOperation, type Operation } from "./operation.ts";
import { findType, type ValueType } from "./value-type.ts";

/** Longest document, in bytes. */
const MAX_PROGRAM_BYTES = 256 * 1024;
const MAX_OPS = 256;
/** Longest op: a name, an op, and 64 values. */
const MAX_OP_ITEMS = 2 + 64;
/** Longest argument: a sign and twenty digits, or a name. */
const MAX_ARGUMENT = 32;

/** An input of a program. */
export interface ProgramInput {
  readonly n: string;
  readonly t: string;
  readonly type: ValueType;
  /** Whether its value comes in the clear, with the run. */
  readonly clear: boolean;
}

/** A program that was read and checked: every name is there, every type fits. */
export interface Program {
  /** JCS form of the document. */
  readonly bytes: Uint8Array;
  /** SHA-256 of that. */
  readonly digest: Sha256Digest;
  readonly inputs: readonly ProgramInput[];
  readonly ops: readonly Operation[];
  readonly outputs: readonly { readonly n: string; readonly t: string; readonly type: ValueType }[];
}

const yes: Decoder<true> = (value, place) => {
  if (boolean(value, place)) return true;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected \`true\`, or no such member`);
};

const decodeProgram = object({
  v: oneOf(1),
  in: array(object({ n: valueName, t: typeName }, { clear: yes }), MAX_VALUES),
  ops: array(array(text(MAX_ARGUMENT), MAX_OP_ITEMS), MAX_OPS),
  out: array(valueName, MAX_VALUES),
});

/** `error` as one of a program: the parser's place goes along. */
function asInvalid(error: unknown): TrisealError {
  if (!(error instanceof TrisealError)) throw error;
  const op = /^program\.ops\[([0-9]+)\]/.exec(error.message)?.[1];
  return fheError("FHE_PROGRAM_INVALID", error.message, op === undefined ? {} : { details: { op: Number(op) } });
}

function decoded(value: JsonValue): ReturnType<typeof decodeProgram> {
  const document = decodeProgram(value, "program");
  assertDistinct(
    document.in.map(({ n }) => n),
    "program.in",
  );
  assertDistinct(document.out, "program.out");
  if (document.out.length === 0) throw new TrisealError("FORMAT_INVALID", "program.out: expected at least one name");
  return document;
}

function inputOf({ n, t, clear }: { readonly n: string; readonly t: string; readonly clear?: true }): ProgramInput {
  const type = findType(t);
  if (type === null) throw fheError("FHE_PROGRAM_INVALID", `there is no type ${t}`);
  return { n, t, type, clear: clear === true };
}

/**
 * Reads and checks a program given as JSON.
 * @throws TrisealError `FHE_PROGRAM_INVALID`; `details.op` is the index of the op that is wrong, where it is one.
 */
export function checkProgram(value: JsonValue): Program {
  let document: ReturnType<typeof decodeProgram>;
  try {
    document = decoded(value);
  } catch (error) {
    throw asInvalid(error);
  }
  const inputs = document.in.map(inputOf);
  const scope = new Map(inputs.map(({ n, type }) => [n, type]));
  const ops = document.ops.map((items, index) => {
    const operation = checkOperation(items, index, scope);
    scope.set(operation.out, operation.type);
    return operation;
  });
  const outputs = document.out.map((n) => {
    const type = scope.get(n);
    if (type === undefined) throw fheError("FHE_PROGRAM_INVALID", `the output ${n} is neither an input nor a result`);
    return { n, t: type.name, type };
  });
  const bytes = encodeJcs(value);
  return { bytes, digest: digestOf(bytes), inputs, ops, outputs };
}

/**
 * Reads and checks a program's document. It may be spelled freely: `bytes` of the result are its JCS form.
 * @throws TrisealError `FHE_PROGRAM_INVALID`, also for more than 256 KiB and for what is no strict JSON.
 */
export function parseProgram(bytes: Uint8Array): Program {
  let value: JsonValue;
  try {
    value = readDocument(bytes, MAX_PROGRAM_BYTES, "a program");
  } catch (error) {
    throw asInvalid(error);
  }
  return checkProgram(value);
}
