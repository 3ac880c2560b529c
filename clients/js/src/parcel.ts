/**
 * A file that carries sealed envelopes and media where no radio does. It is read also when it was torn or altered: a
 * record that does not hold is passed over, the reading goes on at the next marker, and says what it lost.
 */
import { type Bytes, concat, equal, fromHex, own, text, u64, utf8, view } from "./bytes.ts";
import { ENVELOPE_BYTES, HASH_BYTES, MEDIUM_BYTES } from "./constants.ts";
import { canonicalJson, type Members } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import { sha256 } from "./primitives.ts";

const FRONT = Uint8Array.of(0x50, 0x53, 0x50, 0x4c, 1, 0, 0, 0);
const MAGIC_BYTES = 4;
const MARKER = fromHex("b6c1e0f79a3d5824");
const CHECK_BYTES = 8;
const HEAD_BYTES = MARKER.length + 1 + 8 + HASH_BYTES + CHECK_BYTES;
const LABEL_BYTES = 4 << 10;
/** How often the bytes are hashed at most in looking for records that do not hold, all in all. */
const HASHED_TIMES = 4;
const HIGHEST_COUNT = 2 ** 48;

const RecordKind = { LABEL: 0, ENVELOPE: 1, MEDIUM: 2, END: 255 } as const;
const LONGEST: Readonly<Record<number, number>> = {
  [RecordKind.LABEL]: LABEL_BYTES,
  [RecordKind.ENVELOPE]: ENVELOPE_BYTES,
  [RecordKind.MEDIUM]: MEDIUM_BYTES,
  [RecordKind.END]: HASH_BYTES,
};

/** What stands on a parcel: who wrote it, when (ISO 8601, UTC), and how much is in it. Signed by nobody. */
export interface ParcelLabel {
  readonly deviceId: string;
  readonly writtenAt: string;
  readonly envelopes: number;
  readonly media: number;
}

export interface Parcel {
  /** Null when it was lost. */
  readonly label: ParcelLabel | null;
  readonly envelopes: readonly Bytes[];
  readonly media: readonly Bytes[];
  /** Every byte is as it was written. */
  readonly isWhole: boolean;
  /** Offset and length of the stretches in which nothing holds. */
  readonly lost: readonly (readonly [number, number])[];
}

/** Write a parcel: envelopes in the order of their chain, then media, the small ones first. */
export async function writeParcel(
  from: { readonly deviceId: string; readonly writtenAt: string },
  envelopes: readonly Uint8Array[],
  media: readonly Uint8Array[],
): Promise<Bytes> {
  const counts = { envelopes: envelopes.length, media: media.length };
  const label = utf8(canonicalJson({ device_id: from.deviceId, written_at: from.writtenAt, ...counts }));
  const parts: Uint8Array[] = [FRONT, ...(await record(RecordKind.LABEL, label))];
  for (const envelope of envelopes) parts.push(...(await record(RecordKind.ENVELOPE, envelope)));
  const bySize = [...media].sort((first, second) => first.length - second.length);
  for (const medium of bySize) parts.push(...(await record(RecordKind.MEDIUM, medium)));
  const before = concat(...parts);
  return concat(before, ...(await record(RecordKind.END, await sha256(before))));
}

async function record(kind: number, content: Uint8Array): Promise<[Bytes, Uint8Array]> {
  const head = concat(MARKER, Uint8Array.of(kind), u64(BigInt(content.length)), await sha256(content));
  return [concat(head, (await sha256(head)).subarray(0, CHECK_BYTES)), content];
}

/** Read all of a parcel that holds; throws `malformed` when it is no parcel at all, and `unknown-version`. */
export async function readParcel(bytes: Uint8Array): Promise<Parcel> {
  const search = new Search(bytes);
  await checkFront(bytes, search);
  const found = { label: null as ParcelLabel | null, envelopes: [] as Bytes[], media: [] as Bytes[] };
  const lost: [number, number][] = [];
  let lostFrom = equal(bytes.subarray(0, FRONT.length), FRONT) ? null : 0;
  let isEnded = false;
  for (let position = FRONT.length; position < bytes.length; ) {
    const { kind, content, next } = await search.at(position);
    if (content === null) {
      lostFrom ??= position;
      position = next;
      continue;
    }
    if (lostFrom !== null) lost.push([lostFrom, position - lostFrom]);
    lostFrom = null;
    if (kind === RecordKind.LABEL) found.label = readLabel(content);
    else if (kind === RecordKind.ENVELOPE) found.envelopes.push(content);
    else if (kind === RecordKind.MEDIUM) found.media.push(content);
    else if (kind === RecordKind.END && next === bytes.length) {
      isEnded = equal(content, await sha256(bytes.subarray(0, position)));
    }
    position = next;
  }
  if (lostFrom !== null) lost.push([lostFrom, bytes.length - lostFrom]);
  return { ...found, isWhole: isEnded && lost.length === 0, lost };
}

