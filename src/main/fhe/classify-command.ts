/** `triseal fhe classify`: an integer model on a record that its service never reads. */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { array, finite, object } from "../../core/decode.ts";
import { isJsonObject, parseJson } from "../../core/json.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { readNamed } from "../refusing.ts";
import { type Classified, classifyEncrypted } from "./classify.ts";
import { gatewayOptions } from "./key-commands.ts";
import { readKeyFolder } from "./key-folder.ts";
import { needNative } from "./native-program.ts";
import { refusing } from "./refusing.ts";
import { parametersOf } from "./run-command.ts";

interface ClassifyFlags extends GatewayFlags {
  readonly gateway: string;
  readonly keys: string;
  readonly in: string;
  readonly parameters?: string;
  readonly bundle?: string;
  readonly json?: true;
}

const values = array(finite, 65_536);
const decodeRecord = object({ x: values });

/** A record: a list of numbers, or an object that has it as `x`. @throws TrisealError `FORMAT_INVALID`. */
async function readRecord(file: string): Promise<readonly number[]> {
  const json = parseJson(await readNamed(file));
  return isJsonObject(json) ? decodeRecord(json, "record").x : values(json, "record");
}

function printed({ integers, label, finished }: Classified, model: string): string {
  const { answer, receiptId, terms } = finished;
  return [
    `label      ${label ?? "the model names none"}`,
    `integers   ${integers.join(" ")}`,
    `model      ${model} ${terms.programDigest}`,
    `receipt    ${receiptId}`,
    `price      ${answer.price.pbs} bootstraps, ${answer.price.depth} deep`,
  ].join("\n");
}

function classify(model: string, flags: ClassifyFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const native = needNative();
    const keys = await readKeyFolder(flags.keys);
    const record = await readRecord(flags.in);
    const parameters = await parametersOf(flags.parameters);
    await withClient(flags, async (client) => {
      const made = await classifyEncrypted(client, native, keys, { model, record, parameters });
      const { integers, label, finished } = made;
      if (flags.bundle !== undefined) await writeFile(flags.bundle, finished.bundle);
      const { receiptId, answer } = finished;
      console.log(flags.json ? JSON.stringify({ ok: true, label, integers, receiptId, ...answer }) : printed(made, model));
    });
  });
}

/** Adds `fhe classify`. */
export function addClassifyCommand(fhe: Command): void {
  gatewayOptions(
    fhe
      .command("classify <model>")
      .description("run an integer model on a record that is encrypted and decrypted here, under a key set of kind lwe")
      .requiredOption("--keys <dir>", "folder of the key set, whose public part the gateway has (`upload-key`)")
      .requiredOption("--in <file>", "the record in JSON: a list of raw values in the order of the model's features")
      .option("--parameters <file>", "JSON object of facts for the policy, such as a classification")
      .option("--bundle <file>", "write the receipt's bundle here"),
  ).action(classify);
}
