/** An upper bound of what evaluating a condition costs, from its syntax alone. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { TrisealError } from "../core/errors.ts";
import { attributeOf, LIST_MACROS } from "./condition-syntax.ts";
import { MAX_LIST_ITEMS } from "./fact.ts";

/** Most steps that one condition may take. */
export const MAX_CONDITION_COST = 10_000;

/** Names of the attributes that are lists. */
type ListNames = ReadonlySet<string>;

/** Longest list that `node` can yield; 1 for a text, a number or a variable, which is never a list. */
function listBound(node: ASTNode, lists: ListNames): number {
  switch (node.op) {
    case "list":
      return Math.max(1, node.args.length);
    case ".":
      return lists.has(attributeOf(node) ?? "") ? MAX_LIST_ITEMS : 1;
    case "+":
      return listBound(node.args[0], lists) + listBound(node.args[1], lists);
    case "?:":
      return Math.max(listBound(node.args[1], lists), listBound(node.args[2], lists));
    default:
      return 1;
  }
}

function parts(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case "value":
    case "id":
    case "map":
      return [];
    case ".":
    case ".?":
      return [node.args[0]];
    case "!_":
    case "-_":
      return [node.args];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    default:
      return node.args;
  }
}

/** Steps of the node itself: comparing and joining lists visits their items. */
function ownCost(node: ASTNode, lists: ListNames): number {
  switch (node.op) {
    case "in":
    case "==":
    case "!=":
      return 1 + listBound(node.args[1], lists);
    case "+":
      return listBound(node, lists);
    default:
      return 1;
  }
}

function cost(node: ASTNode, lists: ListNames): number {
  if (node.op === "rcall" && LIST_MACROS.has(node.args[0])) {
    const [, receiver, [, predicate]] = node.args;
    return 1 + cost(receiver, lists) + listBound(receiver, lists) * (predicate === undefined ? 1 : cost(predicate, lists));
  }
  return parts(node).reduce((sum, part) => sum + cost(part, lists), ownCost(node, lists));
}

/**
 * Steps that one evaluation of the condition takes at most. Relies on lists holding no lists.
 * @param lists names of the attributes that are lists.
 * @throws TrisealError `POLICY_INVALID` beyond `MAX_CONDITION_COST`: macros over long lists, nested.
 */
export function conditionCost(node: ASTNode, lists: ListNames): number {
  const steps = cost(node, lists);
  if (steps > MAX_CONDITION_COST) {
    throw new TrisealError(
      "POLICY_INVALID",
      `a condition could take ${steps} steps, more than ${MAX_CONDITION_COST}: nest fewer lists`,
    );
  }
  return steps;
}
