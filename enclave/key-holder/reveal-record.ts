/**
 * What a key holder has revealed: a file of one line each, durable before anything is decrypted. The lines are chained, and statements name
 * their place: a holder whose file was set back signs two of one place.
 */
import { concatBytes, utf8 } from "../../src/core/bytes.ts";
import { object } from "../../src/core/decode.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { parseJson } from "../../src/core/json.ts";
import type { UnixSeconds } from "../../src/core/time.ts";
import type { AppendFile, DurableFiles } from "../../src/log/store/files.ts";
import type { PermittedReveal } from "../../src/paths/fhe/evidence/reveal-rule.ts";
import { fheError } from "../../src/paths/fhe/wire/codes.ts";
import { type DecidedReveal, decodeDecidedReveal, decodeMarks, NO_REVEAL, revealHead } from "../../src/paths/fhe/wire/reveal.ts";

const LINE_END = 0x0a;

const decodeLine = object({ reveal: decodeDecidedReveal, marks: decodeMarks });

interface Kept {
  /** By claim and output. */
  readonly reveals: Map<string, DecidedReveal>;
  /** The claim that each mark belongs to. */
  readonly owners: Map<string, string>;
  head: string;
}

const nameOf = ({ claim, output }: Pick<DecidedReveal, "claim" | "output">) => `${claim} ${output}`;

function keep(kept: Kept, reveal: DecidedReveal, marks: readonly string[]): void {
  kept.reveals.set(nameOf(reveal), reveal);
  for (const mark of marks) kept.owners.set(mark, reveal.claim);
  kept.head = revealHead(reveal);
}

/** What the whole lines of a file hold. @throws TrisealError `LOG_CORRUPT`. */
function readLines(bytes: Uint8Array): Kept {
  const kept: Kept = { reveals: new Map(), owners: new Map(), head: NO_REVEAL };
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LINE_END, start);
    const sequence = kept.reveals.size + 1;
    try {
      const { reveal, marks } = decodeLine(parseJson(bytes.subarray(start, end)), "line");
      if (reveal.sequence !== sequence || reveal.previous !== kept.head) throw new Error("out of order");
      keep(kept, reveal, marks);
    } catch (cause) {
      throw new TrisealError("LOG_CORRUPT", `line ${sequence} of what was revealed cannot be read`, { cause });
    }
    start = end + 1;
  }
  return kept;
}

/** The record of one key holder. */
export class RevealRecord {
  private readonly kept: Kept;
  private readonly file: AppendFile;
  private broken = false;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(kept: Kept, file: AppendFile) {
    this.kept = kept;
    this.file = file;
  }

  /**
   * Opens the record in `folder`, which the caller holds the lock of. A last line without its end was never durable, so nothing was
   * decrypted for it: it is cut off.
   * @throws TrisealError `LOG_CORRUPT` for any other damage: what was revealed is not known then.
   */
  static async open(files: DurableFiles, folder: string): Promise<RevealRecord> {
    const path = `${folder}/reveals`;
    const bytes = (await files.read(path)) ?? new Uint8Array();
    const whole = bytes.lastIndexOf(LINE_END) + 1;
    const kept = readLines(bytes.subarray(0, whole));
    const file = await files.openAppend(path);
    if (whole < bytes.length) await file.truncate(whole);
    await file.sync();
    await files.syncDirectory(folder);
    return new RevealRecord(kept, file);
  }

  /** How many there are. */
  get size(): number {
    return this.kept.reveals.size;
  }

  /**
   * Decides a reveal: durable when this returns. The one that was decided for the same output of the same claim is given again.
   * @param marks what no other claim may share (`revealMarks`).
   * @throws TrisealError `FHE_REVEAL_REPEATED`; `STORE_UNAVAILABLE` where it cannot be kept, and from then on.
   */
  decide(permitted: PermittedReveal, marks: readonly string[], now: UnixSeconds): Promise<DecidedReveal> {
    const decided = this.turn.then(() => this.decideNext(permitted, marks, now));
    this.turn = decided.catch(() => undefined);
    return decided;
  }

  async close(): Promise<void> {
    await this.turn;
    await this.file.close();
  }

  private async decideNext(permitted: PermittedReveal, marks: readonly string[], now: UnixSeconds): Promise<DecidedReveal> {
    const { kept } = this;
    const known = kept.reveals.get(nameOf(permitted));
    if (known !== undefined) {
      const { sequence, previous, decidedAt } = known;
      const again = { ...permitted, sequence, previous, decidedAt };
      if (revealHead(again) === revealHead(known)) return known;
      throw fheError("FHE_REVEAL_REPEATED", "this output was revealed for another receipt, or under another configuration");
    }
    const shared = marks.find((mark) => (kept.owners.get(mark) ?? permitted.claim) !== permitted.claim);
    if (shared !== undefined) {
      const [what = "part"] = shared.split(" ");
      throw fheError("FHE_REVEAL_REPEATED", `another run of the same ${what} was revealed`);
    }
    const reveal = { ...permitted, sequence: kept.reveals.size + 1, previous: kept.head, decidedAt: now };
    await this.append({ reveal, marks });
    keep(kept, reveal, marks);
    return reveal;
  }

  private async append(line: { readonly reveal: DecidedReveal; readonly marks: readonly string[] }): Promise<void> {
    // After a write that failed nobody knows what the file holds: a start reads it.
    if (this.broken) throw new TrisealError("STORE_UNAVAILABLE", "what was revealed cannot be kept: start the key holder anew");
    try {
      const { reveal, marks } = line;
      await this.file.append(concatBytes(encodeJcs({ reveal: { ...reveal }, marks }), utf8("\n")), true);
    } catch (cause) {
      this.broken = true;
      throw new TrisealError("STORE_UNAVAILABLE", "what was revealed cannot be kept", { cause });
    }
  }
}
