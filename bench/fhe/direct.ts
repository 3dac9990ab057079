/** tfhe-rs called directly: the engine's example `direct`, a process that holds the same keys as the service. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { engine } from "../../scripts/cargo.ts";
import { type Answer, LineProcess } from "../line-process.ts";

/** Programs that `cargo build --release --examples` leaves. */
export const EXAMPLES: string = join(engine.folder, "target", "release", "examples");

/** Times of one direct call, in milliseconds, from compressed inputs to compressed outputs. */
export interface DirectRun {
  readonly ms: number;
  /** Decompressing, and in the engine's form re-randomising, until the first bootstrap of the program is done. */
  readonly loadMs: number;
  readonly computeMs: number;
  readonly storeMs: number;
  /** Bootstraps of the program: the circuit's nodes; in the usual form by tfhe-rs's own count. */
  readonly pbs: number;
  /** Bootstraps of loading: one for each block that is decompressed. */
  readonly loadPbs: number;
  /** Decrypted outputs. */
  readonly values: readonly string[];
}

/** What the example wants to know of the keys. */
export interface DirectKeys {
  readonly serverKey: string;
  readonly clientKey: string;
  readonly publicKey: string;
  readonly crs: string;
}

/** The process. */
export class Direct {
  private readonly process: LineProcess;
  private readonly ready: Promise<Answer>;

  constructor({ serverKey, clientKey, publicKey, crs }: DirectKeys) {
    this.process = new LineProcess(join(EXAMPLES, "direct"), [serverKey, clientKey, publicKey, crs]);
    this.ready = this.process.next();
    // Whoever asks first is told.
    this.ready.catch(() => undefined);
  }

  /** @throws Error that says what to build. */
  static assertBuilt(): void {
    const programs = [engine.program, ...["direct", "lwe", "linear_int16"].map((name) => join(EXAMPLES, name))];
    for (const program of programs) {
      try {
        accessSync(program, constants.X_OK);
      } catch {
        throw new Error(
          `${program} is not built: npm run build:engine, and cargo build --release --locked --examples in ${engine.folder}`,
        );
      }
    }
  }

  /** Resolves once the keys are in memory. */
  async opened(): Promise<void> {
    await this.ready;
  }

  /** One request; one at a time. @throws Error with what the process said. */
  async ask(request: object): Promise<Answer> {
    await this.ready;
    return await this.process.ask(request);
  }

  /** A run in the engine's own form, or as one writes it with tfhe-rs's integers. */
  async run(request: object): Promise<DirectRun> {
    const answer = await this.ask(request);
    const number = (name: string) => Number(answer[name]);
    return {
      ms: number("ms"),
      loadMs: number("loadMs"),
      computeMs: number("computeMs"),
      storeMs: number("storeMs"),
      pbs: number("pbs"),
      loadPbs: number("loadPbs"),
      values: (answer["values"] as readonly unknown[]).map(String),
    };
  }

  end(): void {
    this.process.end();
  }
}
