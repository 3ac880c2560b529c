/** The ratchet of an epoch: each interview under a key of its own, and no way back from a later key to an earlier one. */
import { type Bytes, u32, utf8 } from "./bytes.ts";
import { HASH_BYTES, LABEL_CONTENT_KEY, LABEL_NEXT_KEY, RATCHET_STEPS } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import { expand, labelled } from "./primitives.ts";

/** Return the content key (32) of an index, from the epoch's key at that index. */
export function contentKey(epochKey: Uint8Array, epochHash: Uint8Array, index: number): Promise<Bytes> {
  return expand("SHA-256", epochKey, labelled(LABEL_CONTENT_KEY, epochHash, u32(index)), HASH_BYTES);
}

export function nextKey(epochKey: Uint8Array): Promise<Bytes> {
  return expand("SHA-256", epochKey, utf8(LABEL_NEXT_KEY), HASH_BYTES);
}

/** Return the content key of an index from the first key of an epoch. */
export async function contentKeyFromStart(firstKey: Uint8Array, epochHash: Uint8Array, index: number): Promise<Bytes> {
  if (index >= RATCHET_STEPS) throw new ProtocolError("index-too-high", `an epoch has at most ${RATCHET_STEPS} interviews`);
  let key = new Uint8Array(firstKey);
  for (let step = 0; step < index; step++) key = await nextKey(key);
  return contentKey(key, epochHash, index);
}
