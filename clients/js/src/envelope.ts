/** Interviews, drafts, attachments and decisions: clear header, Cobblestone-256 body, Ed25519 signature over all. */
import { type Bytes, concat, equal, hex, isZero, own, u32, u64, utf8, view } from "./bytes.ts";
import * as cobblestone from "./cobblestone.ts";
import {
  ENVELOPE_BYTES, ENVELOPE_VERSION, HASH_BYTES, INSTANCE_ID_BYTES, Kind, LABEL_ENVELOPE, MAGIC, NO_HASH, RATCHET_STEPS,
  SIGNATURE_BYTES,
} from "./constants.ts";
import { readObject } from "./documents.ts";
import { checkVersion, type Epoch, parseEpoch } from "./epoch.ts";
import { ProtocolError } from "./errors.ts";
import { type Manifest, pack, type Unpacked, unpack } from "./plaintext.ts";
import { labelled, sha256, type Signer } from "./primitives.ts";

const FRONT_BYTES = 100;
const BACK_BYTES = 3 * HASH_BYTES;

/** What an envelope shows to all: where it belongs, never what was answered. */
export interface Header {
  readonly kind: Exclude<Kind, typeof Kind.EPOCH>;
  readonly suite: number;
  readonly epochHash: Bytes;
  readonly index: number;
  readonly sequence: bigint;
  readonly previous: Bytes;
  readonly instanceId: Bytes;
  readonly parents: readonly Bytes[];
  readonly formVersionHash: Bytes;
  readonly dictionaryHash: Bytes;
  readonly certificateHash: Bytes;
}

export function encodeHeader(header: Header): Bytes {
  const hashes = [header.epochHash, header.previous, header.formVersionHash, header.dictionaryHash, header.certificateHash];
  const ids = [header.instanceId, ...header.parents];
  if (hashes.some((hash) => hash.length !== HASH_BYTES)) throw new ProtocolError("malformed", "a hash has 32 bytes");
  if (ids.some((id) => id.length !== INSTANCE_ID_BYTES)) throw new ProtocolError("malformed", "an instanceID has 16 bytes");
  if (header.parents.length > 255) throw new ProtocolError("malformed", "a revision has at most 255 parents");
  if (header.index >= RATCHET_STEPS) throw new ProtocolError("index-too-high", `at most ${RATCHET_STEPS} interviews an epoch`);
  return concat(
    utf8(MAGIC), Uint8Array.of(ENVELOPE_VERSION, header.suite, header.kind, header.parents.length), header.epochHash,
    u32(header.index), u64(header.sequence), header.previous, header.instanceId, ...header.parents,
    header.formVersionHash, header.dictionaryHash, header.certificateHash,
  );
}

/** Read what an envelope shows, without any cryptography. */
export function peek(body: Uint8Array): Header | Epoch {
  if (body.length > ENVELOPE_BYTES) throw new ProtocolError("too-large", `an envelope has at most ${ENVELOPE_BYTES} bytes`);
  if (!equal(body.subarray(0, 4), utf8(MAGIC))) throw new ProtocolError("malformed", "not an envelope");
  return body[6] === Kind.EPOCH ? parseEpoch(body) : parseHeader(body);
}

