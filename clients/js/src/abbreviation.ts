/** Envelopes of one body without what the one before already says: 160 bytes of each interview of a day. */
import { type Bytes, concat, equal } from "./bytes.ts";
import { HASH_BYTES, INSTANCE_ID_BYTES, Kind, MAGIC } from "./constants.ts";

/** An envelope with its id: SHA-256 of its bytes. */
export interface Named {
  readonly id: Uint8Array;
  readonly body: Uint8Array;
}

const EPOCH_START = 8;
const PREVIOUS_START = 52;
const PARENTS_START = 100;
const [EPOCH, PREVIOUS, FORM_VERSION, DICTIONARY, CERTIFICATE] = [1, 2, 4, 8, 16] as const;

/** Return `mask ‖ rest` of an envelope; null where the one before says nothing of it. */
export function shorten(frame: Uint8Array, before: Named): Bytes | null {
  const own = starts(frame);
  if (own === null) return null;
  const said = saidBy(before);
  const kept: Uint8Array[] = [];
  let [mask, position] = [0, 0];
  for (const [field, start] of own) {
    const value = said.get(field);
    if (value === undefined || !equal(value, hash(frame, start))) continue;
    mask |= field;
    kept.push(frame.subarray(position, start));
    position = start + HASH_BYTES;
  }
  return mask === 0 ? null : concat(Uint8Array.of(mask), ...kept, frame.subarray(position));
}

/** Return where the hashes of an envelope begin, in their order; null where it has no such header. */
function starts(frame: Uint8Array): ReadonlyMap<number, number> | null {
  if (!isEnvelope(frame) || frame[6] === Kind.EPOCH) return null;
  const back = PARENTS_START + INSTANCE_ID_BYTES * (frame[7] ?? 0);
  if (frame.length < back + 3 * HASH_BYTES) return null;
  return new Map<number, number>([
    [EPOCH, EPOCH_START],
    [PREVIOUS, PREVIOUS_START],
    [FORM_VERSION, back],
    [DICTIONARY, back + HASH_BYTES],
    [CERTIFICATE, back + 2 * HASH_BYTES],
  ]);
}

function saidBy({ id, body }: Named): ReadonlyMap<number, Uint8Array> {
  const said = new Map<number, Uint8Array>([[PREVIOUS, id]]);
  const own = starts(body);
  if (own !== null) {
    for (const [field, start] of own) if (field !== PREVIOUS) said.set(field, hash(body, start));
  } else if (isEnvelope(body)) {
    said.set(EPOCH, id).set(CERTIFICATE, hash(body, EPOCH_START));
  }
  return said;
}

function isEnvelope(frame: Uint8Array): boolean {
  return frame.length >= PARENTS_START && frame.subarray(0, 4).every((byte, index) => byte === MAGIC.charCodeAt(index));
}

function hash(frame: Uint8Array, start: number): Uint8Array {
  return frame.subarray(start, start + HASH_BYTES);
}
