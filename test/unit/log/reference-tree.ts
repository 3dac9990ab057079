/** Merkle trees as RFC 6962 section 2.1 defines them, by plain recursion over the leaves, and the CT reference vectors. */
import { createHash } from "node:crypto";

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash("sha256").update(Buffer.concat(parts)).digest());

export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
export const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

/** Eight leaves that implementations of Certificate Transparency test with. */
export const CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map(
  bytes,
);

/** Roots of the first 0 to 8 of them. */
export const CT_ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** Largest power of two smaller than `count`. */
function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** MTH(D[n]). */
export function referenceRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), only);
  const left = split(leaves.length);
  return sha256(Uint8Array.of(1), referenceRoot(leaves.slice(0, left)), referenceRoot(leaves.slice(left)));
}

/** PATH(m, D[n]). */
export function referenceInclusion(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const left = split(leaves.length);
  return index < left
    ? [...referenceInclusion(index, leaves.slice(0, left)), referenceRoot(leaves.slice(left))]
    : [...referenceInclusion(index - left, leaves.slice(left)), referenceRoot(leaves.slice(0, left))];
}

/** PROOF(m, D[n]); `whole` is the flag b of SUBPROOF. */
export function referenceConsistency(oldSize: number, leaves: readonly Uint8Array[], whole = true): Uint8Array[] {
  if (oldSize === 0) return [];
  if (oldSize === leaves.length) return whole ? [] : [referenceRoot(leaves)];
  const left = split(leaves.length);
  return oldSize <= left
    ? [...referenceConsistency(oldSize, leaves.slice(0, left), whole), referenceRoot(leaves.slice(left))]
    : [...referenceConsistency(oldSize - left, leaves.slice(left), false), referenceRoot(leaves.slice(0, left))];
}

/** On which side each hash of an inclusion proof stands. A proof of one shape proves the same for every size of that shape. */
export function inclusionShape(index: number, size: number): string {
  if (size === 1) return "";
  const left = split(size);
  return index < left ? `${inclusionShape(index, left)}R` : `${inclusionShape(index - left, size - left)}L`;
}

/** How both roots are computed from the hashes of a consistency proof, in symbols; `old` is the old root. */
export function consistencyShape(oldSize: number, newSize: number): string {
  let next = 0;
  const shape = (old: number, count: number, whole: boolean): [string, string] => {
    if (old === count) {
      const name = whole ? "old" : `p${next++}`;
      return [name, name];
    }
    const left = split(count);
    const [oldRoot, newRoot] = old <= left ? shape(old, left, whole) : shape(old - left, count - left, false);
    const sibling = `p${next++}`;
    return old <= left ? [oldRoot, `(${newRoot} ${sibling})`] : [`(${sibling} ${oldRoot})`, `(${sibling} ${newRoot})`];
  };
  return shape(oldSize, newSize, true).join(" ; ");
}

/** `count` leaves that differ from those of another `seed`. */
export function makeLeaves(count: number, seed = "leaf"): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => new TextEncoder().encode(`${seed} ${index}`));
}

/** A copy of `value` with one bit changed. */
export function flipBit(value: Uint8Array, bit: number): Uint8Array {
  return value.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}