function parseHeader(body: Uint8Array): Header {
  if (body.length < FRONT_BYTES + BACK_BYTES + SIGNATURE_BYTES) throw new ProtocolError("truncated", "shorter than any header");
  checkVersion(body[4] ?? 0, body[5] ?? 0);
  const kind = body[6] ?? 0;
  if (kind < Kind.INTERVIEW || kind > Kind.DECISION) throw new ProtocolError("unknown-kind", `kind ${kind}`);
  const index = view(body).getUint32(40);
  if (index >= RATCHET_STEPS) throw new ProtocolError("index-too-high", `at most ${RATCHET_STEPS} interviews an epoch`);
  const count = body[7] ?? 0;
  const end = FRONT_BYTES + INSTANCE_ID_BYTES * count;
  if (body.length < end + BACK_BYTES + SIGNATURE_BYTES) throw new ProtocolError("truncated", "parents are missing");
  const slice = (start: number, length: number): Bytes => own(body.subarray(start, start + length));
  return {
    kind: kind as Header["kind"],
    suite: body[5] ?? 0,
    epochHash: slice(8, HASH_BYTES),
    index,
    sequence: view(body).getBigUint64(44),
    previous: slice(52, HASH_BYTES),
    instanceId: slice(84, INSTANCE_ID_BYTES),
    parents: Array.from({ length: count }, (_, number) => slice(FRONT_BYTES + INSTANCE_ID_BYTES * number, INSTANCE_ID_BYTES)),
    formVersionHash: slice(end, HASH_BYTES),
    dictionaryHash: slice(end + HASH_BYTES, HASH_BYTES),
    certificateHash: slice(end + 2 * HASH_BYTES, HASH_BYTES),
  };
}

/** Seal a document under a content key (32) that is used once; return the envelope. */
export async function seal(
  header: Header,
  contentKey: Uint8Array,
  signer: Signer,
  content: { readonly manifest: Manifest; readonly document: Uint8Array; readonly dictionary?: Uint8Array | undefined },
): Promise<Bytes> {
  const named = content.dictionary === undefined ? NO_HASH : await sha256(content.dictionary);
  if (!equal(named, header.dictionaryHash)) throw new ProtocolError("unknown-dictionary", "the header names another");
  const front = encodeHeader(header);
  const packed = pack(content.manifest, content.document, preset(header, content.dictionary));
  const unsigned = concat(front, await cobblestone.seal(contentKey, front, packed));
  const body = concat(unsigned, await signer.sign(labelled(LABEL_ENVELOPE, unsigned)));
  if (body.length > ENVELOPE_BYTES) throw new ProtocolError("too-large", `an envelope has at most ${ENVELOPE_BYTES} bytes`);
  return body;
}

/** Open an envelope of a kind whose signature has been verified; no byte is used before all is authenticated. */
export async function open(
  body: Uint8Array,
  kind: Header["kind"],
  contentKey: Uint8Array,
  dictionary?: Uint8Array,
): Promise<Unpacked> {
  const header = peek(body);
  if (header.kind !== kind) throw new ProtocolError("unknown-kind", `not of kind ${kind}`);
  const needed = !isZero(header.dictionaryHash);
  if (needed && (dictionary === undefined || !equal(await sha256(dictionary), header.dictionaryHash))) {
    throw new ProtocolError("unknown-dictionary", "deflated with a dictionary that is not at hand");
  }
  const start = FRONT_BYTES + INSTANCE_ID_BYTES * header.parents.length + BACK_BYTES;
  const stream = body.subarray(start, body.length - SIGNATURE_BYTES);
  const unpacked = unpack(await cobblestone.open(contentKey, body.subarray(0, start), stream), needed ? preset(header, dictionary) : undefined);
  if (kind === Kind.DECISION) readObject(unpacked.document);
  if (kind === Kind.ATTACHMENT) checkAttachment(unpacked);
  return unpacked;
}

/** What an envelope is deflated with: the dictionary, and the instanceID that its header tells anyhow. */
function preset(header: Header, dictionary: Uint8Array | undefined): Bytes | undefined {
  if (dictionary === undefined) return undefined;
  const digits = hex(header.instanceId);
  const groups = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)];
  return concat(dictionary, utf8(`uuid:${groups.join("-")}`));
}

function checkAttachment({ manifest, document }: Unpacked): void {
  const [medium, ...others] = manifest.media ?? [];
  const isKeyed = [medium?.sha256, medium?.key].every((digits) => /^[0-9a-fA-F]{64}$/.test(digits ?? ""));
  if (document.length > 0 || others.length > 0 || !isKeyed) {
    throw new ProtocolError("malformed", "an attachment names one medium, and nothing else");
  }
}
