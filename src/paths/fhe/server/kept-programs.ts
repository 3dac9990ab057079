/** Programs that stay compiled, the one that was used last at the end. */
import type { CompiledProgram } from "../compile/compile.ts";

/** What is kept at most. */
export interface KeptLimits {
  /** Wires of all programs together: a program's memory goes with them, and not with its price, which leaves out what nobody asks for. */
  readonly wires: number;
  readonly programs: number;
}

/** The programs of one thread. The newest is kept even where it alone is more than the limits. */
export class KeptPrograms {
  private readonly limits: KeptLimits;
  private readonly kept = new Map<string, CompiledProgram>();

  /** Keeps nothing yet. */
  constructor(limits: KeptLimits) {
    this.limits = limits;
  }

  /** The program of that name, compiled now where it is not kept. @throws what `compile` throws. */
  take(name: string, compile: () => CompiledProgram): CompiledProgram {
    const found = this.kept.get(name) ?? compile();
    this.kept.delete(name);
    this.kept.set(name, found);
    let wires = [...this.kept.values()].reduce((sum, program) => sum + program.wires, 0);
    for (const [oldest, program] of this.kept) {
      if (oldest === name || (wires <= this.limits.wires && this.kept.size <= this.limits.programs)) break;
      this.kept.delete(oldest);
      wires -= program.wires;
    }
    return found;
  }
}
