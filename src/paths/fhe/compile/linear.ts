/** Linear combinations of wires: sums cost nothing, only what is looked up does. */

/** `constant` and integer multiples of wires. No coefficient is zero. */
export interface Linear {
  readonly terms: ReadonlyMap<number, number>;
  readonly constant: number;
}

/** A number. */
export function constant(value: number): Linear {
  return { terms: new Map(), constant: value };
}

/** Zero. */
export const ZERO: Linear = constant(0);

/** One wire as it is. */
export function wire(id: number): Linear {
  return { terms: new Map([[id, 1]]), constant: 0 };
}

/** The sum of `parts`. */
export function plus(...parts: readonly Linear[]): Linear {
  const terms = new Map<number, number>();
  for (const part of parts) {
    for (const [id, coefficient] of part.terms) {
      const sum = (terms.get(id) ?? 0) + coefficient;
      if (sum === 0) terms.delete(id);
      else terms.set(id, sum);
    }
  }
  return { terms, constant: parts.reduce((sum, part) => sum + part.constant, 0) };
}

/** `factor` times `part`. */
export function times(factor: number, part: Linear): Linear {
  if (factor === 0) return ZERO;
  const terms = new Map([...part.terms].map(([id, coefficient]) => [id, factor * coefficient] as const));
  return { terms, constant: factor * part.constant };
}

/** `left` less `right`. */
export function minus(left: Linear, right: Linear): Linear {
  return plus(left, times(-1, right));
}

/** Whether they are the same combination. */
export function isSame(left: Linear, right: Linear): boolean {
  const difference = minus(left, right);
  return difference.terms.size === 0 && difference.constant === 0;
}
