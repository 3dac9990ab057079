/**
 * Conditions: a small, bounded part of CEL. What could run long (regular expressions), what escapes the type checker
 * (`dyn`, maps, computed keys) and what reads a clock or a type is left out, so that every condition has a type and a cost.
 */
import { type ASTNode, Environment, type ParseResult } from "@marcbachmann/cel-js";
import { TrisealError } from "../core/errors.ts";
import { type Attribute, ROOTS } from "./attribute.ts";
import { conditionCost } from "./condition-cost.ts";
import { attributeOf, LIST_MACROS } from "./condition-syntax.ts";
import type { ConditionContext } from "./fact.ts";

/** Longest text of one condition, in UTF-16 code units. */
export const MAX_CONDITION_LENGTH = 2000;

/** A condition that is ready to be evaluated. */
export interface Condition {
  readonly source: string;
  readonly ast: ASTNode;
  /** Dotted names of all attributes that it reads or asks for with `has()`, sorted. */
  readonly attributes: readonly string[];
  readonly mentionsBackend: boolean;
  /** Upper bound of the steps of one evaluation. */
  readonly cost: number;
  /** The result, or null where the condition has none: a fact is missing, or a number overflows. Never throws. */
  evaluate(context: ConditionContext): boolean | null;
}

/** Methods, each with the receivers' and arguments' types checked by the type checker. */
const METHODS = new Set(["startsWith", "endsWith", "contains", "size"]);
const OPERATORS = new Set(["?:", "!=", "==", "in", "+", "-", "*", "/", "<", "<=", ">", ">=", "||", "&&"]);

function refuse(reason: string): never {
  throw new TrisealError("POLICY_INVALID", reason);
}

class Screener {
  readonly used = new Set<string>();
  private readonly known: ReadonlySet<string>;
  private readonly lists: ReadonlySet<string>;

  constructor(attributes: readonly Attribute[], lists: ReadonlySet<string>) {
    this.lists = lists;
    this.known = new Set(attributes.map((attribute) => attribute.name));
  }

  screen(node: ASTNode, variables: ReadonlySet<string>): void {
    if (node.op === "[]" || node.op === "[?]" || node.op === ".?" || node.op === "map") {
      refuse("conditions have no maps, no indexes and no optional access");
    }
    switch (node.op) {
      case "value":
        this.literal(node.args);
        break;
      case "id":
        this.name(node.args, variables);
        break;
      case ".":
        this.attribute(node, variables);
        break;
      case "call":
        this.call(node.args[0], node.args[1], variables);
        break;
      case "rcall":
        this.method(node.args[0], node.args[1], node.args[2], variables);
        break;
      case "list":
        for (const item of node.args) this.item(item, variables);
        break;
      case "!_":
      case "-_":
        this.screen(node.args, variables);
        break;
      default:
        // `?:` and the binary operators. An operator that a later version of the library adds is refused.
        if (!OPERATORS.has(node.op)) refuse(`\`${node.op}\` is not part of conditions`);
        for (const part of node.args) this.screen(part, variables);
    }
  }

  /** An item of a written list. No list holds lists, so that a variable of a macro is never one. */
  private item(node: ASTNode, variables: ReadonlySet<string>): void {
    const plain = node.op === "value" || node.op === "id" || node.op === "-_";
    if (!plain && !(node.op === "." && !this.lists.has(attributeOf(node) ?? "")))
      refuse("a list holds texts, numbers and booleans only");
    this.screen(node, variables);
  }

  private name(name: string, variables: ReadonlySet<string>): void {
    if (variables.has(name)) return;
    if (ROOTS.some((root) => root === name)) refuse(`\`${name}\` alone is no value: name a member`);
    refuse(`unknown name \`${name.slice(0, 64)}\``);
  }

  private literal(value: unknown): void {
    if (typeof value === "bigint" && (value > 2n ** 53n || value < -(2n ** 53n))) refuse("an integer beyond 2^53");
    if (value === null || (typeof value === "object" && value !== null))
      refuse("only texts, numbers, booleans and lists can be written");
  }

  private attribute(node: ASTNode, variables: ReadonlySet<string>): void {
    const name = attributeOf(node);
    if (name === null || variables.has(name.slice(0, name.indexOf(".")))) refuse("only attributes have members");
    if (!this.known.has(name)) refuse(`unknown attribute \`${name.slice(0, 64)}\``);
    this.used.add(name);
  }