/** Refuse what is no parcel: a damaged front is forgiven where a record follows somewhere. */
async function checkFront(bytes: Uint8Array, search: Search): Promise<void> {
  if (equal(bytes.subarray(0, MAGIC_BYTES + 1), FRONT.subarray(0, MAGIC_BYTES + 1))) return;
  const isNamed = equal(bytes.subarray(0, MAGIC_BYTES), FRONT.subarray(0, MAGIC_BYTES));
  if (isNamed && (await search.at(FRONT.length)).content !== null) {
    throw new ProtocolError("unknown-version", "this side reads version 1 of parcels");
  }
  for (let position = 0; position < bytes.length; ) {
    const { content, next } = await search.at(position);
    if (content !== null) return;
    position = next;
  }
  throw new ProtocolError("malformed", "not a parcel of sealed interviews");
}

type Found = { readonly kind: number; readonly content: Bytes | null; readonly next: number };

/** Looks for records that hold, in a time that grows with the file and not with what somebody wrote into it. */
class Search {
  readonly #bytes: Uint8Array;
  #left: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#left = HASHED_TIMES * bytes.length;
  }

  /** Return the record that holds at a place, without content for none, and where to go on. */
  async at(position: number): Promise<Found> {
    const head = await this.#head(position);
    if (head === null) return { kind: -1, content: null, next: this.#nextMarker(position + 1) };
    const end = position + HEAD_BYTES + head.length;
    const content = own(this.#bytes.subarray(position + HEAD_BYTES, end));
    if (equal(await sha256(content), head.hash)) return { kind: head.kind, content, next: end };
    this.#left -= head.length;
    return { kind: head.kind, content: null, next: this.#left < 0 ? end : this.#nextMarker(position + 1) };
  }

  async #head(position: number): Promise<{ kind: number; length: number; hash: Uint8Array } | null> {
    const head = this.#bytes.subarray(position, position + HEAD_BYTES);
    if (head.length < HEAD_BYTES || !equal(head.subarray(0, MARKER.length), MARKER)) return null;
    const checked = head.subarray(0, -CHECK_BYTES);
    if (!equal((await sha256(checked)).subarray(0, CHECK_BYTES), head.subarray(-CHECK_BYTES))) return null;
    const kind = head[MARKER.length] as number;
    const length = Number(view(head).getBigUint64(MARKER.length + 1));
    if (length > (LONGEST[kind] ?? MEDIUM_BYTES) || position + HEAD_BYTES + length > this.#bytes.length) return null;
    return { kind, length, hash: checked.subarray(-HASH_BYTES) };
  }

  #nextMarker(from: number): number {
    const first = MARKER[0] as number;
    for (let place = this.#bytes.indexOf(first, from); place >= 0; place = this.#bytes.indexOf(first, place + 1)) {
      if (equal(this.#bytes.subarray(place, place + MARKER.length), MARKER)) return place;
    }
    return this.#bytes.length;
  }
}

/** Return a label, null for what is not one: nobody has signed it. */
function readLabel(content: Uint8Array): ParcelLabel | null {
  let members: Members;
  try {
    members = JSON.parse(text(content)) as Members;
  } catch {
    return null;
  }
  const { device_id: deviceId, written_at: writtenAt, envelopes, media } = members ?? {};
  const isSound = typeof deviceId === "string" && /^[A-Za-z0-9._:-]{1,64}$/.test(deviceId);
  if (!isSound || typeof writtenAt !== "string" || Number.isNaN(Date.parse(writtenAt))) return null;
  return isCount(envelopes) && isCount(media) ? { deviceId, writtenAt, envelopes, media } : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < HIGHEST_COUNT;
}
