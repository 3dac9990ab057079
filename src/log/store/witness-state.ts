/** What a witness remembers of a log: the last checkpoint it cosigned, in a file that only it writes. */
import { encodeHex, parseUtf8, utf8 } from "../../core/bytes.ts";
import { sha256Bytes } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { type UnixSeconds, unixSeconds } from "../../core/time.ts";
import { type Checkpoint, parseCheckpointText } from "../checkpoint.ts";
import { verifyCosignature, type WitnessKey } from "../cosignature.ts";
import { emptyRoot } from "../merkle.ts";
import { encodeNote, type Note, parseNote } from "../note.ts";
import { type DurableFiles, makeDurableDirectory, replaceFile } from "./files.ts";

/** The last cosigned checkpoint of one log; size 0 and time 1 where there is none. */
export interface WitnessedLog {
  readonly checkpoint: Checkpoint;
  /** When it was cosigned. */
  readonly time: UnixSeconds;
}

function statePath(directory: string, origin: string): string {
  return `${directory}/${encodeHex(sha256Bytes(utf8(origin)))}.checkpoint`;
}

/** Makes the folder of the state, and clears away what an interrupted write left. */
export async function prepareStateFolder(files: DurableFiles, directory: string): Promise<void> {
  await makeDurableDirectory(files, directory);
  for (const name of await files.list(directory)) {
    if (name.endsWith(".tmp")) await files.remove(`${directory}/${name}`);
  }
}

/**
 * The remembered checkpoint of `origin`. It counts only under the witness's own cosignature.
 * @throws TrisealError `LOG_CORRUPT`: to forget a log would let it show this witness another past.
 */
export async function readWitnessed(
  files: DurableFiles,
  directory: string,
  origin: string,
  witness: WitnessKey,
): Promise<WitnessedLog> {
  const bytes = await files.read(statePath(directory, origin));
  if (bytes === null) return { checkpoint: { origin, size: 0, root: emptyRoot() }, time: unixSeconds(1) };
  try {
    const note = parseNote(parseUtf8(bytes));
    const checkpoint = parseCheckpointText(note.text);
    const own = note.signatures.map((line) => verifyCosignature(note.text, line, witness)).find((found) => found !== null);
    if (checkpoint.origin === origin && own !== undefined && own !== null) return { checkpoint, time: own.time };
  } catch (cause) {
    throw new TrisealError("LOG_CORRUPT", `witness state of \`${origin.slice(0, 80)}\` is unreadable`, { cause });
  }
  throw new TrisealError("LOG_CORRUPT", `witness state of \`${origin.slice(0, 80)}\` does not bear this witness's cosignature`);
}

/** Replaces the remembered checkpoint of `origin`; durable when it resolves. */
export async function writeWitnessed(files: DurableFiles, directory: string, origin: string, note: Note): Promise<void> {
  await replaceFile(files, statePath(directory, origin), utf8(encodeNote(note)));
}
