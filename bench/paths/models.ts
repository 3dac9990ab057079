/** Models of the paths suite, and on which paths each has an answer. */

/** One model. */
export interface PathsCase {
  readonly model: string;
  readonly architecture: string;
  /** Whether its integer form is answered with a proof here. */
  readonly proven: boolean;
  /** The model whose integer form runs on encrypted records: itself, or its form of smaller activations; or null. */
  readonly encrypted: string | null;
  /** Why a path is missing. */
  readonly why: { readonly zk?: string; readonly fhe?: string };
}

/** All models, smallest first. */
export const PATHS_MODELS: readonly PathsCase[] = [
  {
    model: "breast-cancer-logistic",
    architecture: "logistic 30",
    proven: true,
    encrypted: "breast-cancer-logistic",
    why: {},
  },
  { model: "breast-cancer-mlp", architecture: "MLP 30-16-2", proven: true, encrypted: "breast-cancer-mlp-fhe", why: {} },
  { model: "digits-mlp", architecture: "MLP 64-32-10", proven: true, encrypted: "digits-mlp-fhe", why: {} },
  {
    model: "mnist-lenet5",
    architecture: "LeNet-5",
    proven: true,
    encrypted: null,
    why: { fhe: "FHE_MODEL_UNSUPPORTED: convolutions do not run encrypted" },
  },
];
