/** How conditions are read from their syntax trees. */
import type { ASTNode } from "@marcbachmann/cel-js";

/** Macros over lists. Each takes a variable and a predicate, and evaluates the predicate once per item. */
export const LIST_MACROS: ReadonlySet<string> = new Set(["exists", "all", "exists_one"]);

/** The dotted name that `node` reads, or null where it is no access to a member of an object. */
export function attributeOf(node: ASTNode): string | null {
  if (node.op !== "." || node.args[0].op !== "id") return null;
  return `${node.args[0].args}.${node.args[1]}`;
}
