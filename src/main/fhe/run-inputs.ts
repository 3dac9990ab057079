/** The inputs of a run as the command line spells them. */
import { readFile } from "node:fs/promises";
import { array, jsonObject, object } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { typeName, valueName } from "../../paths/fhe/wire/document.ts";
import type { RunDocument, RunInput } from "../../paths/fhe/wire/run.ts";
import { givenValue } from "./key-commands.ts";

/** A value that goes into a proven list. */
interface Secret {
  readonly n: string;
  readonly v: string;
}

/** What the command line says of a run. */
export interface SpelledRun {
  readonly inputs: RunDocument["inputs"];
  readonly writes: RunDocument["writes"];
  /** Values of the one list, in its order; their types are the program's. */
  readonly secrets: readonly Secret[];
}

function pair(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new TrisealError("FORMAT_INVALID", "expected name=value");
  return [valueName(text.slice(0, at), "name"), text.slice(at + 1)];
}

async function inputOf(text: string, secrets: Secret[], n: string): Promise<RunInput> {
  const [, kind = "", rest = ""] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  switch (kind) {
    case "account":
      return { account: rest };
    case "clear":
      return { clear: rest };
    case "handle":
      return { handle: rest };
    case "ciphertext":
      return { ciphertext: new Uint8Array(await readFile(rest)) };
    case "secret":
      secrets.push({ n, v: await givenValue(rest) });
      return { list: 0, index: secrets.length - 1 };
    default:
      throw new TrisealError(
        "FORMAT_INVALID",
        "an input is account:NAME, secret:VALUE, clear:VALUE, handle:HEX or ciphertext:FILE",
      );
  }
}

/**
 * Reads `name=kind:value` and `output=account`.
 * @throws TrisealError `FORMAT_INVALID`. That the names are the program's is for the service.
 */
export async function spelledRun(inputs: readonly string[], writes: readonly string[]): Promise<SpelledRun> {
  const secrets: Secret[] = [];
  const read = new Map<string, RunInput>();
  for (const [name, value] of inputs.map(pair)) {
    if (read.has(name)) throw new TrisealError("FORMAT_INVALID", "an input is given twice");
    read.set(name, await inputOf(value, secrets, name));
  }
  return { inputs: read, writes: new Map(writes.map(pair)), secrets };
}

const decodeInputs = object({ in: array(jsonObject, 64) });

/** Types of a program's inputs by name. @throws TrisealError `FORMAT_INVALID`. */
export function inputTypes(program: JsonObject): ReadonlyMap<string, string> {
  const { in: inputs } = decodeInputs({ in: isJsonObject(program) ? (program["in"] ?? []) : [] }, "program");
  return new Map(inputs.map(({ n, t }) => [valueName(n, "program.in.n"), typeName(t, "program.in.t")]));
}
