/** Programs that can be run: the shipped ones, by name, and those that a tenant registered, by digest. */
import { join } from "node:path";
import { integer, object } from "../../../core/decode.ts";
import { digestHex, isDigest, type Sha256Digest } from "../../../core/digest.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import { fheError } from "../wire/codes.ts";
import type { KeyDocument } from "../wire/key-document.ts";
import { makeFolder, namesIn, readOrNull, writeDurably } from "./data-files.ts";
import { TenantTurns } from "./tenant-turns.ts";

/** Programmable bootstraps, and the longest chain of them. */
export interface RunPrice {
  readonly pbs: number;
  readonly depth: number;
}

/** A program as runs need it. */
export interface RunProgram {
  /** Name of a shipped program; the digest of a registered one. */
  readonly name: string;
  readonly digest: Sha256Digest;
  /** Kind of the key sets that it runs under: an integer model runs under `lwe`. */
  readonly kind: KeyDocument["kind"];
  /** The document, in JCS form. Null of a model, which its operator gives to nobody. */
  readonly bytes: Uint8Array | null;
  /** What a challenge says of it. */
  readonly terms: JsonObject;
  readonly inputs: readonly { readonly n: string; readonly t: string; readonly clear: boolean }[];
  readonly outputs: readonly { readonly n: string; readonly t: string }[];
  /** What a run costs, whatever the clear values are. @throws TrisealError with a code of the path where it cannot be compiled. */
  readonly price: () => Promise<RunPrice>;
  /**
   * The circuit for these clear values, one for each clear input, unless `signal` ends the wait for it.
   * @throws TrisealError with a code of the path for a value that its type cannot hold, and as `price`.
   */
  readonly circuit: (
    clear: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ) => Promise<RunPrice & { readonly bytes: Uint8Array }>;
}

/** Reads a program's document. @throws TrisealError `FHE_PROGRAM_INVALID`. */
export type ReadProgram = (bytes: Uint8Array) => RunProgram;

/** What programs of tenants may be. */
export interface ProgramLimits {
  readonly programsPerTenant: number;
  readonly pbs: number;
  readonly depth: number;
}

/** Longest document of a program (SPEC.md section 2). */
export const MAX_PROGRAM_BYTES = 256 * 1024;

/** The programs of one gateway. */
export class Programs {
  private readonly shipped: readonly RunProgram[];
  private readonly folder: string;
  private readonly limits: ProgramLimits;
  private readonly read: ReadProgram;
  /** Registered programs by tenant, then by digest. */
  private readonly registered = new Map<string, Map<Sha256Digest, RunProgram>>();
  /** Registering: how many programs a tenant has is then known. */
  private readonly turns = new TenantTurns();

  private constructor(shipped: readonly RunProgram[], dataDir: string, limits: ProgramLimits, read: ReadProgram) {
    this.shipped = shipped;
    this.folder = join(dataDir, "programs");
    this.limits = limits;
    this.read = read;
  }

  /** Opens the programs of a data folder. One that this version cannot read any more is passed over. */
  static async open(
    shipped: readonly RunProgram[],
    dataDir: string,
    limits: ProgramLimits,
    read: ReadProgram,
  ): Promise<Programs> {
    const programs = new Programs(shipped, dataDir, limits, read);
    await makeFolder(programs.folder);
    for (const tenant of await namesIn(programs.folder)) {
      for (const name of await namesIn(join(programs.folder, tenant))) {
        if (!/^[0-9a-f]{64}$/.test(name)) continue;
        const bytes = await readOrNull(join(programs.folder, tenant, name));
        const program = bytes === null ? null : programs.readable(bytes);
        if (program !== null) programs.keep(tenant, await withKnownPrice(program, priceFile(programs.folder, tenant, name)));
      }
    }
    return programs;
  }

  /** Shipped programs and models. */
  all(): readonly RunProgram[] {
    return this.shipped;
  }

  /** A shipped program by name or digest, or one that this tenant registered, by digest; null otherwise. */
  find(tenant: string, named: string): RunProgram | null {
    const shipped = this.shipped.find(({ name, digest }) => name === named || digest === named);
    if (shipped !== undefined) return shipped;
    return isDigest(named) ? (this.registered.get(tenant)?.get(named) ?? null) : null;
  }

  /** Programs that a tenant registered. */
  of(tenant: string): readonly RunProgram[] {
    return [...(this.registered.get(tenant)?.values() ?? [])];
  }

  /**
   * Registers a program. The same one again changes nothing.
   * @throws TrisealError `FHE_PROGRAM_INVALID`, `FHE_PRICE_EXCEEDED`, `FHE_COMPILE_LIMIT`, `FHE_PROGRAM_QUOTA`, `OVERLOADED`.
   */
  register(tenant: string, bytes: Uint8Array): Promise<RunProgram> {
    return this.turns.run(tenant, () => this.add(tenant, bytes));
  }

  private async add(tenant: string, bytes: Uint8Array): Promise<RunProgram> {
    if (bytes.length > MAX_PROGRAM_BYTES) throw fheError("FHE_PROGRAM_INVALID", "the document is too long");
    const program = this.read(bytes);
    const known = this.find(tenant, program.digest);
    if (known !== null) return known;
    if (this.of(tenant).length >= this.limits.programsPerTenant)
      throw fheError("FHE_PROGRAM_QUOTA", "this tenant has as many programs as it may");
    const price = await program.price();
    assertPrice(price, this.limits);
    await makeFolder(join(this.folder, tenant));
    await writeDurably(priceFile(this.folder, tenant, digestHex(program.digest)), encodeJcs({ ...price }));
    await writeDurably(join(this.folder, tenant, digestHex(program.digest)), program.bytes ?? bytes);
    this.keep(tenant, program);
    return program;
  }

  private readable(bytes: Uint8Array): RunProgram | null {
    try {
      return this.read(bytes);
    } catch {
      return null;
    }
  }

  private keep(tenant: string, program: RunProgram): void {
    const own = this.registered.get(tenant) ?? new Map<Sha256Digest, RunProgram>();
    own.set(program.digest, program);
    this.registered.set(tenant, own);
  }
}

function priceFile(folder: string, tenant: string, name: string): string {
  return join(folder, tenant, `${name}.price`);
}

const decodePrice = object({ pbs: integer(), depth: integer() });

/** The program with the price that was found when it was registered: nothing is compiled to list it. */
async function withKnownPrice(program: RunProgram, file: string): Promise<RunProgram> {
  const bytes = await readOrNull(file);
  if (bytes === null) return program;
  try {
    const price = decodePrice(parseJson(bytes), "price");
    return { ...program, price: async () => price };
  } catch {
    return program;
  }
}

/** @throws TrisealError `FHE_PRICE_EXCEEDED`. */
export function assertPrice({ pbs, depth }: RunPrice, limits: Pick<ProgramLimits, "pbs" | "depth">): void {
  if (pbs > limits.pbs) throw fheError("FHE_PRICE_EXCEEDED", `${pbs} bootstraps of at most ${limits.pbs}`);
  if (depth > limits.depth) throw fheError("FHE_PRICE_EXCEEDED", `a chain of ${depth} bootstraps of at most ${limits.depth}`);
}
