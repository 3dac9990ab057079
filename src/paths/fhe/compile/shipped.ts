/** The programs that come with Triseal, by name. Each is a document like anyone's: its digest is what a receipt names. */
import type { JsonValue } from "../../../core/json.ts";
import { checkProgram, type Program } from "../wire/program.ts";
import { BATCH_PAYEES, batchName, MINT } from "./ledger-programs.ts";

interface Draft {
  readonly name: string;
  /** What it does, in one line. */
  readonly about: string;
  /** Inputs, `name: type`, with `clear` in front where it comes in the clear. */
  readonly inputs: readonly string[];
  /** Ops, their items separated by blanks. */
  readonly ops: readonly string[];
  readonly outputs: readonly string[];
}

/** A shipped program. */
export interface ShippedProgram {
  readonly name: string;
  readonly about: string;
  readonly program: Program;
}

const BIDDERS = [3, 8];

const TRANSFER: Draft = {
  name: "transfer-u64",
  about: "moves an amount where the balance covers it, and nothing otherwise; a payee's balance wraps at 2^64",
  inputs: ["from u64", "to u64", "amount u64"],
  ops: ["ok ge from amount", "moved select ok amount 0", "from_after sub from moved", "to_after add to moved"],
  outputs: ["from_after", "to_after", "ok"],
};

/** One payer, several payees: all amounts are moved, or none is. A sum that wraps is no sum that the balance covers. */
function batchTransfer(payees: number): Draft {
  const each = Array.from({ length: payees }, (_, index) => index + 1);
  const sums = each.slice(1).map((index) => ({ sum: `sum${index}`, before: index === 2 ? "amount1" : `sum${index - 1}`, index }));
  const fits = sums.flatMap(({ sum, before, index }) => [
    `${sum} add ${before} amount${index}`,
    `fit${index} ge ${sum} ${before}`,
  ]);
  const all = sums.map(({ index }) => `ok${index} and ${index === 2 ? "covered" : `ok${index - 1}`} fit${index}`);
  const ok = `ok${payees}`;
  return {
    name: batchName(payees),
    about: `moves ${payees} amounts from one payer, all of them or none`,
    inputs: ["from u64", ...each.flatMap((index) => [`to${index} u64`, `amount${index} u64`])],
    ops: [
      ...fits,
      `covered ge from sum${payees}`,
      ...all,
      `total select ${ok} sum${payees} 0`,
      "from_after sub from total",
      ...each.flatMap((index) => [
        `moved${index} select ${ok} amount${index} 0`,
        `to${index}_after add to${index} moved${index}`,
      ]),
    ],
    outputs: ["from_after", ...each.map((index) => `to${index}_after`), ok],
  };
}

/** Bids are compared digit by digit; nothing but the winner comes out. Of equal bids the first one wins. */
function auction(bidders: number, withPrice: boolean): Draft {
  const bids = Array.from({ length: bidders }, (_, index) => `bid${index}`);
  return {
    name: `auction-${bidders}x32${withPrice ? "-price" : ""}`,
    about: `the index of the highest of ${bidders} sealed bids${withPrice ? ", and that bid" : ""}; the first of equal ones`,
    inputs: bids.map((bid) => `${bid} u32`),
    ops: [`winner argmax ${bids.join(" ")}`, ...(withPrice ? [`price max ${bids.join(" ")}`] : [])],
    outputs: ["winner", ...(withPrice ? ["price"] : [])],
  };
}

/** Feature and threshold of every inner node of the demo's tree, level by level; a value below the threshold goes left. */
const TREE = [
  [0, 8],
  [1, 5],
  [2, 11],
  [3, 4],
  [0, 3],
  [1, 9],
  [3, 12],
  [2, 2],
  [2, 6],
  [1, 3],
  [0, 6],
  [3, 7],
  [2, 14],
  [0, 12],
  [1, 13],
] as const;
/** Classes of its leaves, from left to right. */
const LEAVES = [0, 1, 1, 2, 0, 2, 1, 3, 2, 0, 3, 1, 2, 3, 0, 3] as const;
const FIRST_LEAF = TREE.length;

function tree(): Draft {
  const below = (node: number) => (node < FIRST_LEAF ? `class${node}` : String(LEAVES[node - FIRST_LEAF]));
  const nodes = TREE.map(([feature, threshold], node) => ({ node, feature, threshold })).toReversed();
  return {
    name: "tree-depth4",
    about: "the class of four features from 0 to 15, by a decision tree of depth 4 with known thresholds",
    inputs: ["x0 u4", "x1 u4", "x2 u4", "x3 u4"],
    ops: nodes.flatMap(({ node, feature, threshold }) => [
      `left${node} lt x${feature} ${threshold}`,
      // Two leaves name no type: the first is written into the table of the condition.
      node * 2 + 1 < FIRST_LEAF
        ? `class${node} select left${node} ${below(2 * node + 1)} ${below(2 * node + 2)}`
        : `class${node} lut left${node} u2 ${below(2 * node + 2)} ${below(2 * node + 1)}`,
    ]),
    outputs: ["class0"],
  };
}

const DRAFTS: readonly Draft[] = [
  TRANSFER,
  ...BATCH_PAYEES.map(batchTransfer),
  {
    name: MINT,
    about: "adds a clear amount to a balance; the asset's cap is checked in the clear",
    inputs: ["balance u64", "clear amount u64"],
    ops: ["balance_after add balance amount"],
    outputs: ["balance_after"],
  },
  {
    name: "burn-u64",
    about: "takes an amount from a balance that covers it, and nothing otherwise",
    inputs: ["balance u64", "amount u64"],
    ops: ["ok ge balance amount", "taken select ok amount 0", "balance_after sub balance taken"],
    outputs: ["balance_after", "ok"],
  },
  {
    name: "threshold-u64",
    about: "whether a balance is at least a limit that comes in the clear",
    inputs: ["balance u64", "clear limit u64"],
    ops: ["ok ge balance limit"],
    outputs: ["ok"],
  },
  {
    name: "open-u64",
    about: "an encrypted zero, whatever the value: what an account starts from",
    inputs: ["seed u64"],
    ops: ["zero xor seed seed"],
    outputs: ["zero"],
  },
  ...BIDDERS.flatMap((bidders) => [auction(bidders, false), auction(bidders, true)]),
  tree(),
];

function documentOf({ inputs, ops, outputs }: Draft): JsonValue {
  return {
    v: 1,
    in: inputs.map((line) => {
      const words = line.split(" ");
      const [t = "", n = ""] = words.toReversed();
      return words[0] === "clear" ? { n, t, clear: true } : { n, t };
    }),
    ops: ops.map((line) => line.split(" ")),
    out: outputs,
  };
}

let made: readonly ShippedProgram[] | null = null;

/** Every shipped program, in the order in which they are listed. */
export function shippedPrograms(): readonly ShippedProgram[] {
  made ??= DRAFTS.map((draft) => ({ name: draft.name, about: draft.about, program: checkProgram(documentOf(draft)) }));
  return made;
}

/** The shipped program of that name; null where there is none. */
export function findShipped(name: string): ShippedProgram | null {
  return shippedPrograms().find((shipped) => shipped.name === name) ?? null;
}
