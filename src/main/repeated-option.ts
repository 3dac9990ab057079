/** Options of a command that may be given again. */

/** The values so far and the one that was given now, for commander. */
export function again(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
