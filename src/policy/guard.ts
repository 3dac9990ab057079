/** Which reads of a condition are not guarded by `has()`: those deny a request that does not state the fact. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { attributeOf } from "./condition-syntax.ts";

type Names = ReadonlySet<string>;

const NONE: Names = new Set();

function union(left: Names, right: Names): Names {
  return new Set([...left, ...right]);
}

function intersection(left: Names, right: Names): Names {
  return new Set([...left].filter((name) => right.has(name)));
}

/** Attributes that are present whenever `node` evaluates to `value`. */
function present(node: ASTNode, value: boolean): Names {
  switch (node.op) {
    case "call": {
      const [argument] = node.args[1];
      const name = node.args[0] === "has" && value && argument !== undefined ? attributeOf(argument) : null;
      return name === null ? NONE : new Set([name]);
    }
    case "!_":
      return present(node.args, !value);
    case "&&":
    case "||": {
      const [left, right] = node.args;
      const both = (node.op === "&&") === value;
      return (both ? union : intersection)(present(left, value), present(right, value));
    }
    default:
      return NONE;
  }
}

function collect(node: ASTNode, known: Names, into: Set<string>): void {
  switch (node.op) {
    case "&&":
    case "||": {
      // Either side may decide alone, so each is read as if the other had not: CEL drops the error of the other side.
      const [left, right] = node.args;
      const undecided = node.op === "&&";
      collect(left, union(known, present(right, undecided)), into);
      collect(right, union(known, present(left, undecided)), into);
      return;
    }
    case "?:": {
      const [condition, yes, no] = node.args;
      collect(condition, known, into);
      collect(yes, union(known, present(condition, true)), into);
      collect(no, union(known, present(condition, false)), into);
      return;
    }
    case ".": {
      const name = attributeOf(node);
      if (name !== null && !known.has(name)) into.add(name);
      return;
    }
    case "call":
      if (node.args[0] !== "has") for (const argument of node.args[1]) collect(argument, known, into);
      return;
    case "rcall":
      for (const part of [node.args[1], ...node.args[2]]) collect(part, known, into);
      return;
    case "!_":
    case "-_":
      collect(node.args, known, into);
      return;
    case "value":
    case "id":
    case "map":
    case ".?":
      return;
    default:
      for (const part of node.args) collect(part, known, into);
  }
}

/** Names of the attributes that a condition reads without `has()` around them, sorted. */
export function unguardedReads(ast: ASTNode): readonly string[] {
  const reads = new Set<string>();
  collect(ast, NONE, reads);
  return [...reads].sort();
}
