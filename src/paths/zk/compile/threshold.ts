/**
 * The circuit of a threshold statement: a commitment opens to a balance, the balance is an unsigned number of 64 bits, and it is
 * at least the threshold. Both comparisons are decompositions into so many bits that no second spelling `x + p` exists. Tenant,
 * nonce, expiry and context are bound by a row each. The threshold is public: that it is below 2^64 is checked where it is read.
 */
import { encodeHex, utf8 } from "../../../core/bytes.ts";
import { TrisealError } from "../../../core/errors.ts";
import { hashElements, saltElement } from "../../../model/commitment/input-commitment.ts";
import { ConstraintBuilder, type ConstraintSystem, type LinearTerms } from "../wire/constraint-system.ts";
import { encodeWitness } from "../wire/wtns.ts";
import { combine, Gadgets, wireSum } from "./gadgets.ts";
import { emitHash } from "./poseidon-gadget.ts";

/** Bits of a balance. */
export const BALANCE_BITS = 64;

/** Public signals: commitment, threshold, tenant, nonce, expiry, context. */
const SIGNALS = 6;

/** Keeps a commitment to a balance apart from one to a model's input or outputs under the same salt. */
const BALANCE_DOMAIN = BigInt(`0x${encodeHex(utf8("triseal.balance.v1"))}`);

/** The compiled statement. */
export interface ThresholdCircuit {
  readonly system: ConstraintSystem;
  readonly bits: number;
  /** Rows with a constraint; the rest pads the domain. */
  readonly usedRows: number;
}

/**
 * The commitment to a balance: Poseidon(salt, "triseal.balance.v1", balance).
 * @throws TrisealError `FORMAT_INVALID` for a salt of another size than 16 to 31 bytes.
 */
export function balanceCommitment(salt: Uint8Array, balance: bigint): bigint {
  return hashElements([saltElement(salt), BALANCE_DOMAIN, balance]);
}

/** Compiles the statement. @param bits of a balance: fewer than `BALANCE_BITS` only where all solutions are to be found. */
export function compileThreshold(bits = BALANCE_BITS): ThresholdCircuit {
  const builder = new ConstraintBuilder(SIGNALS);
  const one = builder.addWire();
  const copies = Array.from({ length: SIGNALS - 1 }, () => builder.addWire());
  const [threshold = 0] = copies;
  const [salt, balance] = [builder.addWire(), builder.addWire()];
  const gadgets = new Gadgets(builder, one);
  const elements = [new Map([[salt, 1n]]), new Map([[one, BALANCE_DOMAIN]]), new Map([[balance, 1n]])];
  const commitment = emitHash(builder, one, elements);
  gadgets.bits(wireSum(balance), bits);
  gadgets.bits(combine([wireSum(balance), 1], [wireSum(threshold), -1]), bits);
  builder.prependRows([
    [[[one, 1]], [[0, 1]], [[0, 1]]],
    [[...commitment], [[0, 1]], [[1, 1]]],
    ...copies.map((copy, at): [LinearTerms, LinearTerms, LinearTerms] => [[[at + 2, 1]], [[0, 1]], [[copy, 1]]]),
  ]);
  const usedRows = builder.rows;
  builder.padRows(2 ** Math.ceil(Math.log2(usedRows + SIGNALS + 1)) - SIGNALS - 1);
  return { system: builder.build(), bits, usedRows };
}

const bitsOf = (value: bigint, count: number): bigint[] => Array.from({ length: count }, (_, at) => (value >> BigInt(at)) & 1n);

/**
 * The witness of a statement. It holds the balance in the clear.
 * @param signals what `statementSignals` gives.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` for a balance below the threshold or beyond its bits, and for a salt or balance that
 *   the commitment does not open to; `FORMAT_INVALID` for a salt of another size.
 */
export function thresholdWitness(
  { system, bits }: ThresholdCircuit,
  signals: readonly bigint[],
  { salt, balance }: { readonly salt: Uint8Array; readonly balance: bigint },
): Uint8Array {
  const [commitment, threshold = 0n] = signals;
  const powers: bigint[] = [];
  const opened = hashElements([saltElement(salt), BALANCE_DOMAIN, balance], (...recorded) => powers.push(...recorded));
  const refuse = (what: string) => new TrisealError("INPUT_OUT_OF_RANGE", what);
  if (opened !== commitment) throw refuse("the commitment does not open to this salt and balance");
  if (balance < 0n || balance >= 1n << BigInt(bits)) throw refuse(`the balance is no number of ${bits} bits`);
  if (balance < threshold) throw refuse("the balance is below the threshold");
  const wires = [1n, ...signals, 1n, ...signals.slice(1), saltElement(salt), balance, ...powers];
  wires.push(...bitsOf(balance, bits), ...bitsOf(balance - threshold, bits));
  if (wires.length !== system.wires) throw new TrisealError("INTERNAL", "the witness has another number of wires");
  return encodeWitness(wires);
}
