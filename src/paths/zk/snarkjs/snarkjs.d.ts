/** What this program uses of snarkjs 0.7.6, which ships no types. */
declare module "snarkjs" {
  export const groth16: {
    verify(key: object, publicSignals: readonly string[], proof: object): Promise<boolean>;
  };
  export const zKey: {
    exportVerificationKey(key: Uint8Array): Promise<VerificationKeyDocument>;
  };
  export const curves: { getCurveFromName(name: "bn128"): Promise<Curve> };

  export interface VerificationKeyDocument {
    readonly nPublic: number;
    readonly vk_gamma_2: unknown;
    readonly vk_delta_2: unknown;
  }

  /** Steps that one thread makes on memory of its own: buffers by number, and calls of WebAssembly functions. */
  export type Task = (
    | { readonly cmd: "ALLOCSET"; readonly var: number; readonly buff: Uint8Array }
    | { readonly cmd: "ALLOC"; readonly var: number; readonly len: number }
    | {
        readonly cmd: "CALL";
        readonly fnName: string;
        readonly params: readonly ({ readonly var: number } | { readonly val: number })[];
      }
    | { readonly cmd: "GET"; readonly out: number; readonly var: number; readonly len: number }
  )[];

  /** Points are bytes: affine, or projective where they were computed. */
  export interface Group {
    readonly zero: Uint8Array;
    add(one: Uint8Array, two: Uint8Array): Uint8Array;
    sub(one: Uint8Array, two: Uint8Array): Uint8Array;
    double(point: Uint8Array): Uint8Array;
    timesFr(point: Uint8Array, scalar: Uint8Array): Uint8Array;
    toAffine(point: Uint8Array): Uint8Array;
    toObject(point: Uint8Array): readonly (bigint | readonly bigint[])[];
  }

  export interface Curve {
    readonly r: bigint;
    readonly G1: Group;
    readonly G2: Group;
    readonly Fr: {
      /** Roots of unity of order 2^k. */
      readonly w: readonly Uint8Array[];
      e(value: bigint): Uint8Array;
      mul(one: Uint8Array, two: Uint8Array): Uint8Array;
      neg(value: Uint8Array): Uint8Array;
    };
    readonly tm: { readonly concurrency: number; queueAction(task: Task): Promise<readonly Uint8Array[]> };
  }
}
