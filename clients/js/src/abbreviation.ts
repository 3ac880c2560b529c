/** Envelopes of one body without what the one before already says: 178 bytes of each interview of a day. */
import { type Bytes, concat, equal, u32, u64 } from "./bytes.ts";
import { HASH_BYTES, INSTANCE_ID_BYTES, Kind, MAGIC } from "./constants.ts";

/** An envelope with its id: SHA-256 of its bytes. */
export interface Named {
  readonly id: Uint8Array;
  readonly body: Uint8Array;
}

const START_BYTES = 6;
const EPOCH_START = 8;
const NUMBERS_START = 40;
const PREVIOUS_START = 52;
const EPOCH_SEQUENCE_START = 72;
const PARENTS_START = 100;
const [EPOCH, PREVIOUS, FORM_VERSION, DICTIONARY, CERTIFICATE, COUNTED, START] = [1, 2, 4, 8, 16, 32, 64] as const;

/** Return `mask ‖ rest` of an envelope; null where the one before says nothing of it. */
export function shorten(frame: Uint8Array, before: Named): Bytes | null {
  const own = starts(frame);
  if (own === null) return null;
  const said = saidBy(before);
  const kept: Uint8Array[] = [];
  let [mask, position] = [0, 0];
  for (const [field, start] of own) {
    const value = said.get(field);
    if (value === undefined || !equal(value, frame.subarray(start, start + value.length))) continue;
    mask |= field;
    kept.push(frame.subarray(position, start));
    position = start + value.length;
  }
  return mask === 0 ? null : concat(Uint8Array.of(mask), ...kept, frame.subarray(position));
}

/** Return where the fields of an envelope begin, in their order; null where it has no such header. */
function starts(frame: Uint8Array): ReadonlyMap<number, number> | null {
  if (!isEnvelope(frame) || frame[6] === Kind.EPOCH) return null;
  const back = PARENTS_START + INSTANCE_ID_BYTES * (frame[7] ?? 0);
  if (frame.length < back + 3 * HASH_BYTES) return null;
  return new Map<number, number>([
    [START, 0],
    [EPOCH, EPOCH_START],
    [COUNTED, NUMBERS_START],
    [PREVIOUS, PREVIOUS_START],
    [FORM_VERSION, back],
    [DICTIONARY, back + HASH_BYTES],
    [CERTIFICATE, back + 2 * HASH_BYTES],
  ]);
}

function saidBy({ id, body }: Named): ReadonlyMap<number, Uint8Array> {
  const said = new Map<number, Uint8Array>([[PREVIOUS, id]]);
  if (!isEnvelope(body)) return said;
  const numbers = new DataView(body.buffer, body.byteOffset);
  const own = starts(body);
  if (own !== null) {
    for (const [field, start] of own) said.set(field, body.subarray(start, start + HASH_BYTES));
    const [index, sequence] = [numbers.getUint32(NUMBERS_START), numbers.getBigUint64(NUMBERS_START + 4)];
    said.set(COUNTED, concat(u32(index + 1), u64(sequence + 1n))).set(PREVIOUS, id);
  } else if (body[6] === Kind.EPOCH) {
    const sequence = numbers.getBigUint64(EPOCH_SEQUENCE_START);
    said.set(EPOCH, id).set(CERTIFICATE, body.subarray(EPOCH_START, EPOCH_START + HASH_BYTES));
    said.set(COUNTED, concat(u32(0), u64(sequence + 1n)));
  } else {
    return said;
  }
  return said.set(START, body.subarray(0, START_BYTES));
}

function isEnvelope(frame: Uint8Array): boolean {
  return frame.length >= PARENTS_START && frame.subarray(0, 4).every((byte, index) => byte === MAGIC.charCodeAt(index));
}
