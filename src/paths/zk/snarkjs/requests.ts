/** Requests on standard input: one line of JSON, `{"id", "bytes"}`, and then that many bytes. */

/** One request. */
export interface Request {
  readonly id: string;
  readonly body: Uint8Array;
}

const MAX_LINE = 4096;
const NEWLINE = 10;

/** Collects chunks and gives them out again in other lengths. */
class Pending {
  private readonly source: AsyncIterator<Uint8Array>;
  private held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterator<Uint8Array>) {
    this.source = source;
  }

  private async more(): Promise<boolean> {
    const next = await this.source.next();
    if (next.done === true) return false;
    this.held = Buffer.concat([this.held, next.value]);
    return true;
  }

  private take(length: number): Buffer {
    const taken = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    return taken;
  }

  /** The next line; null at the end of the input. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.held.indexOf(NEWLINE);
      if (end >= 0) return this.take(end + 1).toString("utf8");
      if (this.held.length > MAX_LINE) throw new Error("a request line is too long");
      if (!(await this.more())) return null;
    }
  }

  async exactly(length: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.held.length === 0 && !(await this.more())) throw new Error("the input ended within a request");
      const part = this.take(missing);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }
}

/** The requests of `input`, one after the other. Throws at a malformed one: nothing after it can be trusted. */
export async function* readRequests(input: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Request> {
  const pending = new Pending(input[Symbol.asyncIterator]());
  for (;;) {
    const line = await pending.line();
    if (line === null) return;
    const { id, bytes } = JSON.parse(line) as { readonly id?: unknown; readonly bytes?: unknown };
    if (typeof id !== "string" || typeof bytes !== "number" || !Number.isInteger(bytes) || bytes < 0 || bytes > maxBytes) {
      throw new Error("expected `id` and `bytes` within the witness's size");
    }
    yield { id, body: await pending.exactly(bytes) };
  }
}
