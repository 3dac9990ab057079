/** What this program uses of snarkjs 0.7.6, which ships no types. */
declare module "snarkjs" {
  export const groth16: {
    prove(
      key: Uint8Array,
      witness: Uint8Array,
      logger: undefined,
      options: { readonly singleThread: boolean },
    ): Promise<{ readonly proof: object; readonly publicSignals: readonly string[] }>;
    verify(key: object, publicSignals: readonly string[], proof: object): Promise<boolean>;
  };
  export const zKey: {
    exportVerificationKey(key: Uint8Array): Promise<VerificationKeyDocument>;
  };
  export interface VerificationKeyDocument {
    readonly nPublic: number;
    readonly vk_gamma_2: unknown;
    readonly vk_delta_2: unknown;
  }
}