  private call(name: string, args: readonly ASTNode[], variables: ReadonlySet<string>): void {
    if (name === "has") {
      const [argument] = args;
      if (args.length !== 1 || argument === undefined || argument.op !== ".") refuse("`has` takes one attribute");
      this.attribute(argument, variables);
      return;
    }
    if (name !== "size") refuse(`function \`${name.slice(0, 32)}\` is not part of conditions`);
    for (const argument of args) this.screen(argument, variables);
  }

  private method(name: string, receiver: ASTNode, args: readonly ASTNode[], variables: ReadonlySet<string>): void {
    this.screen(receiver, variables);
    if (LIST_MACROS.has(name)) {
      const [variable, predicate] = args;
      if (args.length !== 2 || variable?.op !== "id" || predicate === undefined)
        refuse(`\`${name}\` takes a variable and a condition`);
      const taken = ROOTS.some((root) => root === variable.args) || variables.has(variable.args);
      if (taken) refuse(`variable \`${variable.args.slice(0, 32)}\` hides another name`);
      this.screen(predicate, new Set([...variables, variable.args]));
      return;
    }
    if (name === "matches") refuse("`matches` is not part of conditions: a regular expression can run without bound");
    if (!METHODS.has(name)) refuse(`method \`${name.slice(0, 32)}\` is not part of conditions`);
    for (const argument of args) this.screen(argument, variables);
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : "unreadable";
  return (message.split("\n")[0] ?? "").slice(0, 200);
}

/** Makes conditions over one table of attributes. */
export class ConditionCompiler {
  private readonly environment: Environment;
  private readonly attributes: readonly Attribute[];
  private readonly lists: ReadonlySet<string>;

  constructor(attributes: readonly Attribute[]) {
    this.attributes = attributes;
    this.lists = new Set(attributes.filter((attribute) => attribute.type === "list<string>").map((attribute) => attribute.name));
    this.environment = new Environment({
      limits: { maxAstNodes: 500, maxDepth: 32, maxListElements: 64, maxMapEntries: 1, maxCallArguments: 2 },
    });
    for (const root of ROOTS) {
      const members = attributes.filter((attribute) => attribute.name.startsWith(`${root}.`));
      const schema = Object.fromEntries(members.map((attribute) => [attribute.name.slice(root.length + 1), attribute.type]));
      this.environment.registerVariable({ name: root, schema });
    }
  }

  /**
   * A condition, checked: known attributes, types, boolean result, bounded cost.
   * @throws TrisealError `POLICY_INVALID`.
   */
  compile(source: string): Condition {
    if (source.length > MAX_CONDITION_LENGTH) refuse(`a condition is longer than ${MAX_CONDITION_LENGTH} characters`);
    const parsed = this.parse(source);
    const screener = new Screener(this.attributes, this.lists);
    screener.screen(parsed.ast, new Set());
    const cost = conditionCost(parsed.ast, this.lists);
    this.checkType(parsed);
    const attributes = [...screener.used].sort();
    return {
      source,
      ast: parsed.ast,
      attributes,
      mentionsBackend: attributes.some((name) => name.startsWith("backend.")),
      cost,
      evaluate: (context) => {
        try {
          const result: unknown = parsed(context);
          return typeof result === "boolean" ? result : null;
        } catch {
          return null;
        }
      },
    };
  }

  private parse(source: string): ParseResult {
    try {
      return this.environment.parse(source);
    } catch (cause) {
      // A chain of a thousand `!` ends in a RangeError of the parser: that is a refusal like any other.
      throw new TrisealError("POLICY_INVALID", `not a condition: ${firstLine(cause)}`, { cause });
    }
  }

  private checkType(parsed: ParseResult): void {
    const checked = parsed.check();
    if (!checked.valid) {
      const message = firstLine(checked.error);
      const mixed = /\bdouble\b/.test(message) && /\bint\b/.test(message);
      refuse(`type error: ${message}${mixed ? "; numbers are doubles: write `10000.0`, not `10000`" : ""}`);
    }
    if (checked.type !== "bool") refuse(`a condition must be true or false, this one is of type ${checked.type ?? "unknown"}`);
  }
}
