/**
 * The parameter set of encrypted inference and what each of its steps does to noise. SPEC section 9.3. Variances are in units of
 * the torus: a ciphertext's numbers are integers modulo 2^64.
 */

/** Its name in `key.json`, in circuits and in claims. */
export const LWE_PARAMETERS = "TRISEAL_LWE_918_2048_L2";

/** Dimension of the small key, under which lookups are bootstrapped. */
const SMALL = 918;
/** Degree of the ring's polynomials: the dimension of a wire. Also the most inputs of a model. */
export const LWE_DEGREE = 2048;
const SMALL_NOISE = 45;
const RING_NOISE = 17;
const BOOTSTRAP = { baseLog: 15, levels: 2 };
const SWITCH = { baseLog: 4, levels: 4 };

/** Variance of TUniform(bound): even chance between -2^bound and 2^bound, half of it at both ends. */
function tUniform(bound: number): number {
  return (2 ** (2 * bound + 1) + 1) / 6;
}

/** Noise of a fresh input. */
export const INPUT_VARIANCE = tUniform(RING_NOISE);

function bootstrapVariance(): number {
  const { baseLog, levels } = BOOTSTRAP;
  const key = ((SMALL * levels * 2 * LWE_DEGREE * (2 ** (2 * baseLog) + 2)) / 12) * tUniform(RING_NOISE);
  const rounding = ((SMALL * 2 ** (2 * (64 - baseLog * levels))) / 24) * (1 + LWE_DEGREE / 2);
  // What a transform in double precision adds: tfhe-rs's own fitted formula, for a mantissa of 53 bits.
  const transform = SMALL * 0.00705 * 2 ** (2 * (64 - 53) + 2 * baseLog) * (2 * levels) ** 1.01827 * LWE_DEGREE ** 2.22003;
  return key + rounding + transform;
}

/** Noise of what a lookup gives. */
export const LOOKUP_VARIANCE = bootstrapVariance();

function switchVariance(): number {
  const { baseLog, levels } = SWITCH;
  const key = ((LWE_DEGREE * levels * (2 ** (2 * baseLog) + 2)) / 12) * tUniform(SMALL_NOISE);
  return key + (LWE_DEGREE * 2 ** (2 * (64 - baseLog * levels))) / 24;
}

/** Rounding of a small ciphertext to 2 * degree steps, its mean removed (tfhe-rs: centred mean noise reduction). */
const ROUNDING_VARIANCE = (SMALL / 48) * (2 ** 64 / (2 * LWE_DEGREE)) ** 2;

/** What a lookup adds to its argument before it decides: key switch and modulus switch. */
export const DECISION_VARIANCE = switchVariance() + ROUNDING_VARIANCE;

/** log2 of an upper bound of the chance that noise of this variance leaves `margin` on either side, taken as normal. */
export function failureLog2(margin: number, variance: number): number {
  const x = margin / Math.sqrt(2 * variance);
  return Math.min(0, -x * x * Math.LOG2E - Math.log2(x * Math.sqrt(Math.PI)));
}

/** The largest chance of a wrong inference that is compiled, log2. */
export const MOST_FAILURE_LOG2 = -64;

/** log2 of the sum of chances given as log2. */
export function addLog2(left: number, right: number): number {
  const [high, low] = left > right ? [left, right] : [right, left];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log2(1 + 2 ** (low - high));
}
